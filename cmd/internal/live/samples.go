package live

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/png"
	"math"
	"slices"
	"strconv"

	"golang.org/x/image/draw"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/nn"
)

const (
	mostSamples = 12
	mostGuesses = 5
	mostTargets = 8  // of a regression that are shown
	pictureSide = 96 // larger pictures are shown smaller
)

// samples are a few of a set, evenly spread over it so that a set in the order of its classes shows several.
type samples struct {
	x     *tensor.Dense // as the network takes them; nil: none
	shown []Sample
	info  data.Info
}

// newSamples leaves out samples that cannot be read: validation says what is wrong with them, or passes them over.
func newSamples(ctx context.Context, set data.Set) (*samples, error) {
	s := &samples{info: set.Info()}
	n := min(set.Len(), mostSamples)
	var good []int
	x := make([]float32, s.info.Sample.TotalSize())
	for k := range n {
		if i := k * set.Len() / n; set.Read(i, x) == nil {
			good = append(good, i)
		}
	}
	few, err := data.NewSubset(set, good)
	if err != nil {
		return nil, err
	}
	for b, err := range (&data.Loader{Set: few, Batch: max(1, len(good)), Workers: 1}).Epoch(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if err := s.take(b.Clone()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *samples) take(b *data.Batch) error {
	s.x = b.X
	values, size := b.X.Data().([]float32), s.info.Sample.TotalSize()
	for i := range b.Indices {
		picture, err := encode(network.Picture(s.info, values[i*size:(i+1)*size]))
		if err != nil {
			return err
		}
		one := Sample{Picture: picture}
		if b.Targets != nil {
			each := s.info.Targets
			one.Targets = some(float64s(b.Targets.Data().([]float32)[i*each : (i+1)*each]))
		} else {
			one.Label = s.class(int(b.Labels[i]))
		}
		s.shown = append(s.shown, one)
	}
	return nil
}

// encode makes a PNG of a picture of bounded size.
func encode(m image.Image) ([]byte, error) {
	if size := m.Bounds().Size(); max(size.X, size.Y) > pictureSide {
		longer := max(size.X, size.Y)
		small := image.NewNRGBA(image.Rect(0, 0, max(1, size.X*pictureSide/longer), max(1, size.Y*pictureSide/longer)))
		draw.ApproxBiLinear.Scale(small, small.Rect, m, m.Bounds(), draw.Src, nil)
		m = small
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
}

func (s *samples) class(k int) string {
	if k < len(s.info.ClassNames) {
		return s.info.ClassNames[k]
	}
	return strconv.Itoa(k)
}

// predictions asks the network. It waits for the device.
func (s *samples) predictions(net *nn.Network) ([]Prediction, error) {
	if s.x == nil {
		return nil, nil
	}
	tape := autograd.NewTape(net.Device)
	tape.NoGrad = true
	defer tape.Reset()
	y := net.Forward(tape.Input(s.x))
	if err := tape.Err(); err != nil {
		return nil, err
	}
	outputs, err := y.Tensor().Floats()
	if err != nil {
		return nil, err
	}
	all := make([]Prediction, len(s.shown))
	for i := range all {
		row := outputs[i*len(outputs)/len(all) : (i+1)*len(outputs)/len(all)]
		if s.info.Targets > 0 {
			all[i].Outputs = some(row)
		} else {
			all[i].Guesses = s.guesses(row)
		}
	}
	return all, nil
}

// guesses are the likeliest classes, none where the outputs give no probabilities.
func (s *samples) guesses(outputs []float64) []Guess {
	shares := network.Softmax(outputs)
	order := make([]int, len(shares))
	for k := range order {
		if math.IsNaN(shares[k]) {
			return nil
		}
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(shares[b], shares[a]) })
	var first []Guess
	for _, k := range order[:min(len(order), mostGuesses)] {
		first = append(first, Guess{s.class(k), shares[k]})
	}
	return first
}

// some are the first numbers, none where one of them is not finite, which JSON cannot say.
func some(values []float64) []float64 {
	values = values[:min(len(values), mostTargets)]
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return values
}

func float64s(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}
