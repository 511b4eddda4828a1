package data

import (
	"fmt"
)

// Memory is a set held in memory.
type Memory struct {
	info    Info
	size    int // values in a sample
	length  int
	x       []float32
	labels  []int32
	targets []float32
}

// NewMemory makes a set of the samples in x, [N, C, H, W] row-major, with the sample shape (C, H, W) of info.
// If info.Targets is 0, labels has one class per sample and targets is nil; otherwise targets is [N, info.Targets] and
// labels is nil. It is an error if lengths do not fit one another, if there is no sample, or if a label is negative or,
// where info.Classes says how many there are, too large. The slices are kept, not copied.
func NewMemory(info Info, x []float32, labels []int32, targets []float32) (*Memory, error) {
	size, err := sampleSize(info)
	if err != nil {
		return nil, err
	}
	if len(x) == 0 || len(x)%size != 0 {
		return nil, fmt.Errorf("data set %q: %d values, expected a positive multiple of %d, the size of a sample %s",
			info.Name, len(x), size, shapeText(info.Sample))
	}
	if info.Targets < 0 || info.Classes < 0 {
		return nil, fmt.Errorf("data set %q: %d targets and %d classes, expected neither below 0", info.Name, info.Targets, info.Classes)
	}
	if info.ClassNames != nil && len(info.ClassNames) != info.Classes {
		return nil, fmt.Errorf("data set %q: %d class names, expected %d", info.Name, len(info.ClassNames), info.Classes)
	}
	m := &Memory{info: info, size: size, length: len(x) / size, x: x, labels: labels, targets: targets}
	wantLabels, wantTargets := m.length, 0
	if info.Targets > 0 {
		wantLabels = 0
		if wantTargets, err = product([]int{m.length, info.Targets}); err != nil {
			return nil, fmt.Errorf("data set %q: %d targets for each of %d samples: %w", info.Name, info.Targets, m.length, err)
		}
	}
	if len(labels) != wantLabels {
		return nil, fmt.Errorf("data set %q: %d labels for %d samples, expected %d", info.Name, len(labels), m.length, wantLabels)
	}
	if len(targets) != wantTargets {
		return nil, fmt.Errorf("data set %q: %d target values for %d samples, expected %d", info.Name, len(targets), m.length, wantTargets)
	}
	for i, label := range labels {
		if label < 0 {
			return nil, fmt.Errorf("labels of %q: sample %d has label %d, expected at least 0", info.Name, i, label)
		}
	}
	if info.Classes > 0 && info.Targets == 0 {
		if err := CheckLabels(m, info.Classes); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Info describes the set.
func (m *Memory) Info() Info { return m.info }

// Len returns the number of samples.
func (m *Memory) Len() int { return m.length }

// Read copies sample i into x; see [Set].
func (m *Memory) Read(i int, x []float32) error {
	if err := checkRead(m.info, m.length, m.size, i, x); err != nil {
		return err
	}
	copy(x, m.x[i*m.size:])
	return nil
}

// Label returns the class of sample i; see [Set].
func (m *Memory) Label(i int) int {
	if i < 0 || i >= len(m.labels) {
		return -1
	}
	return int(m.labels[i])
}

// Target copies the targets of sample i into y; see [Set].
func (m *Memory) Target(i int, y []float32) {
	if n := m.info.Targets; n > 0 && i >= 0 && i < m.length {
		copy(y, m.targets[i*n:(i+1)*n])
	}
}
