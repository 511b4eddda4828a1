package autograd_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
)

// recording is one operation that scripts/record_pytorch.py ran in PyTorch in float64.
type recording struct {
	Name, Op     string
	Attrs        attrs
	Inputs       []string
	Labels       string
	Output, Dout string
	Grads        []*string // aligned with Inputs; nil where there is none
	Extra        map[string]string
}

type attrs map[string]json.RawMessage

func (a attrs) read(name string, into any) {
	if err := json.Unmarshal(a[name], into); err != nil {
		panic(fmt.Sprintf("attribute %s: %v", name, err))
	}
}

func (a attrs) number(name string) (v float64) { a.read(name, &v); return }
func (a attrs) integer(name string) (v int)    { a.read(name, &v); return }
func (a attrs) wide(name string) (v uint64)    { a.read(name, &v); return }
func (a attrs) integers(name string) (v []int) { a.read(name, &v); return }
func (a attrs) pair(name string) (v [2]int)    { a.read(name, &v); return }
func (a attrs) truth(name string) (v bool)     { a.read(name, &v); return }
func (a attrs) padding(name string) (p device.Padding) {
	var v [4]int
	a.read(name, &v)
	return device.Padding{Top: v[0], Bottom: v[1], Left: v[2], Right: v[3]}
}

func (a attrs) conv() device.ConvSpec {
	return device.ConvSpec{Stride: a.pair("stride"), Dilation: a.pair("dilation"), Padding: a.padding("padding"), Groups: a.integer("groups")}
}

func (a attrs) pool(kind device.PoolKind) device.PoolSpec {
	s := device.PoolSpec{Kind: kind, Window: a.pair("window"), Stride: a.pair("stride"), Padding: a.padding("padding"), CeilMode: a.truth("ceil_mode")}
	if kind == device.AveragePool {
		s.CountPadding = a.truth("count_include_pad")
	}
	return s
}

func (a attrs) lrn() device.LRNSpec {
	return device.LRNSpec{Size: a.integer("size"), Alpha: a.number("alpha"), Beta: a.number("beta"), K: a.number("k")}
}

// bench is what a row of operations computes with.
type bench struct {
	tape   *autograd.Tape
	in     []*autograd.Value // as many as the operation may have; nil where there is none
	labels *autograd.Value
	extra  map[string]*device.Tensor
}

func activation(kind device.ActivationKind, constant string) func(*bench, attrs) *autograd.Value {
	return func(b *bench, a attrs) *autograd.Value {
		s := device.ActivationSpec{Kind: kind}
		if constant != "" {
			s.Alpha = a.number(constant)
		}
		return autograd.Activate(b.in[0], s)
	}
}

func pooling(kind device.PoolKind) func(*bench, attrs) *autograd.Value {
	return func(b *bench, a attrs) *autograd.Value { return autograd.Pool(b.in[0], a.pool(kind)) }
}

func global(kind device.PoolKind) func(*bench, attrs) *autograd.Value {
	return func(b *bench, _ attrs) *autograd.Value { return autograd.GlobalPool(b.in[0], kind) }
}

