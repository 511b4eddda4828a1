package devicetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/device/reference"
)

// values are the elements of a case's operands.
type values map[string][]float64

// Elements draws the operands' elements, all exact in float32; those that no one drew are NaN.
func (c Case) Elements(seed uint64) map[string][]float64 {
	host := values{}
	for i, o := range c.Operands {
		draw := o.Draw
		if draw == nil {
			draw = constant(nan)
		}
		host[o.Name] = singles(draw(philox.NewSource(philox.Stream{Seed: seed, ID: uint64(i)}), device.Size(o.Shape)))
	}
	return host
}

// Upload makes the case's operands on a device.
func (c Case) Upload(d device.Device, elements map[string][]float64) (Tensors, error) {
	return c.upload(d, elements, nil)
}

// upload stores some of the operands as activations.
func (c Case) upload(d device.Device, elements values, few map[string]bool) (Tensors, error) {
	t := Tensors{}
	for _, o := range c.Operands {
		x, err := o.upload(d, o.Shape, elements[o.Name], few[o.Name])
		if err != nil {
			t.Release()
			return nil, fmt.Errorf("operand %s: %w", o.Name, err)
		}
		t[o.Name] = x
	}
	return t, nil
}

func (o Operand) upload(d device.Device, s tensor.Shape, elements []float64, few bool) (*device.Tensor, error) {
	if !o.Labels {
		return fromSlice(d, s, elements, few)
	}
	labels := make([]int32, len(elements))
	for i, v := range elements {
		labels[i] = int32(v)
	}
	return device.FromSlice(d, s, labels)
}

// Result is what a call wrote to one operand.
type Result struct {
	Method, Operand string
	Elements        []float64
}

// Results are what the calls of a case write on d, each call being given the reference's results of those before. They are
// for comparing a device with itself, bit by bit.
func (r Row) Results(d device.Device, c Case, seed uint64, p Precision) ([]Result, error) {
	var all []Result
	err := r.eachCall(d, c, seed, p, func(t trial, want values) error {
		got, err := t.run(plain)
		for _, name := range t.call.Writes {
			all = append(all, Result{t.call.Method, name, got[name]})
		}
		return err
	})
	return all, err
}

// Check compares d with the reference on one case. Its error names the operation, case, shapes, device, seed, call and
// tensor, and the first element that differs.
func (r Row) Check(d device.Device, c Case, seed uint64) error {
	return r.CheckPrecision(d, c, seed, Precision{})
}

// CheckPrecision is Check of a device in another precision than float32.
func (r Row) CheckPrecision(d device.Device, c Case, seed uint64, p Precision) error {
	return r.eachCall(d, c, seed, p, func(t trial, want values) error {
		if err := t.check(want); err != nil || !t.p.Activations {
			return err
		}
		t.few = t.p.mix(c, seed)
		got, err := t.run(plain)
		if err == nil {
			err = t.compare(got, want, plain)
		}
		if err != nil {
			return fmt.Errorf("with %v: %w", t.few, err)
		}
		return nil
	})
}

// eachCall visits a case's calls with the reference's results.
func (r Row) eachCall(d device.Device, c Case, seed uint64, p Precision, visit func(t trial, want values) error) error {
	p = p.of(r)
	steps, err := r.known(c, seed, p)
	if err != nil {
		return err
	}
	few := p.usual(c)
	for i, call := range c.Calls {
		if err := visit(trial{d: d, c: c, call: call, host: steps[i].given, p: p, few: few}, steps[i].want); err != nil {
			return fmt.Errorf("%s, case %q (%s) on device %s, seed %d: %s: %w", r.Op, c.Name, c.shapes(), d.Name(), seed, call.Method, err)
		}
	}
	return nil
}

// step is what a call is given, and what the reference makes of it.
type step struct{ given, want values }

// knowns has the steps of cases by all that tells them apart. The same case is tried on many devices, with many numbers of
// threads and in many arrangements, and the reference is slow.
var knowns sync.Map

// known computes a case on the reference, once.
func (r Row) known(c Case, seed uint64, p Precision) ([]step, error) {
	key := fmt.Sprint(r.Op, "|", c.Name, "|", c.shapes(), "|", seed, p.BFloat16)
	if steps, have := knowns.Load(key); have {
		return steps.([]step), nil
	}
	host := values(c.Elements(seed))
	for _, o := range c.Operands {
		if !o.Labels {
			p.given(host[o.Name])
		}
	}
	var steps []step
	for _, call := range c.Calls {
		want, err := trial{d: reference.New(), c: c, call: call, host: host}.run(plain)
		if err != nil {
			return nil, fmt.Errorf("%s, case %q (%s) on the reference, seed %d: %s: %w", r.Op, c.Name, c.shapes(), seed, call.Method, err)
		}
		steps = append(steps, step{maps.Clone(host), want})
		for _, name := range call.Writes {
			host[name] = p.given(slices.Clone(want[name]))
		}
	}
	knowns.Store(key, steps)
	return steps, nil
}

