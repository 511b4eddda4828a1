package onnx

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// testRun is a run whose weights are made when they are asked for.
type testRun struct {
	run
	made []*autograd.Value
}

func newRun(dev device.Device, p *program) *testRun {
	r := &testRun{run: run{program: p}}
	r.parameter = func(w *weight) (*autograd.Value, error) {
		a, err := w.read()
		if err != nil {
			return nil, err
		}
		dense := tensor.New(tensor.WithShape(w.shape...), tensor.WithBacking(a.values()))
		if len(w.shape) == 0 {
			dense = tensor.New(tensor.FromScalar(a.values()[0]))
		}
		v, err := autograd.NewParameter(dev, w.name, dense)
		if err == nil {
			r.made = append(r.made, v)
		}
		return v, err
	}
	r.buffer = func(w *weight, _ *node, _ int) (*device.Tensor, error) {
		v, err := r.parameter(w)
		if err != nil {
			return nil, err
		}
		return v.Tensor(), nil
	}
	return r
}

func (r *testRun) release() {
	for _, v := range r.made {
		v.Release()
	}
}

// read is an output in the host's memory.
func (r *testRun) read(o operand) (*array, error) {
	if o.value == nil {
		if o.weight != nil {
			return o.weight.read()
		}
		return o.array, nil
	}
	a := &array{shape: []int(o.value.Shape().Clone())}
	values, err := o.value.Tensor().Floats()
	a.floats = make([]float32, 0, len(values))
	for _, v := range values {
		a.floats = append(a.floats, float32(v))
	}
	return a, err
}
