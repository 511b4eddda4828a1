package main

import (
	"cmp"
	"slices"

	"fovea/cmd/internal/network"
	"fovea/cmd/internal/runs"
	"fovea/data"
)

// mistakes are the samples of a set that a network is surest of, and wrong about. Outputs come in the set's order.
type mistakes struct {
	seen int // samples
	all  []mistake
}

type mistake struct {
	sample, label, found int
	share                float64 // the probability of found
}

// add looks at the outputs [len(labels), classes] of the next samples.
func (m *mistakes) add(outputs []float64, labels []int32) {
	classes := len(outputs) / len(labels)
	for i, label := range labels {
		row := outputs[i*classes : (i+1)*classes]
		if highest := slices.Max(row); row[label] < highest { // and no NaN
			found := slices.Index(row, highest)
			m.keep(mistake{m.seen + i, int(label), found, network.Softmax(row)[found]})
		}
	}
	m.seen += len(labels)
}

// keep puts a mistake in its place; of equal ones the first comes first.
func (m *mistakes) keep(one mistake) {
	at, _ := slices.BinarySearchFunc(m.all, one, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.sample, b.sample))
	})
	if at < runs.MostMistakes {
		m.all = slices.Insert(m.all, at, one)
		m.all = m.all[:min(len(m.all), runs.MostMistakes)]
	}
}

// pictures are drawn of the samples as the set has them; what cannot be read is left out.
func (m *mistakes) pictures(set data.Set, classes *runs.Matrix) []runs.Mistake {
	if len(m.all) == 0 {
		return nil
	}
	info := set.Info()
	info.Mean, info.Deviation = nil, nil // which Read does not apply
	x := make([]float32, info.Sample.TotalSize())
	var all []runs.Mistake
	for _, one := range m.all {
		if set.Read(one.sample, x) == nil {
			all = append(all, runs.Mistake{Picture: network.Picture(info, x), Label: classes.Name(one.label), Found: classes.Name(one.found), Share: one.share})
		}
	}
	return all
}
