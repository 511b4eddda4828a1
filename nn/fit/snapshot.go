package fit

import (
	"gorgonia.org/tensor"

	"fovea/nn"
	"fovea/nn/weights"
)

// snapshot is a copy of a state, a network's for the most part, in the host's memory.
type snapshot struct {
	state  []nn.Tensor
	values []any // []float32 or []float64, as the device computes
	step   int   // updates made before it was taken
}

func newSnapshot(net *nn.Network) *snapshot { return snapshotOf(net.State()) }

func snapshotOf(state []nn.Tensor) *snapshot {
	s := &snapshot{state: state}
	for _, t := range s.state {
		if t.Tensor.DType == tensor.Float64 {
			s.values = append(s.values, make([]float64, t.Tensor.Size()))
		} else {
			s.values = append(s.values, make([]float32, t.Tensor.Size()))
		}
	}
	return s
}

func (s *snapshot) take(step int) error {
	for i, t := range s.state {
		if err := t.Tensor.Device.Download(s.values[i], t.Tensor); err != nil {
			return err
		}
	}
	s.step = step
	return nil
}

// stored lists what the snapshot holds until it is taken anew.
func (s *snapshot) stored() []weights.Stored {
	all := make([]weights.Stored, len(s.state))
	for i, t := range s.state {
		all[i] = weights.Stored{Name: t.Name, Shape: t.Tensor.Shape, DType: t.Tensor.DType, Read: func() (any, error) { return s.values[i], nil }}
	}
	return all
}

// swap exchanges what two snapshots of the same network hold.
func (s *snapshot) swap(other *snapshot) { *s, *other = *other, *s }

func (s *snapshot) restore() error {
	for i, t := range s.state {
		if err := t.Tensor.Device.Upload(t.Tensor, s.values[i]); err != nil {
			return err
		}
	}
	return nil
}
