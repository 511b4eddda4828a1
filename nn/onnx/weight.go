package onnx

import (
	"fmt"

	"fovea/device/philox"
	"fovea/nn"
)

// weight is a tensor of real numbers that the file holds: an initialiser, or a constant of the graph.
type weight struct {
	name  string
	shape []int
	// trained is true for an initialiser with dimensions. Single numbers, and constants that nodes make, stay as they are.
	trained bool
	stored  *stored // or
	array   *array
	fresh   bool // a new head: drawn, not read
	inputs  int  // of the new head
	readers int  // operands of nodes that it is
	hosted  bool // read in the host's memory, where it is small
}

// forget drops what the file has of the numbers, once the parameters have them.
func (w *weight) forget() {
	if !w.hosted {
		w.stored, w.array = nil, nil
	}
}

// read decodes the weight. It is done anew each time: nothing but the parameters keeps the numbers.
func (w *weight) read() (*array, error) {
	if w.fresh {
		return nil, fmt.Errorf("weight %s: its values are new", w.name)
	}
	if w.array != nil {
		return w.array, nil
	}
	if w.stored == nil {
		return nil, fmt.Errorf("weight %s: its values are on the device", w.name)
	}
	a, err := w.stored.read()
	if err != nil {
		return nil, fmt.Errorf("weight %s: %w", w.name, err)
	}
	return a, nil
}

// initial gives a parameter the weight's values.
func (w *weight) initial(values *array) nn.Initial {
	if w.fresh {
		if len(w.shape) == 1 {
			return nn.Constant(0)
		}
		return nn.HeNormal(w.inputs)
	}
	return func(to []float32, _ *philox.Source) {
		if values.fill == nil {
			copy(to, values.floats)
			return
		}
		for i := range to {
			to[i] = *values.fill
		}
	}
}
