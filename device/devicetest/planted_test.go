package devicetest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/device/reference"
)

// primitives are the methods of a device that compute.
func primitives() []string {
	memory := reflect.TypeFor[device.Memory]()
	var names []string
	for m := range reflect.TypeFor[device.Device]().Methods() {
		if _, of := memory.MethodByName(m.Name); !of {
			names = append(names, m.Name)
		}
	}
	return names
}

// firstError checks the cases that call method until one fails.
func firstError(d device.Device, method string) error {
	for _, row := range Rows() {
		var found error
		row.EachCase(func(c Case, seed uint64) {
			if found == nil && slices.ContainsFunc(c.Calls, func(call Call) bool { return call.Method == method }) {
				found = row.Check(d, c, seed)
			}
		})
		if found != nil {
			return found
		}
	}
	return nil
}

func TestEveryPrimitiveHasARow(t *testing.T) {
	called := map[string]bool{}
	for _, row := range Rows() {
		require.NotEmpty(t, row.Cases, row.Op)
		row.EachCase(func(c Case, _ uint64) {
			for _, call := range c.Calls {
				called[call.Method] = true
			}
		})
	}
	for _, name := range primitives() {
		require.True(t, called[name], "no row calls %s", name)
	}
}

// A case whose inputs are finite must have finite results: where all is NaN, nothing is compared.
func TestCasesAreNotVacuous(t *testing.T) {
	for _, row := range Rows() {
		row.EachCase(func(c Case, seed uint64) {
			elements := c.Elements(seed)
			for _, o := range c.Operands {
				if o.Draw != nil && slices.ContainsFunc(elements[o.Name], func(v float64) bool { return !finite(v) }) {
					return
				}
			}
			results, err := row.Results(reference.New(), c, seed, Precision{})
			require.NoError(t, err)
			for _, r := range results {
				if r.Method == "Fill" {
					continue // with what the case says, which may be NaN
				}
				require.False(t, slices.ContainsFunc(r.Elements, func(v float64) bool { return !finite(v) }),
					"%s, case %q, seed %d: %s gives %s elements that are not finite", row.Op, c.Name, seed, r.Method, r.Operand)
			}
		})
	}
}

// A bug that any primitive could have must show in every primitive.
func TestBugsOfAnyPrimitiveAreFound(t *testing.T) {
	change := func(x *device.Tensor, at int, by func(v float64) float64) error {
		if x == nil || x.DType == tensor.Int32 || x.Size() == 0 {
			return nil
		}
		elements, err := x.Floats()
		if err != nil {
			return err
		}
		elements[(at+len(elements))%len(elements)] = by(elements[(at+len(elements))%len(elements)])
		return x.Device.Upload(x, elements)
	}
	moreOf := func(v float64) float64 { return v*1.0001 + 1e-4 }
	type hook = func(results, inputs []*device.Tensor, do func() error) error
	bugs := map[string]func() hook{
		"does nothing": func() hook {
			return func(_, _ []*device.Tensor, _ func() error) error { return nil }
		},
		"forgets the last element": func() hook {
			return func(results, _ []*device.Tensor, do func() error) error {
				var before []float64
				err := change(results[0], -1, func(v float64) float64 { before = append(before, v); return v })
				if err == nil {
					err = do()
				}
				if err != nil || before == nil {
					return err
				}
				return change(results[0], -1, func(float64) float64 { return before[0] })
			}
		},
		"computes the first element wrongly": func() hook {
			return func(results, _ []*device.Tensor, do func() error) error {
				if err := do(); err != nil {
					return err
				}
				return change(results[0], 0, moreOf)
			}
		},
		"gives other bits the second time": func() hook {
			calls := 0
			return func(results, _ []*device.Tensor, do func() error) error {
				calls++
				if err := do(); err != nil || calls%2 == 1 {
					return err
				}
				return change(results[0], 0, func(v float64) float64 { return math.Nextafter(v, 2*v+1) })
			}
		},
		"forgets a tensor": func() hook {
			return func(results, _ []*device.Tensor, do func() error) error {
				if _, err := results[0].Device.New(tensor.Shape{1}, tensor.Int32); err != nil {
					return err
				}
				return do()
			}
		},
		"fails": func() hook {
			return func(_, _ []*device.Tensor, _ func() error) error { return fmt.Errorf("planted") }
		},
	}
	for _, method := range primitives() {
		for name, bug := range bugs {
			t.Run(method+" "+name, func(t *testing.T) {
				require.Error(t, firstError(plant(method, bug()), method))
			})
		}
	}
	// Each result is compared, and each input watched.
	for method, used := range operandsUsed(t) {
		for i := range used.results {
			require.Error(t, firstError(plant(method, func(results, _ []*device.Tensor, do func() error) error {
				if err := do(); err != nil || i >= len(results) {
					return err
				}
				return change(results[i], 0, moreOf)
			}), method), "%s: result %d wrong", method, i)
		}
		for i := range used.inputs {
			require.Error(t, firstError(plant(method, func(results, inputs []*device.Tensor, do func() error) error {
				if err := do(); err != nil || i >= len(inputs) || slices.Contains(results, inputs[i]) {
					return err
				}
				return change(inputs[i], -1, func(v float64) float64 { return v + 1 })
			}), method), "%s: input %d changed", method, i)
		}
	}
}