// operations is one row per recorded operation: the same computation by this package.
var operations = map[string]func(*bench, attrs) *autograd.Value{
	"conv2d": func(b *bench, a attrs) *autograd.Value { return autograd.Conv2D(b.in[0], b.in[1], b.in[2], a.conv()) },
	"true_conv2d": func(b *bench, a attrs) *autograd.Value {
		return autograd.TrueConv2D(b.in[0], b.in[1], b.in[2], a.conv())
	},
	"conv_transpose2d": func(b *bench, a attrs) *autograd.Value {
		return autograd.ConvTranspose2D(b.in[0], b.in[1], b.in[2], a.conv(), a.pair("output_padding"))
	},
	"max_pool2d":          pooling(device.MaxPool),
	"min_pool2d":          pooling(device.MinPool),
	"avg_pool2d":          pooling(device.AveragePool),
	"global_max_pool":     global(device.MaxPool),
	"global_min_pool":     global(device.MinPool),
	"global_avg_pool":     global(device.AveragePool),
	"adaptive_avg_pool2d": func(b *bench, a attrs) *autograd.Value { return autograd.AdaptiveAvgPool(b.in[0], a.pair("size")) },
	"rotate180":           func(b *bench, _ attrs) *autograd.Value { return autograd.Rotate180(b.in[0]) },
	"matmul":              func(b *bench, _ attrs) *autograd.Value { return autograd.MatMul(b.in[0], b.in[1]) },
	"linear":              func(b *bench, _ attrs) *autograd.Value { return autograd.Linear(b.in[0], b.in[1], b.in[2]) },
	"batch_norm_train": func(b *bench, a attrs) *autograd.Value {
		b.tape.Training = true
		return autograd.BatchNorm(b.in[0], b.in[1], b.in[2], b.extra["running_mean"], b.extra["running_var"],
			device.BatchNormSpec{Epsilon: a.number("eps"), Momentum: a.number("momentum")})
	},
	"batch_norm_infer": func(b *bench, a attrs) *autograd.Value {
		return autograd.BatchNorm(b.in[0], b.in[1], b.in[2], b.extra["running_mean"], b.extra["running_var"],
			device.BatchNormSpec{Epsilon: a.number("eps")})
	},
	"lrn":           func(b *bench, a attrs) *autograd.Value { return autograd.LRN(b.in[0], a.lrn()) },
	"contrast_norm": func(b *bench, a attrs) *autograd.Value { return autograd.ContrastNorm(b.in[0], a.lrn()) },
	"identity":      activation(device.Identity, ""),
	"step":          activation(device.Step, ""),
	"sigmoid":       activation(device.Sigmoid, ""),
	"tanh":          activation(device.Tanh, ""),
	"relu":          activation(device.ReLU, ""),
	"leaky_relu":    activation(device.LeakyReLU, "slope"),
	"elu":           activation(device.ELU, "alpha"),
	"maxout":        func(b *bench, a attrs) *autograd.Value { return autograd.Maxout(b.in[0], a.integer("pieces")) },
	"softmax":       func(b *bench, _ attrs) *autograd.Value { return autograd.Softmax(b.in[0]) },
	"log_softmax":   func(b *bench, _ attrs) *autograd.Value { return autograd.LogSoftmax(b.in[0]) },
	"dropout": func(b *bench, a attrs) *autograd.Value {
		return autograd.DropoutFrom(b.in[0], a.number("rate"), philox.Stream{Seed: a.wide("seed"), ID: a.wide("stream")})
	},
	"add": func(b *bench, _ attrs) *autograd.Value { return autograd.Add(b.in[0], b.in[1]) },
	"sub": func(b *bench, _ attrs) *autograd.Value { return autograd.Sub(b.in[0], b.in[1]) },
	"mul": func(b *bench, _ attrs) *autograd.Value { return autograd.Mul(b.in[0], b.in[1]) },
	"div": func(b *bench, _ attrs) *autograd.Value { return autograd.Div(b.in[0], b.in[1]) },
	"scale": func(b *bench, a attrs) *autograd.Value {
		return autograd.Scale(b.in[0], a.number("factor"), a.number("offset"))
	},
	"concat": func(b *bench, a attrs) *autograd.Value { return autograd.Concat(a.integer("axis"), b.in[:3]...) },
	"slice": func(b *bench, a attrs) *autograd.Value {
		return autograd.Slice(b.in[0], a.integers("start"), a.integers("end"))
	},
	"pad": func(b *bench, a attrs) *autograd.Value {
		return autograd.Pad(b.in[0], a.padding("padding"), a.number("value"))
	},
	"pad_channels": func(b *bench, a attrs) *autograd.Value {
		return autograd.PadChannels(b.in[0], a.integer("before"), a.integer("after"))
	},
	"reshape": func(b *bench, a attrs) *autograd.Value { return autograd.Reshape(b.in[0], a.integers("shape")...) },
	"flatten": func(b *bench, _ attrs) *autograd.Value { return autograd.Flatten(b.in[0]) },
	"sum": func(b *bench, a attrs) *autograd.Value {
		return autograd.Sum(b.in[0], a.truth("keepdims"), a.integers("axes")...)
	},
	"mean": func(b *bench, a attrs) *autograd.Value {
		return autograd.Mean(b.in[0], a.truth("keepdims"), a.integers("axes")...)
	},
	"upsample_nearest": func(b *bench, a attrs) *autograd.Value {
		x, scale := b.in[0].Shape(), a.pair("scale")
		return autograd.Upsample(b.in[0], [2]int{x[2] * scale[0], x[3] * scale[1]}, device.UpsampleSpec{})
	},
	"upsample_bilinear": func(b *bench, a attrs) *autograd.Value {
		return autograd.Upsample(b.in[0], a.pair("size"), device.UpsampleSpec{Bilinear: true, AlignCorners: a.truth("align_corners")})
	},
	"cross_entropy":      func(b *bench, _ attrs) *autograd.Value { return autograd.CrossEntropy(b.in[0], b.labels) },
	"soft_cross_entropy": func(b *bench, _ attrs) *autograd.Value { return autograd.SoftCrossEntropy(b.in[0], b.in[1]) },
	"logistic":           func(b *bench, _ attrs) *autograd.Value { return autograd.Logistic(b.in[0], b.in[1]) },
	"hinge":              func(b *bench, _ attrs) *autograd.Value { return autograd.Hinge(b.in[0], b.in[1]) },
	"squared_error":      func(b *bench, _ attrs) *autograd.Value { return autograd.SquaredError(b.in[0], b.in[1]) },
}