// trial is a call to be made with certain operands.
type trial struct {
	d    device.Device
	c    Case
	call Call
	host values
	p    Precision
	few  map[string]bool // operands that are stored as activations
	// slack is added to the absolute tolerance of results.
	slack map[string]float64
}

// arrangement is how the operands are laid out for a trial.
type arrangement struct {
	name    string
	inPlace [2]string // result and input that are one tensor
	views   bool      // inputs are shown by Reshape
}

var plain = arrangement{}

// check tries every arrangement of the operands.
func (t trial) check(want values) error {
	first, err := t.run(plain)
	if err != nil {
		return err
	}
	if err := t.compare(first, want, plain); err != nil {
		return err
	}
	again, err := t.run(plain)
	if err != nil {
		return fmt.Errorf("the second time: %w", err)
	}
	for _, name := range t.call.Writes {
		if err := unchanged(again[name], first[name], t.c.operand(name).Shape); err != nil {
			return fmt.Errorf("tensor %s has other bits the second time: %w", name, err)
		}
	}
	others := []arrangement{{name: "with views as inputs: ", views: true}}
	for _, pair := range t.call.InPlace {
		others = append(others, arrangement{name: fmt.Sprintf("with %s in place of %s: ", pair[0], pair[1]), inPlace: pair})
	}
	for _, a := range others {
		got, err := t.run(a)
		if err == nil {
			err = t.compare(got, want, a)
		}
		if err != nil {
			return fmt.Errorf("%s%w", a.name, err)
		}
	}
	return nil
}

// compare checks what was written, and that nothing else was.
func (t trial) compare(got, want values, a arrangement) error {
	for _, o := range t.c.Operands {
		switch {
		case slices.Contains(t.call.Writes, o.Name):
			expected := want[o.Name]
			if t.p.BFloat16 && t.few[o.Name] && device.Size(o.Shape) > 1 {
				expected = brain(slices.Clone(expected))
			}
			tolerance := t.p.widen(t.call.Tolerance)
			tolerance.Absolute += t.slack[o.Name]
			if err := tolerance.compare(got[o.Name], expected, o.Shape, t.d.Float()); err != nil {
				return fmt.Errorf("tensor %s: %w", o.Name, err)
			}
		case o.Name != a.inPlace[1]:
			if err := unchanged(got[o.Name], t.host[o.Name], o.Shape); err != nil {
				return fmt.Errorf("tensor %s is not a result and was changed: %w", o.Name, err)
			}
		}
	}
	return nil
}

// run makes the call and returns all operands as it left them.
func (t trial) run(a arrangement) (values, error) {
	before := t.d.Stats().LiveTensors
	got, err := t.runOperands(a)
	if err != nil {
		return nil, err
	}
	if after := t.d.Stats().LiveTensors; after != before {
		return nil, fmt.Errorf("%d tensors are alive after the call that were not before", after-before)
	}
	return got, nil
}

func (t trial) runOperands(a arrangement) (values, error) {
	operands, err := t.c.upload(t.d, t.host, t.few)
	if err != nil {
		return nil, err
	}
	defer operands.Release()
	if a.views {
		if err := t.show(operands); err != nil {
			return nil, err
		}
	}
	if a.inPlace[0] != "" {
		operands[a.inPlace[0]].Release()
		operands[a.inPlace[0]] = operands[a.inPlace[1]].Retain()
	}
	if err := t.call.Do(t.d, operands); err != nil {
		return nil, err
	}
	if err := t.d.Synchronize(); err != nil {
		return nil, fmt.Errorf("synchronize: %w", err)
	}
	got := values{}
	for name, x := range operands {
		if got[name], err = download(x); err != nil {
			return nil, fmt.Errorf("download of %s: %w", name, err)
		}
	}
	return got, nil
}

// show replaces the inputs by views of flat tensors, which are released.
func (t trial) show(operands Tensors) error {
	for _, o := range t.c.Operands {
		if o.Labels || slices.Contains(t.call.Writes, o.Name) {
			continue
		}
		flat, err := o.upload(t.d, tensor.Shape{device.Size(o.Shape)}, t.host[o.Name], t.few[o.Name])
		if err != nil {
			return fmt.Errorf("operand %s, flat: %w", o.Name, err)
		}
		view, err := t.d.Reshape(flat, o.Shape)
		flat.Release()
		if err != nil {
			return fmt.Errorf("operand %s, reshape: %w", o.Name, err)
		}
		operands[o.Name].Release()
		operands[o.Name] = view
	}
	return nil
}