// used are the numbers of a primitive's operands that ever hold real numbers.
type used struct{ results, inputs map[int]bool }

func operandsUsed(t *testing.T) map[string]used {
	all := map[string]used{}
	note := func(set map[int]bool, operands []*device.Tensor) {
		for i, x := range operands {
			if x != nil && x.DType != tensor.Int32 && x.Size() > 0 {
				set[i] = true
			}
		}
	}
	d := hooked{reference.New(), func(method string, results, inputs []*device.Tensor, do func() error) error {
		if _, known := all[method]; !known {
			all[method] = used{map[int]bool{}, map[int]bool{}}
		}
		note(all[method].results, results)
		note(all[method].inputs, inputs)
		return do()
	}}
	for _, row := range Rows() {
		for _, c := range row.Cases {
			_, err := row.Results(d, c, 1, Precision{})
			require.NoError(t, err)
		}
	}
	require.Len(t, all, len(primitives()))
	return all
}

// A result in place of an input must not be cleared before the input was read.
func TestBugsInPlaceAreFound(t *testing.T) {
	for _, method := range []string{"Activate", "ActivateBackward", "AddBias", "Binary", "Scale"} {
		d := plant(method, func(results, inputs []*device.Tensor, do func() error) error {
			if results[0] == inputs[0] {
				if err := results[0].Device.Upload(results[0], make([]float64, results[0].Size())); err != nil {
					return err
				}
			}
			return do()
		})
		require.ErrorContains(t, firstError(d, method), "in place of")
	}
}

func TestWrongViewsAreFound(t *testing.T) {
	d := plant("Reshape", func(results, inputs []*device.Tensor, _ func() error) error {
		elements, err := inputs[0].Floats()
		if err != nil {
			return err
		}
		slices.Reverse(elements)
		return results[0].Device.Upload(results[0], elements)
	})
	require.ErrorContains(t, firstError(d, "Conv"), "with views as inputs")
}

// plant is a reference device one of whose primitives has a bug.
func plant(method string, bug func(results, inputs []*device.Tensor, do func() error) error) device.Device {
	return hooked{reference.New(), func(m string, results, inputs []*device.Tensor, do func() error) error {
		if m != method {
			return do()
		}
		return bug(results, inputs, do)
	}}
}

// wrong is a device with bugs of its own, each in one primitive.
type wrong struct {
	device.Device
	conv      func(s device.ConvSpec) device.ConvSpec
	pool      func(s device.PoolSpec) device.PoolSpec
	norm      func(s device.BatchNormSpec) device.BatchNormSpec
	lrn       func(s device.LRNSpec) device.LRNSpec
	activate  func(s device.ActivationSpec) device.ActivationSpec
	dropout   func(rate float64, s philox.Stream) (float64, philox.Stream)
	upsample  func(s device.UpsampleSpec) device.UpsampleSpec
	sgd       func(s device.SGDSpec) device.SGDSpec
	rmsprop   func(s device.RMSPropSpec) device.RMSPropSpec
	adam      func(s device.AdamSpec) device.AdamSpec
	transpose func(a, b bool) (bool, bool)
	// after changes what max pooling, ReLU, softmax or a loss has written.
	after func(result, input []float64)
}

func (d wrong) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return d.Device.Conv(y, x, w, b, d.conv(s))
}

func (d wrong) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	if d.after != nil && s.Kind == device.MaxPool {
		return d.changed(y, x, d.Device.Pool(y, x, s))
	}
	return d.Device.Pool(y, x, d.pool(s))
}