// recordings reads the committed files.
func recordings(t *testing.T) ([]recording, map[string]*tensor.Dense) {
	t.Helper()
	text, err := os.ReadFile("testdata/ops.json")
	require.NoError(t, err)
	var index struct{ Cases []recording }
	require.NoError(t, json.Unmarshal(text, &index))
	raw, err := os.ReadFile("testdata/ops.safetensors")
	require.NoError(t, err)
	file, err := safetensors.Deserialize(raw)
	require.NoError(t, err)
	tensors := map[string]*tensor.Dense{}
	for _, name := range file.Names() {
		view, _ := file.Tensor(name)
		shape := tensor.Shape{}
		for _, d := range view.Shape() {
			shape = append(shape, int(d))
		}
		var backing any
		switch bytes := view.Data(); view.DType() {
		case safetensors.F64:
			floats := make([]float64, len(bytes)/8)
			for i := range floats {
				floats[i] = math.Float64frombits(word(bytes[8*i:]))
			}
			backing = floats
		case safetensors.I64:
			labels := make([]int64, len(bytes)/8)
			for i := range labels {
				labels[i] = int64(word(bytes[8*i:]))
			}
			backing = labels
		default:
			t.Fatalf("tensor %s has type %v", name, view.DType())
		}
		if len(shape) == 0 {
			tensors[name] = tensor.New(tensor.FromScalar(backing.([]float64)[0]))
		} else {
			tensors[name] = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(backing))
		}
	}
	return index.Cases, tensors
}

func word(b []byte) (w uint64) {
	for i := range 8 {
		w |= uint64(b[i]) << (8 * i)
	}
	return w
}

// run computes a recorded case on a device: its output, and the gradients of the inputs that have one. The bench is to
// be released, error or not.
func (r recording) run(tape *autograd.Tape, tensors map[string]*tensor.Dense) (y *autograd.Value, b *bench, err error) {
	b = &bench{tape: tape, in: make([]*autograd.Value, 3), extra: map[string]*device.Tensor{}}
	for i, name := range r.Inputs {
		if r.Grads[i] != nil {
			b.in[i] = tape.Variable(tensors[name])
		} else {
			b.in[i] = tape.Input(tensors[name])
		}
	}
	if r.Labels != "" {
		wide := tensors[r.Labels].Data().([]int64)
		labels := make([]int32, len(wide))
		for i, l := range wide {
			labels[i] = int32(l)
		}
		b.labels = tape.Labels(labels, tensors[r.Labels].Shape()...)
	}
	for name, stored := range r.Extra {
		if b.extra[name], err = device.FromDense(tape.Device(), tensors[stored]); err != nil {
			return nil, b, err
		}
	}
	if err := tape.Err(); err != nil {
		return nil, b, err
	}
	y = operations[r.Op](b, r.Attrs).Keep()
	if err := tape.Err(); err != nil {
		return nil, b, err
	}
	// L = sum of y * dout has dL/dy = dout.
	return y, b, tape.Backward(autograd.Sum(autograd.Mul(y, tape.Input(tensors[r.Dout])), false))
}

func (b *bench) release() {
	for _, e := range b.extra {
		e.Release()
	}
	b.tape.Reset()
}

