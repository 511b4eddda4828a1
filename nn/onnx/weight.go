package onnx

import (
	"errors"
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
		return nil, w.fail(errors.New("its values are new"))
	}
	if w.array != nil {
		return w.array, nil
	}
	if w.stored == nil {
		return nil, w.fail(errors.New("its values are on the device"))
	}
	a, err := w.stored.read()
	if err != nil {
		return nil, w.fail(err)
	}
	return a, nil
}

func (w *weight) fail(err error) error { return fmt.Errorf("weight %s: %w", w.name, err) }

// initial gives a parameter the weight's values, or says why not.
func (w *weight) initial(unread *error) nn.Initial {
	if w.fresh {
		if len(w.shape) == 1 {
			return nn.Constant(0)
		}
		return nn.HeNormal(w.inputs)
	}
	return func(to []float32, _ *philox.Source) { *unread = w.decode(to) }
}

func (w *weight) decode(to []float32) error {
	if w.array == nil && w.stored != nil {
		if err := w.stored.floats(to); err != nil {
			return w.fail(err)
		}
		return nil
	}
	values, err := w.read()
	if err != nil {
		return err
	}
	if values.fill == nil {
		copy(to, values.floats)
		return nil
	}
	for i := range to {
		to[i] = *values.fill
	}
	return nil
}