func (d wrong) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	return d.Device.BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift, d.norm(s))
}

func (d wrong) LRN(y, x *device.Tensor, s device.LRNSpec) error { return d.Device.LRN(y, x, d.lrn(s)) }

func (d wrong) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	if d.after != nil {
		return d.changed(y, x, d.Device.Activate(y, x, s))
	}
	return d.Device.Activate(y, x, d.activate(s))
}

func (d wrong) Softmax(y, x *device.Tensor, logarithm bool) error {
	return d.changed(y, x, d.Device.Softmax(y, x, logarithm))
}

func (d wrong) CrossEntropy(loss, x, labels *device.Tensor) error {
	return d.changed(loss, x, d.Device.CrossEntropy(loss, x, labels))
}

func (d wrong) ReduceSum(y, x *device.Tensor, factor float64) error {
	return d.changed(y, x, d.Device.ReduceSum(y, x, factor))
}

func (d wrong) Dropout(y, x *device.Tensor, rate float64, s philox.Stream) error {
	rate, s = d.dropout(rate, s)
	return d.Device.Dropout(y, x, rate, s)
}

func (d wrong) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	return d.Device.Upsample(y, x, d.upsample(s))
}

func (d wrong) SGD(l []device.Update, s device.SGDSpec) error { return d.Device.SGD(l, d.sgd(s)) }

func (d wrong) RMSProp(l []device.Update, s device.RMSPropSpec) error {
	return d.Device.RMSProp(l, d.rmsprop(s))
}

func (d wrong) Adam(l []device.Update, s device.AdamSpec) error { return d.Device.Adam(l, d.adam(s)) }

func (d wrong) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	if a.Shape[0] != a.Shape[1] || b.Shape[0] != b.Shape[1] {
		return d.Device.MatMul(c, a, b, transposeA, transposeB)
	}
	transposeA, transposeB = d.transpose(transposeA, transposeB)
	return d.Device.MatMul(c, a, b, transposeA, transposeB)
}

// changed downloads a result and its input, changes the result, and uploads it.
func (d wrong) changed(y, x *device.Tensor, err error) error {
	if err != nil {
		return err
	}
	result, err := y.Floats()
	if err != nil {
		return err
	}
	input, err := x.Floats()
	if err != nil {
		return err
	}
	d.after(result, input)
	return d.Upload(y, result)
}

