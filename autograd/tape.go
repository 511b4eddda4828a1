package autograd

import (
	"errors"
	"fmt"
	"strings"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// Tape records one step at a time: Reset, operations, Backward, again. It is used by one goroutine.
type Tape struct {
	// Training makes dropout drop and batch normalisation use the batch's statistics.
	Training bool
	// NoGrad records nothing: for inference.
	NoGrad bool
	// Random is where this step's dropout masks come from; set it anew for every step.
	Random philox.Stream
	// Observe, if set, sees each new value with the operation and the layer that made it. An error stops the tape.
	Observe func(op, layer string, v *Value) error
	// Auxiliaries are outputs beside the network's own that have a part in this step's loss; Reset forgets them.
	Auxiliaries []Auxiliary

	dev        device.Device
	compact    device.Compact // nil if the device stores everything alike
	records    []record
	values     []*Value
	parameters []*Value // that Backward will give a gradient; some more than once
	scope      []string
	draws      uint64
	generation int
	consumed   bool
	err        error
}

// Auxiliary is an output that a loss is computed of too, with a weight.
type Auxiliary struct {
	Output *Value
	Weight float64
}

// record is one operation: what it made, and how the gradient goes back.
type record struct {
	op, layer string
	out       *Value
	saved     []*device.Tensor // what backward needs beside the operands
	backward  func(dy *device.Tensor) error
}

// NewTape makes an empty tape on d. Reset it when the last step is done, or its memory stays in use.
func NewTape(d device.Device) *Tape {
	compact, _ := d.(device.Compact)
	return &Tape{dev: d, compact: compact}
}

// Device is where the tape computes.
func (t *Tape) Device() device.Device { return t.dev }

// Err is the first failure since Reset.
func (t *Tape) Err() error { return t.err }

// Fail puts a failure on the tape, for layers that find one themselves, and returns the value that stands for it.
func (t *Tape) Fail(err error) *Value {
	if t.err == nil {
		if layer := t.Layer(); layer != "" {
			err = fmt.Errorf("layer %s: %w", layer, err)
		}
		t.err = err
	}
	return &Value{tape: t, generation: t.generation}
}

// Reset gives everything back to the device's pool and readies the tape for the next step.
func (t *Tape) Reset() {
	for _, r := range t.records {
		r.release()
	}
	for _, v := range t.values {
		v.free()
	}
	clear(t.records)
	clear(t.values)
	clear(t.parameters)
	clear(t.Auxiliaries)
	t.Auxiliaries = t.Auxiliaries[:0]
	t.records, t.values, t.parameters, t.scope = t.records[:0], t.values[:0], t.parameters[:0], t.scope[:0]
	t.draws, t.consumed, t.err = 0, false, nil
	t.generation++
}

func (r *record) release() {
	for _, s := range r.saved {
		s.Release()
	}
	r.saved, r.backward = nil, nil
}

// Enter and Leave bracket a layer, whose name then stands in errors and observations. They do nothing on the nil tape of
// a parameter: the layer's operations say what is wrong with it.
func (t *Tape) Enter(layer string) {
	if t != nil {
		t.scope = append(t.scope, layer)
	}
}

// Leave ends what Enter began.
func (t *Tape) Leave() {
	if t != nil && len(t.scope) > 0 { // Reset may have come between
		t.scope = t.scope[:len(t.scope)-1]
	}
}

// Layer is the path of the layer that is being computed: "features.0".
func (t *Tape) Layer() string { return strings.Join(t.scope, ".") }

// Input copies a dense tensor of floats to the device. It gets no gradient; see Variable.
func (t *Tape) Input(dense *tensor.Dense) *Value {
	if t.err != nil {
		return t.Fail(t.err)
	}
	data, err := device.FromDense(t.dev, dense)
	if err == nil && data.DType != t.dev.Float() {
		err = fmt.Errorf("input: %w: elements are %v, expected float32 or float64", device.ErrDType, dense.Dtype())
		data.Release()
	}
	if err != nil {
		return t.Fail(err)
	}
	v := t.own(data)
	v.precise = true
	return v
}

// Variable is an input that gets a gradient, held until Reset.
func (t *Tape) Variable(dense *tensor.Dense) *Value {
	v := t.Input(dense).Keep()
	v.needsGrad = t.err == nil && !t.NoGrad
	return v
}

// Labels copies class indices to the device: one per sample, or of the given shape [N, H, W] for one per place.
func (t *Tape) Labels(labels []int32, shape ...int) *Value {
	if t.err != nil {
		return t.Fail(t.err)
	}
	if len(shape) == 0 {
		shape = []int{len(labels)}
	}
	data, err := device.FromSlice(t.dev, shape, labels)
	if err != nil {
		return t.Fail(err)
	}
	v := t.own(data)
	for i, l := range labels {
		if i == 0 || l < v.low {
			v.low = l
		}
		if i == 0 || l > v.high {
			v.high = l
		}
	}
	return v
}

// Use brings a parameter onto the tape, for operations all of whose operands are parameters.
func (t *Tape) Use(parameter *Value) *Value {
	switch {
	case t.err != nil:
		return t.Fail(t.err)
	case parameter == nil || parameter.tape != nil:
		return t.Fail(errors.New("use: expected a parameter, which belongs to no tape"))
	case parameter.readable() != nil:
		return t.Fail(fmt.Errorf("use: %w", parameter.readable()))
	case parameter.data.Device != t.dev:
		return t.Fail(fmt.Errorf("use: the parameter is on device %s, the tape on %s", parameter.data.Device.Name(), t.dev.Name()))
	case t.consumed:
		return t.Fail(fmt.Errorf("use: %w", errConsumed))
	}
	v := t.own(parameter.data.Retain())
	v.precise = true
	if v.needsGrad = !t.NoGrad && !parameter.Frozen; v.needsGrad {
		t.parameters = append(t.parameters, parameter)
		t.records = append(t.records, record{op: "use", layer: t.Layer(), out: v,
			backward: func(dy *device.Tensor) error { return t.pass(parameter, dy) }})
	}
	return v
}

// Free gives back a value that only this tape's backward pass could still want: at once without gradients, as Backward
// passes it otherwise. Containers call it on what only they have seen.
func (t *Tape) Free(v *Value) {
	if t != nil && t.NoGrad && v.tape == t && !v.keep {
		v.free()
	}
}

func (t *Tape) own(data *device.Tensor) *Value {
	v := &Value{data: data, tape: t, generation: t.generation}
	t.values = append(t.values, v)
	return v
}

// nextDraw is the stream of the next dropout of this step.
func (t *Tape) nextDraw() philox.Stream {
	t.draws++
	return t.Random.Sub(t.Random.ID, t.draws)
}

var errNoTape = errors.New("no operand belongs to a tape; bring a parameter onto one with Tape.Use")

var errConsumed = errors.New("the tape was consumed by Backward; Reset it first")

// begin finds the tape of an operation's operands and checks that they can be used. Without one it makes a tape that
// holds nothing but the error. Operands that may be left out are not passed if they are, see optional.
func begin(op string, operands ...*Value) *Tape {
	var t *Tape
	for _, v := range operands {
		if v != nil && v.tape != nil {
			t = v.tape
			break
		}
	}
	if t == nil {
		return &Tape{err: fmt.Errorf("%s: %w", op, errNoTape)}
	}
	if t.err != nil {
		return t
	}
	if t.consumed {
		t.Fail(fmt.Errorf("%s: %w", op, errConsumed))
		return t
	}
	for i, v := range operands {
		switch {
		case v == nil:
			t.Fail(fmt.Errorf("%s: operand %d is nil", op, i))
		case v.readable() != nil:
			t.Fail(fmt.Errorf("%s: operand %d: %w", op, i, v.readable()))
		case v.tape != nil && v.tape != t:
			t.Fail(fmt.Errorf("%s: operand %d belongs to another tape", op, i))
		case v.data.Device != t.dev:
			t.Fail(fmt.Errorf("%s: operand %d is on device %s, the tape on %s", op, i, v.data.Device.Name(), t.dev.Name()))
		}
	}
	return t
}

// optional is operands, with another one unless it is nil.
func optional(last *Value, operands ...*Value) []*Value {
	if last == nil {
		return operands
	}
	return append(operands, last)
}

// floats checks that operands hold real numbers.
func (t *Tape) floats(op string, operands ...*Value) *Tape {
	for i, v := range operands {
		if t.err == nil && v.data.DType != t.dev.Float() {
			t.Fail(fmt.Errorf("%s: %w: operand %d holds %v, expected %v", op, device.ErrDType, i, v.data.DType, t.dev.Float()))
		}
	}
	return t
}

// operation is what apply needs to know of one.
type operation struct {
	name     string
	operands []*Value
	shape    tensor.Shape
	forward  func(y *device.Tensor) error
	backward func(dy *device.Tensor) error
	saved    []*device.Tensor
	output   *device.Tensor // instead of shape and forward: already computed
	precise  bool           // the result is a number that one looks at (a loss, a probability), not an activation
}

// apply computes an operation and records it if a gradient may come back.
func (t *Tape) apply(o operation) *Value {
	fail := func(err error) *Value {
		for _, s := range o.saved {
			s.Release()
		}
		return t.Fail(err)
	}
	if t.err != nil {
		return fail(t.err)
	}
	if o.output == nil {
		o.precise = o.precise || len(o.shape) == 0 // a scalar is one: a sum of losses
		y, err := t.room(o.shape, o.precise)
		if err != nil {
			return fail(fmt.Errorf("%s: %w", o.name, err))
		}
		if err := o.forward(y); err != nil {
			y.Release()
			return fail(fmt.Errorf("%s: %w", o.name, err))
		}
		o.output = y
	}
	v := t.own(o.output)
	v.precise = o.precise
	if !t.NoGrad && o.backward != nil {
		for _, operand := range o.operands {
			if operand.wantsGrad() {
				v.needsGrad = true
				operand.readers++
				if operand.tape == nil {
					t.parameters = append(t.parameters, operand)
				}
			}
		}
	}
	if v.needsGrad {
		t.records = append(t.records, record{op: o.name, layer: t.Layer(), out: v, saved: o.saved, backward: o.backward})
	} else {
		for _, s := range o.saved {
			s.Release()
		}
	}
	if t.Observe != nil {
		if err := t.Observe(o.name, t.Layer(), v); err != nil {
			return t.Fail(err)
		}
	}
	return v
}

// room makes a tensor of floats: as small as the device offers unless it must be precise.
func (t *Tape) room(shape tensor.Shape, precise bool) (*device.Tensor, error) {
	if t.compact == nil || precise {
		return t.dev.New(shape, t.dev.Float())
	}
	return t.compact.NewActivation(shape)
}

// gradient makes room for what v's gradient is to be: stored as v is.
func (t *Tape) gradient(v *Value) (*device.Tensor, error) {
	return t.room(v.data.Shape, v.tape == nil || v.precise)
}

// temporary makes a tensor of floats that the operation saves or releases itself; nil after a failure.
func (t *Tape) temporary(op string, shape tensor.Shape) *device.Tensor {
	if t.err != nil {
		return nil
	}
	s, err := t.dev.New(shape, t.dev.Float())
	if err != nil {
		t.Fail(fmt.Errorf("%s: %w", op, err))
		return nil
	}
	return s
}

// wantsGrad is false for an operand that was left out.
func (v *Value) wantsGrad() bool {
	if v == nil {
		return false
	}
	if v.tape == nil {
		return !v.Frozen
	}
	return v.needsGrad
}
