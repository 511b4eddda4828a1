package fit

import (
	"gorgonia.org/tensor"

	"fovea/nn"
)

// snapshot is a copy of a network's state in the host's memory.
type snapshot struct {
	state  []nn.Tensor
	values []any // []float32 or []float64, as the device computes
	step   int   // updates made before it was taken
}

func newSnapshot(net *nn.Network) *snapshot {
	s := &snapshot{state: net.State()}
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