// distance is ||got - want|| / ||want||, or ||got|| where want is zero.
func distance(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	diff, norm := 0.0, 0.0
	for i := range got {
		diff += (got[i] - want[i]) * (got[i] - want[i])
		norm += want[i] * want[i]
	}
	if norm == 0 {
		return math.Sqrt(diff)
	}
	return math.Sqrt(diff / norm)
}

func floats(t *testing.T, x *device.Tensor) []float64 {
	t.Helper()
	f, err := x.Floats()
	require.NoError(t, err)
	return f
}

func numbers(d *tensor.Dense) []float64 {
	if f, scalar := d.Data().(float64); scalar {
		return []float64{f}
	}
	return d.Data().([]float64)
}

// TestAgreesWithPyTorch holds every operation and gradient to the recordings: within 1e-10 on the reference device,
// 1e-5 on the others, by relative error in norm.
func TestAgreesWithPyTorch(t *testing.T) {
	cases, tensors := recordings(t)
	for _, dev := range devices(t) {
		limit := 1e-5
		if dev.Float() == tensor.Float64 {
			limit = 1e-10
		}
		covered := map[string]bool{}
		for _, r := range cases {
			covered[r.Op] = true
			t.Run(dev.Name()+"/"+r.Name, func(t *testing.T) {
				y, b, err := r.run(autograd.NewTape(dev), tensors)
				require.NoError(t, err)
				defer b.release()
				require.Equal(t, []int(tensors[r.Output].Shape()), append([]int{}, y.Shape()...))
				require.LessOrEqual(t, distance(floats(t, y.Tensor()), numbers(tensors[r.Output])), limit, "output")
				for i, grad := range r.Grads {
					if grad != nil {
						want := numbers(tensors[*grad])
						got := make([]float64, len(want)) // no gradient means zero
						if g := b.in[i].Grad(); g != nil {
							got = floats(t, g)
						}
						require.LessOrEqual(t, distance(got, want), limit, "gradient of %s", r.Inputs[i])
					}
				}
				for name, x := range b.extra {
					if after, changed := r.Extra[name+"_after"]; changed {
						require.LessOrEqual(t, distance(floats(t, x), numbers(tensors[after])), limit, name)
					}
				}
			})
		}
		for op := range operations {
			require.True(t, covered[op], "no recording of %s", op)
		}
		require.Zero(t, dev.Stats().LiveTensors, "tensors left on %s", dev.Name())
	}
}

// TestGradientsByFiniteDifferences checks every recorded operation's gradient against the central difference of its
// forward pass on the reference device, without PyTorch. Step is left out: its gradient is zero by definition.
func TestGradientsByFiniteDifferences(t *testing.T) {
	const h = 1e-6
	cases, tensors := recordings(t)
	dev := devices(t)[0]
	for _, r := range cases {
		if r.Op == "step" {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			loss := func(inputs map[string]*tensor.Dense) float64 {
				y, b, err := r.run(autograd.NewTape(dev), inputs)
				require.NoError(t, err)
				defer b.release()
				sum := 0.0
				for i, v := range floats(t, y.Tensor()) {
					sum += v * numbers(tensors[r.Dout])[i]
				}
				return sum
			}
			_, b, err := r.run(autograd.NewTape(dev), tensors)
			require.NoError(t, err)
			defer b.release()
			for i, name := range r.Inputs {
				if r.Grads[i] == nil {
					continue
				}
				analytic := floats(t, b.in[i].Grad())
				changed := map[string]*tensor.Dense{}
				for k, v := range tensors {
					changed[k] = v
				}
				changed[name] = tensors[name].Clone().(*tensor.Dense)
				data := changed[name].Data().([]float64)
				stride := max(1, len(data)/12) // a dozen elements of each input
				for e := 0; e < len(data); e += stride {
					at := data[e]
					step := h * math.Max(1, math.Abs(at))
					data[e] = at + step
					up := loss(changed)
					data[e] = at - step
					down := loss(changed)
					data[e] = at
					scale := math.Max(1, math.Max(math.Abs(analytic[e]), math.Max(math.Abs(up), math.Abs(down))*1e-3))
					require.InDelta(t, (up-down)/(2*step), analytic[e], 2e-6*scale, "input %s element %d", name, e)
				}
			}
		})
	}
}
