package devicetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// Row is one operation and everything there is to try about it.
type Row struct {
	Op    string
	Cases []Case                        // chosen by hand: the edges
	Draw  func(src *philox.Source) Case // any other; nil where the cases are all there is
	// Over draws a case whose first operand has the shape x (or fewer images); one without calls if x does not suit. With maps of
	// many channels it gives the wide cases, and sequences are made of it: operands that results of other operations can be.
	Over   func(src *philox.Source, x shape) Case
	Errors []Refusal
	Single bool // float32 whatever the user chose: parameters and what the optimiser keeps
	// Offered says whether a device has the operation, where it need not.
	Offered func(d device.Device) bool
}

// Rows is the table: every primitive that computes, in the order of package device's files, and the fused ones.
func Rows() []Row {
	return slices.Concat(convRows(), poolRows(), linearRows(), normRows(), activationRows(), elementwiseRows(),
		rearrangeRows(), lossRows(), optimiserRows(), fusedRows())
}

// Random draws a case; the same seed gives the same case. The row must have Draw.
func (r Row) Random(seed uint64) Case {
	return r.Draw(philox.NewSource(philox.Stream{Seed: seed, ID: 1 << 40}))
}

// RandomWide draws a case of many channels; the row must have Over. It may be none, without calls.
func (r Row) RandomWide(seed uint64) Case {
	src := philox.NewSource(philox.Stream{Seed: seed, ID: 1 << 43})
	x := wide(src)
	return r.Over(src, x)
}

// Case is an operation on operands of certain shapes: the forward call first, then its gradients.
type Case struct {
	Name     string
	Operands []Operand
	Calls    []Call
	// Kink says why finite differences do not give the gradients here, where they do not.
	Kink string
}

// Operand is a tensor by name. The gradient of the loss with respect to operand x is called dx.
type Operand struct {
	Name   string
	Shape  tensor.Shape
	Draw   Draw // its elements before the first call; nil for NaN, until a call writes it
	Labels bool // int32 elements
	Kept   bool // outlives a step, as parameters do, so that a step makes it by Memory.New
	// Kind names what the numbers are where not any will do, as variances must be positive.
	Kind string
}

// Call is one call of the device. Operands that it writes and that were drawn (or written before) are updated in place.
type Call struct {
	Method    string
	Writes    []string
	InPlace   [][2]string // {result, input}: the two may be the same tensor
	Do        func(d device.Device, t Tensors) error
	Tolerance Tolerance
}

// Tensors are a case's operands on a device, by name; a name that the case lacks gives nil, as for an absent bias.
type Tensors map[string]*device.Tensor

// Release gives all of them back.
func (t Tensors) Release() {
	for _, x := range t {
		x.Release()
	}
}

// Refusal is a call of a shape rule that must fail, and what it answered.
type Refusal struct {
	Name string
	Err  error
}

// Check says what is wrong with the answer: it must be an error that wraps device.ErrShape.
func (r Refusal) Check() error {
	switch {
	case r.Err == nil:
		return fmt.Errorf("%s: the shape rule accepts it, expected an error that wraps %q", r.Name, device.ErrShape)
	case !errors.Is(r.Err, device.ErrShape):
		return fmt.Errorf("%s: the shape rule's error %q does not wrap %q", r.Name, r.Err, device.ErrShape)
	}
	return nil
}

func (c Case) operand(name string) Operand {
	for _, o := range c.Operands {
		if o.Name == name {
			return o
		}
	}
	panic("devicetest: case " + c.Name + " has no operand " + name)
}

// with is the case with an operand drawn otherwise, under a name of its own, and without finite differences for a reason.
func (c Case) with(operand, what string, draw Draw, kink string) Case {
	c.Name += ", " + operand + " with " + what
	c.Operands = slices.Clone(c.Operands)
	for i := range c.Operands {
		if c.Operands[i].Name == operand {
			c.Operands[i].Draw = draw
		}
	}
	c.Kink = kink
	return c
}

// shapes lists the operands for a message: x (2, 3), w (4, 3).
func (c Case) shapes() string {
	parts := make([]string, len(c.Operands))
	for i, o := range c.Operands {
		parts[i] = fmt.Sprintf("%s %v", o.Name, o.Shape)
	}
	return strings.Join(parts, ", ")
}

type shape = tensor.Shape

// in is an operand that is drawn, out one that a call writes.
func in(name string, s shape, draw Draw) Operand { return Operand{Name: name, Shape: s, Draw: draw} }

func out(name string, s shape) Operand { return Operand{Name: name, Shape: s} }

// kept is an operand that outlives a step.
func kept(o Operand) Operand { o.Kept = true; return o }

// of is an operand whose numbers are of some kind.
func of(kind string, o Operand) Operand { o.Kind = kind; return o }

func variance(name string, s shape) Operand { return of("variance", in(name, s, uniform(0.5, 2))) }

// must is for the shapes of cases, which a rule accepts.
func must(s shape, err error) shape {
	if err != nil {
		panic(err)
	}
	return s
}

// refuse is a rule's answer without its shape.
func refuse(_ shape, err error) error { return err }

// pick draws one of the values.
func pick[T any](src *philox.Source, values ...T) T { return values[src.Intn(len(values))] }

// between draws an integer from low to high.
func between(src *philox.Source, low, high int) int { return low + src.Intn(high-low+1) }

// divisor is one of the numbers that divides n, or 1.
func divisor(src *philox.Source, n int, numbers ...int) int {
	if d := pick(src, numbers...); n%d == 0 {
		return d
	}
	return 1
}

// over is a Row.Over for shapes of some axes, or more.
func over(axes int, draw func(src *philox.Source, x shape) Case) func(src *philox.Source, x shape) Case {
	return func(src *philox.Source, x shape) Case {
		if len(x) < axes || len(x) > 4 || axes == 4 && device.Size(x) == 0 {
			return Case{}
		}
		return draw(src, x)
	}
}

// overRows is a Row.Over for matrices that are no more than the reference can multiply quickly.
func overRows(draw func(src *philox.Source, x shape) Case) func(src *philox.Source, x shape) Case {
	return over(2, func(src *philox.Source, x shape) Case {
		if len(x) != 2 || device.Size(x) > 1<<15 {
			return Case{}
		}
		return draw(src, x)
	})
}

// overMany is a Row.Over for what needs many values in a channel: few would leave gradients to rounding errors.
func overMany(draw func(src *philox.Source, x shape) Case) func(src *philox.Source, x shape) Case {
	return over(2, func(src *philox.Source, x shape) Case {
		if x[1] == 0 || device.Size(x)/x[1] < 6 {
			return Case{}
		}
		return draw(src, x)
	})
}

// wide draws the shape of feature maps of so many channels that a device may lay them out in blocks of 8, 16 or 32, which
// they fill or do not, and of rows that its kernels' tiles fit or do not.
func wide(src *philox.Source) shape {
	maps := pick(src, shape{1, 2}, shape{2, 1}, shape{3, 5}, shape{7, 7}, shape{4, 13}, shape{3, 14}, shape{2, 15}, shape{15, 9}, shape{1, 27}, shape{2, 28})
	return append(shape{between(src, 1, 3), manyChannels(src)}, maps...)
}

func manyChannels(src *philox.Source) int { return pick(src, 8, 15, 16, 17, 24, 31, 32, 48) }