func TestBugsOfOneKindAreFound(t *testing.T) {
	for _, bug := range []struct {
		name, method string
		device       wrong
	}{
		{"padding off by one on the left", "Conv", wrong{conv: func(s device.ConvSpec) device.ConvSpec { s.Padding.Left = max(0, s.Padding.Left-1); return s }}},
		{"top and left padding swapped", "Conv", wrong{conv: func(s device.ConvSpec) device.ConvSpec {
			s.Padding.Top, s.Padding.Left = s.Padding.Left, s.Padding.Top
			return s
		}}},
		{"bottom padding used on top", "Conv", wrong{conv: func(s device.ConvSpec) device.ConvSpec { s.Padding.Top = s.Padding.Bottom; return s }}},
		{"dilation of one axis used for both", "Conv", wrong{conv: func(s device.ConvSpec) device.ConvSpec { s.Dilation[1] = s.Dilation[0]; return s }}},
		{"strides swapped", "Conv", wrong{conv: func(s device.ConvSpec) device.ConvSpec {
			s.Stride[0], s.Stride[1] = s.Stride[1], s.Stride[0]
			return s
		}}},
		{"groups forgotten", "Conv", wrong{conv: func(s device.ConvSpec) device.ConvSpec { s.Groups = 1; return s }}},
		{"padding always counts", "Pool", wrong{pool: func(s device.PoolSpec) device.PoolSpec { s.CountPadding = true; return s }}},
		{"padding never counts", "Pool", wrong{pool: func(s device.PoolSpec) device.PoolSpec { s.CountPadding = false; return s }}},
		{"windows that hang over count beyond the padding", "Pool", wrong{pool: func(s device.PoolSpec) device.PoolSpec {
			if s.CountPadding && s.CeilMode {
				s.Padding.Bottom, s.Padding.Right = s.Window[0]+s.Stride[0], s.Window[1]+s.Stride[1]
			}
			return s
		}}},
		{"NaN lost in max pooling", "Pool", wrong{after: replaceNaN(-inf)}},
		{"a maximum that starts at 0", "Pool", wrong{after: func(y, _ []float64) { atLeast(y, 0) }}},
		{"epsilon forgotten", "BatchNorm", wrong{norm: func(s device.BatchNormSpec) device.BatchNormSpec { s.Epsilon = 0; return s }}},
		{"Keras's momentum", "BatchNorm", wrong{norm: func(s device.BatchNormSpec) device.BatchNormSpec { s.Momentum = 1 - s.Momentum; return s }}},
		{"even windows rounded up", "LRN", wrong{lrn: func(s device.LRNSpec) device.LRNSpec {
			s.Alpha *= float64(s.Size|1) / float64(s.Size)
			s.Size |= 1
			return s
		}}},
		{"Alpha not divided by the window", "LRN", wrong{lrn: func(s device.LRNSpec) device.LRNSpec { s.Alpha *= float64(s.Size); return s }}},
		{"slope of the leaky ReLU fixed", "Activate", wrong{activate: func(s device.ActivationSpec) device.ActivationSpec {
			if s.Kind == device.LeakyReLU {
				s.Alpha = 0.01
			}
			return s
		}}},
		{"NaN lost in an activation", "Activate", wrong{after: replaceNaN(0)}},
		{"denormal numbers flushed to 0", "Activate", wrong{after: func(y, _ []float64) {
			for i, v := range y {
				if math.Abs(v) < 1e-38 {
					y[i] = 0
				}
			}
		}}},
		{"softmax of large logits overflows", "Softmax", wrong{after: func(y, x []float64) {
			if len(x) > 0 && slices.Max(x) > 700 {
				y[0] = nan
			}
		}}},
		{"a sum instead of a mean", "CrossEntropy", wrong{after: func(y, x []float64) { y[0] *= 2 }}},
		{"long sums lose a term", "ReduceSum", wrong{after: func(y, x []float64) {
			if len(y) == 1 && len(x) > 8192 {
				y[0] -= x[8192]
			}
		}}},
		{"dropout's stream off by one", "Dropout", wrong{dropout: func(r float64, s philox.Stream) (float64, philox.Stream) { s.ID++; return r, s }}},
		{"high word of dropout's seed lost", "Dropout", wrong{dropout: func(r float64, s philox.Stream) (float64, philox.Stream) {
			s.Seed = uint64(uint32(s.Seed))
			return r, s
		}}},
		{"corners always aligned", "Upsample", wrong{upsample: func(s device.UpsampleSpec) device.UpsampleSpec { s.AlignCorners = s.Bilinear; return s }}},
		{"transposes confused when square", "MatMul", wrong{transpose: func(a, b bool) (bool, bool) { return b, a }}},
		{"Nesterov forgotten", "SGD", wrong{sgd: func(s device.SGDSpec) device.SGDSpec { s.Nesterov = false; return s }}},
		{"the first step reads the state", "SGD", wrong{sgd: func(s device.SGDSpec) device.SGDSpec { s.First = false; return s }}},
		{"every step is the first", "SGD", wrong{sgd: func(s device.SGDSpec) device.SGDSpec { s.First = true; return s }}},
		{"weight decay forgotten", "RMSProp", wrong{rmsprop: func(s device.RMSPropSpec) device.RMSPropSpec { s.WeightDecay = 0; return s }}},
		{"epsilon forgotten", "RMSProp", wrong{rmsprop: func(s device.RMSPropSpec) device.RMSPropSpec { s.Epsilon = 0; return s }}},
		{"bias correction forgotten", "Adam", wrong{adam: func(s device.AdamSpec) device.AdamSpec { s.Step = 1 << 20; return s }}},
		{"decay always coupled", "Adam", wrong{adam: func(s device.AdamSpec) device.AdamSpec { s.Decoupled = false; return s }}},
	} {
		t.Run(bug.method+" "+bug.name, func(t *testing.T) {
			bug.device.Device = reference.New()
			require.Error(t, firstError(bug.device, bug.method))
		})
	}
}

func replaceNaN(by float64) func(y, _ []float64) {
	return func(y, _ []float64) {
		for i, v := range y {
			if v != v {
				y[i] = by
			}
		}
	}
}

func atLeast(y []float64, low float64) {
	for i := range y {
		y[i] = max(y[i], low)
	}
}
