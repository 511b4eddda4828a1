package launch

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/device/reference"
)

// check is one case: operands exist on the reference device and in the host's memory, outputs are compared.
type check struct {
	t      *testing.T
	h      *host
	ref    *reference.Device
	kind   Type
	random *philox.Source
}

// operand is a tensor on both.
type operand struct {
	*device.Tensor
	at   uint64
	kind Type
}

func (c *check) make(shape tensor.Shape, kind Type) operand {
	x, err := c.ref.New(shape, tensor.Float64)
	require.NoError(c.t, err)
	return operand{x, c.h.alloc(x.Size() * kind.Bytes()), kind}
}

// out is a tensor of the case's type that holds NaN on the host.
func (c *check) out(shape ...int) operand { return c.make(shape, c.kind) }

// stat is likewise of float32.
func (c *check) stat(shape ...int) operand { return c.make(shape, F32) }

func round(v float64, kind Type) float64 {
	if kind == F32 {
		return float64(float32(v))
	}
	return devicetest.RoundBFloat16(v)
}

func (c *check) set(x operand, value func(i int) float64) operand {
	values := make([]float64, x.Size())
	for i := range values {
		values[i] = round(value(i), x.kind)
	}
	require.NoError(c.t, c.ref.Upload(x.Tensor, values))
	c.h.write(x.at, x.Shape, values, x.kind)
	return x
}

// in is a tensor of normally distributed numbers.
func (c *check) in(shape ...int) operand {
	return c.set(c.out(shape...), func(int) float64 { return c.random.Normal(0, 1) })
}

// param is likewise of float32, about 1.
func (c *check) param(shape ...int) operand {
	return c.set(c.stat(shape...), func(int) float64 { return c.random.Normal(1, 0.2) })
}

// share rounds what the reference device found and gives it to the host, so that both go on from the same numbers.
func (c *check) share(x operand) {
	values, err := x.Floats()
	c.ok(err)
	c.set(x, func(i int) float64 { return values[i] })
}

// few has many equal numbers, and some NaN.
func (c *check) few(shape ...int) operand {
	return c.set(c.out(shape...), func(int) float64 {
		if c.random.Intn(40) == 0 {
			return math.NaN()
		}
		return float64(c.random.Intn(4))
	})
}

func (c *check) labels(classes int, shape ...int) operand {
	x, err := c.ref.New(shape, tensor.Int32)
	require.NoError(c.t, err)
	at := c.h.alloc(4 * x.Size())
	values := make([]int32, x.Size())
	for i := range values {
		values[i] = int32(c.random.Intn(classes))
		copy(c.h.bytes(at, 4*x.Size())[4*i:], arg(values[i]).bytes)
	}
	require.NoError(c.t, c.ref.Upload(x, values))
	return operand{x, at, F32}
}

func (c *check) ok(err error) { require.NoError(c.t, err) }

func (c *check) run(launches ...Launch) { require.NoError(c.t, c.h.run(launches...)) }

// must is for functions that answer with an error too.
func (c *check) must(l Launch, err error) {
	require.NoError(c.t, err)
	c.run(l)
}

// same compares by relative error in norm, and what is not finite element by element.
func (c *check) same(what string, x operand) {
	want, got := make([]float64, x.Size()), c.h.read(x.at, x.Shape, x.kind)
	require.NoError(c.t, c.ref.Download(want, x.Tensor))
	difference, size, worst, at := 0.0, 0.0, 0.0, -1
	for i := range want {
		if math.IsNaN(want[i]) != math.IsNaN(got[i]) || math.IsInf(want[i], 0) && want[i] != got[i] {
			require.Fail(c.t, "differs", "%s %v: element %d is %v, expected %v", what, x.Shape, i, got[i], want[i])
		}
		if math.IsNaN(want[i]) || math.IsInf(want[i], 0) {
			continue
		}
		d := math.Abs(want[i] - got[i])
		if d > worst {
			worst, at = d, i
		}
		difference += d * d
		size += want[i] * want[i]
	}
	most := 2e-6
	if x.kind == BF16 {
		most = 4e-3
	}
	if size > 0 && math.Sqrt(difference/size) > most || size == 0 && difference > 0 {
		require.Fail(c.t, "differs", "%s %v: relative error %.3g, expected at most %.3g; worst is element %d: %v, expected %v",
			what, x.Shape, math.Sqrt(difference/size), most, at, got[at], want[at])
	}
}

// maps are shapes [N, C, H, W]: channels that fill packs and that do not, tiles that are cut.
var maps = []tensor.Shape{{2, 3, 5, 4}, {1, 8, 17, 18}, {3, 16, 7, 7}, {1, 1, 6, 5}, {2, 20, 1, 1}, {1, 264, 3, 2}}

// ranks are shapes of other ranks as well.
var ranks = append([]tensor.Shape{{5, 7}, {6, 16}, {300, 8}, {2, 3, 37}, {3, 1, 4}, {2, 3, 2, 2, 3}, {1, 40, 1}}, maps...)

// each runs a case for every shape.
func each(shapes []tensor.Shape, run func(c *check, shape tensor.Shape)) func(*check) {
	return func(c *check) {
		outer := c.t
		for _, shape := range shapes {
			outer.Run(fmt.Sprint([]int(shape)), func(t *testing.T) {
				c.t = t
				c.h.reset()
				run(c, shape)
			})
		}
		c.t = outer
	}
}

// TestKernels runs the sources on the CPU, TestPTX what nvcc made of them.
func TestKernels(t *testing.T) { testKernels(t, startHost(t)) }

func TestPTX(t *testing.T) { testKernels(t, startEmulated(t)) }

func testKernels(t *testing.T, h *host) {
	cases := map[string]func(*check){
		"elementwise": each(ranks, testElementwise),
		"broadcast":   testBroadcast,
		"reduce":      testReduce,
		"linear":      each(ranks, testBias),
		"activation":  each(ranks[2:9], testActivation),
		"maxout":      each(ranks, testMaxout),
		"softmax":     each(append([]tensor.Shape{{3, 1000}, {70, 10}}, ranks...), testSoftmax),
		"dropout":     each(ranks, testDropout),
		"layout":      each(append([]tensor.Shape{{2, 40, 9, 5}, {1, 3, 20, 20}, {3, 70, 2, 2}, {2, 300, 1, 3}}, maps...), testLayout),
		"rotate180":   each(append([]tensor.Shape{{3, 4}, {2, 3, 5}}, maps...), testRotate),
		"copy_region": testCopyRegion,
		"upsample":    testUpsample,
		"pool":        testPool,
		"batch_norm":  each(ranks, testBatchNorm),
		"fold":        each(append([]tensor.Shape{{40, 1, 3, 3}, {2000, 1, 1, 1}, {3, 41, 5, 5}}, ranks...), testFold),
		"lrn":         each(append([]tensor.Shape{{1, 4100, 1, 2}}, maps...), testLRN),
		"loss":        each(append([]tensor.Shape{{3, 1000}, {70, 10}}, ranks...), testLoss),
		"optimiser":   testOptimiser,
	}
	for _, kind := range []Type{F32, BF16} {
		for name, run := range cases {
			t.Run(fmt.Sprint(name, "/", kind), func(t *testing.T) {
				h.reset()
				run(&check{t, h, reference.New(), kind, philox.NewSource(philox.Stream{Seed: 7})})
			})
		}
	}
}

func testElementwise(c *check, shape tensor.Shape) {
	x, z, y := c.in(shape...), c.in(shape...), c.out(shape...)
	n := x.Size()
	c.ok(c.ref.Fill(y.Tensor, 1.5))
	c.run(Fill(y.at, n, 1.5, c.kind))
	c.same("fill", y)
	c.ok(c.ref.Scale(y.Tensor, x.Tensor, 3, -0.5))
	c.run(Scale(y.at, x.at, n, 3, -0.5, c.kind))
	c.same("scale", y)
	for op := device.Add; op <= device.Div; op++ {
		c.ok(c.ref.Binary(y.Tensor, x.Tensor, z.Tensor, op))
		c.must(Binary(y.at, x.at, z.at, shape, shape, shape, op, c.kind))
		c.same(op.String(), y)
		ones := make(tensor.Shape, len(shape))
		for i := range ones {
			ones[i] = 1
		}
		ones[1] = shape[1]
		row := c.in(ones...)
		c.ok(c.ref.Binary(y.Tensor, x.Tensor, row.Tensor, op))
		c.must(Binary(y.at, x.at, row.at, shape, shape, ones, op, c.kind))
		c.same(op.String()+" of channels", y)
		c.ok(c.ref.Binary(y.Tensor, row.Tensor, x.Tensor, op))
		c.must(Binary(y.at, row.at, x.at, shape, ones, shape, op, c.kind))
		c.same(op.String()+" to channels", y)
	}
	if c.kind == BF16 {
		wide := c.stat(shape...)
		c.run(Cast(wide.at, x.at, n, F32, BF16))
		c.ok(c.ref.Scale(wide.Tensor, x.Tensor, 1, 0))
		c.same("widened", wide)
		c.run(Cast(y.at, wide.at, n, BF16, F32))
		c.ok(c.ref.Scale(y.Tensor, x.Tensor, 1, 0))
		c.same("narrowed", y)
	}
}

func testBroadcast(c *check) {
	for _, s := range [][2]tensor.Shape{
		{{2, 3, 4}, {2, 1, 4}}, {{2, 3, 4, 5}, {2, 3, 1, 1}}, {{2, 8, 3, 5}, {1, 1, 3, 5}}, {{2, 8, 3, 5}, {2, 1, 1, 5}}, {{4, 5}, {4, 1}}, {{4, 5}, {1, 1}},
		{{2, 3, 2, 3, 2, 3}, {2, 1, 2, 1, 2, 1}}, {{7}, {1}}, {{3, 4, 5, 6}, {1, 1, 1, 1}},
	} {
		c.h.reset()
		a, b, y := c.in(s[0]...), c.in(s[1]...), c.out(s[0]...)
		c.ok(c.ref.Binary(y.Tensor, b.Tensor, a.Tensor, device.Sub))
		c.must(Binary(y.at, b.at, a.at, s[0], s[1], s[0], device.Sub, c.kind))
		c.same("sub", y)
		c.ok(c.ref.Broadcast(y.Tensor, b.Tensor, 2))
		c.must(Broadcast(y.at, b.at, s[0], s[1], 2, c.kind))
		c.same("broadcast", y)
	}
	// Both stretch.
	a, b, y := c.in(3, 1, 4), c.in(1, 5, 4), c.out(3, 5, 4)
	c.ok(c.ref.Binary(y.Tensor, a.Tensor, b.Tensor, device.Mul))
	c.must(Binary(y.at, a.at, b.at, y.Shape, a.Shape, b.Shape, device.Mul, c.kind))
	c.same("mul", y)
}

func testReduce(c *check) {
	for _, s := range [][2]tensor.Shape{ // of y and of x
		{{1, 8}, {1000, 8}}, {{5, 1}, {5, 300}}, {{1}, {70000}}, {{1, 1, 1, 1}, {2, 8, 9, 9}}, {{2, 8, 1, 1}, {2, 8, 9, 9}}, {{1, 8, 1, 1}, {2, 8, 9, 9}},
		{{2, 1, 9, 9}, {2, 8, 9, 9}}, {{2, 3, 4}, {2, 3, 4}}, {{2, 1, 4}, {2, 3, 4}}, {{1, 3, 1, 4, 1, 2}, {3, 3, 3, 4, 3, 2}}, {{100, 1}, {100, 2000}}, {{1, 3}, {5000, 3}},
	} {
		c.h.reset()
		y, x := c.out(s[0]...), c.in(s[1]...)
		c.set(x, func(int) float64 { return c.random.Normal(1, 1) }) // a sum that is not all cancellation
		space := c.h.alloc(ReduceSumSpace(s[0], s[1]))
		c.ok(c.ref.ReduceSum(y.Tensor, x.Tensor, 0.5))
		launches, err := ReduceSum(y.at, x.at, space, s[0], s[1], 0.5, c.kind, c.kind)
		c.ok(err)
		c.run(launches...)
		c.same("sum", y)
	}
}

func testBias(c *check, shape tensor.Shape) {
	x, b, y, db := c.in(shape...), c.param(shape[1]), c.out(shape...), c.stat(shape[1])
	for kind := device.Identity; kind <= device.ELU; kind++ {
		f := device.ActivationSpec{Kind: kind, Alpha: 0.3}
		c.ok(c.ref.AddBias(y.Tensor, x.Tensor, b.Tensor))
		c.ok(c.ref.Activate(y.Tensor, y.Tensor, f))
		c.run(AddBias(y.at, x.at, b.at, shape, f, c.kind))
		c.same("bias and "+kind.String(), y)
	}
	c.ok(c.ref.SumChannels(db.Tensor, x.Tensor))
	launches, err := SumChannels(db.at, x.at, c.h.alloc(SumChannelsSpace(shape, c.kind)), shape, c.kind)
	c.ok(err)
	c.run(launches...)
	c.same("sum_channels", db)
}

func testActivation(c *check, shape tensor.Shape) {
	special := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1)}
	x := c.set(c.out(shape...), func(i int) float64 {
		if i < len(special) {
			return special[i]
		}
		return c.random.Normal(0, 3)
	})
	dy, y, dx := c.in(shape...), c.out(shape...), c.out(shape...)
	for kind := device.Identity; kind <= device.ELU; kind++ {
		f := device.ActivationSpec{Kind: kind, Alpha: 0.3}
		c.ok(c.ref.Activate(y.Tensor, x.Tensor, f))
		c.run(Activate(y.at, x.at, x.Size(), f, c.kind))
		c.same(kind.String(), y)
		c.share(y)
		c.ok(c.ref.ActivateBackward(dx.Tensor, dy.Tensor, x.Tensor, y.Tensor, f))
		c.run(ActivateBackward(dx.at, dy.at, x.at, y.at, x.Size(), f, c.kind))
		c.same("gradient of "+kind.String(), dx)
	}
}

func testMaxout(c *check, shape tensor.Shape) {
	const pieces = 3
	wide := shape.Clone()
	wide[1] *= pieces
	x, y, dy, dx := c.few(wide...), c.out(shape...), c.in(shape...), c.out(wide...)
	c.ok(c.ref.Maxout(y.Tensor, x.Tensor, pieces))
	c.run(Maxout(y.at, x.at, shape, pieces, c.kind))
	c.same("maxout", y)
	c.ok(c.ref.MaxoutBackward(dx.Tensor, dy.Tensor, x.Tensor, y.Tensor, pieces))
	c.run(MaxoutBackward(dx.at, dy.at, x.at, shape, pieces, c.kind))
	c.same("gradient of maxout", dx)
}

func testSoftmax(c *check, shape tensor.Shape) {
	x, y, dy, dx := c.in(shape...), c.out(shape...), c.in(shape...), c.out(shape...)
	for _, logarithm := range []bool{false, true} {
		c.ok(c.ref.Softmax(y.Tensor, x.Tensor, logarithm))
		c.run(Softmax(y.at, x.at, shape, logarithm, c.kind))
		c.same("softmax", y)
		c.share(y)
		c.ok(c.ref.SoftmaxBackward(dx.Tensor, dy.Tensor, y.Tensor, logarithm))
		c.run(SoftmaxBackward(dx.at, dy.at, y.at, shape, logarithm, c.kind))
		c.same("gradient of softmax", dx)
	}
}

func testDropout(c *check, shape tensor.Shape) {
	x, y := c.in(shape...), c.out(shape...)
	stream := philox.Stream{Seed: 0x123456789abcdef, ID: 0xfedcba987654321}
	c.ok(c.ref.Dropout(y.Tensor, x.Tensor, 0.4, stream))
	c.run(Dropout(y.at, x.at, shape, 0.4, stream, 0, c.kind))
	c.same("dropout", y)
	live := c.h.alloc(16)
	copy(c.h.bytes(live, 16), arg(stream).bytes)
	c.run(Dropout(y.at, x.at, shape, 0.4, philox.Stream{}, live, c.kind))
	c.same("dropout of a live stream", y)
}

func testLayout(c *check, shape tensor.Shape) {
	x := c.in(shape...)
	flat := tensor.Shape{x.Size()}
	values, err := x.Floats()
	c.ok(err)
	for _, kind := range []Type{F32, c.kind} {
		row := c.set(c.make(flat, kind), func(i int) float64 { return values[i] })
		y := c.out(shape...)
		c.ok(c.ref.Scale(y.Tensor, x.Tensor, 1, 0))
		c.run(ToChannelsLast(y.at, row.at, shape, c.kind, kind))
		c.same("to channels last", y)
		back := c.make(flat, kind)
		c.ok(c.ref.Scale(back.Tensor, row.Tensor, 1, 0))
		c.run(FromChannelsLast(back.at, y.at, shape, kind, c.kind))
		c.same("from channels last", back)
	}
	if RowMajorAnyway(shape) {
		require.Equal(c.t, places(flat), places(shape))
	} else {
		require.NotEqual(c.t, places(flat), places(shape))
	}
}

func testRotate(c *check, shape tensor.Shape) {
	w, y := c.in(shape...), c.out(shape...)
	c.ok(c.ref.Rotate180(y.Tensor, w.Tensor))
	c.run(Rotate180(y.at, w.at, shape, c.kind))
	c.same("rotate180", y)
}

func testCopyRegion(c *check) {
	for _, r := range []struct {
		dst, src         tensor.Shape
		to, from, extent []int
	}{
		{tensor.Shape{9}, tensor.Shape{7}, []int{2}, []int{1}, []int{5}},
		{tensor.Shape{4, 16}, tensor.Shape{4, 16}, []int{0, 0}, []int{0, 0}, []int{4, 16}},
		{tensor.Shape{4, 16}, tensor.Shape{6, 24}, []int{1, 8}, []int{2, 16}, []int{3, 8}},
		{tensor.Shape{2, 16, 6, 6}, tensor.Shape{2, 8, 4, 4}, []int{0, 8, 1, 1}, []int{0, 0, 0, 0}, []int{2, 8, 4, 4}},
		{tensor.Shape{2, 5, 6, 6}, tensor.Shape{2, 8, 4, 4}, []int{0, 2, 1, 1}, []int{0, 3, 1, 0}, []int{2, 3, 2, 4}},
		{tensor.Shape{2, 3, 2, 3, 2, 3}, tensor.Shape{3, 3, 3, 3, 3, 4}, []int{0, 1, 0, 1, 0, 1}, []int{1, 0, 1, 0, 1, 0}, []int{1, 2, 2, 2, 1, 2}},
	} {
		c.h.reset()
		dst, src := c.in(r.dst...), c.in(r.src...)
		c.ok(c.ref.CopyRegion(dst.Tensor, r.to, src.Tensor, r.from, r.extent))
		c.must(CopyRegion(dst.at, r.dst, r.to, src.at, r.src, r.from, r.extent, c.kind.Bytes()))
		c.same(fmt.Sprint("copy_region of ", r.extent), dst)
	}
}

func testUpsample(c *check) {
	for _, s := range []device.UpsampleSpec{{}, {Bilinear: true}, {Bilinear: true, AlignCorners: true}} {
		for _, size := range [][4]int{{4, 5, 8, 10}, {4, 5, 7, 3}, {1, 1, 5, 4}, {5, 4, 1, 1}, {17, 20, 33, 19}, {6, 6, 6, 6}, {3, 2, 20, 37}, {30, 31, 4, 5}} {
			for _, channels := range []int{3, 8} {
				c.h.reset()
				x, dx := c.in(2, channels, size[0], size[1]), c.out(2, channels, size[0], size[1])
				y, dy := c.out(2, channels, size[2], size[3]), c.in(2, channels, size[2], size[3])
				what := fmt.Sprint("upsample ", s, size)
				c.ok(c.ref.Upsample(y.Tensor, x.Tensor, s))
				c.must(Upsample(y.at, x.at, y.Shape, x.Shape, s, c.kind))
				c.same(what, y)
				c.ok(c.ref.UpsampleBackward(dx.Tensor, dy.Tensor, s))
				c.must(UpsampleBackward(dx.at, dy.at, y.Shape, x.Shape, s, c.kind))
				c.same("gradient of "+what, dx)
			}
		}
	}
}

func testPool(c *check) {
	for _, s := range []device.PoolSpec{
		{Window: [2]int{2, 2}}, {Window: [2]int{3, 3}, Stride: [2]int{2, 2}}, {Window: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: device.Pad(1), CeilMode: true},
		{Window: [2]int{3, 2}, Stride: [2]int{1, 3}, Padding: device.Padding{Top: 2, Bottom: 1, Left: 0, Right: 1}, CountPadding: true},
		{Window: [2]int{5, 4}, Stride: [2]int{1, 1}, Padding: device.Pad(2)}, {Window: [2]int{1, 1}, Stride: [2]int{3, 2}}, {Window: [2]int{5, 4}, CeilMode: true, CountPadding: true},
	} {
		for s.Kind = device.MaxPool; s.Kind <= device.AveragePool; s.Kind++ {
			for _, shape := range maps {
				s := s.Normal()
				out, err := s.Output(shape)
				if err != nil {
					continue // the window is larger than the map
				}
				c.h.reset()
				x, y, dy, dx := c.few(shape...), c.out(out...), c.in(out...), c.out(shape...)
				if s.Kind == device.AveragePool {
					c.set(x, func(int) float64 { return c.random.Normal(0, 1) })
				}
				what := fmt.Sprintf("%+v", s)
				c.ok(c.ref.Pool(y.Tensor, x.Tensor, s))
				c.run(Pool(y.at, x.at, out, shape, s, c.kind))
				c.same(what, y)
				c.ok(c.ref.PoolBackward(dx.Tensor, dy.Tensor, x.Tensor, y.Tensor, s))
				c.run(PoolBackward(dx.at, dy.at, x.at, y.at, out, shape, s, c.kind))
				c.same("gradient of "+what, dx)
			}
		}
	}
}

func testBatchNorm(c *check, shape tensor.Shape) {
	outer, channels, inner := device.Channels(shape)
	if outer*inner == 1 {
		return // has no variance
	}
	s := device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.2}
	x, dy, res := c.in(shape...), c.in(shape...), c.in(shape...)
	c.set(x, func(int) float64 { return c.random.Normal(4, 1) }) // a mean far from 0 is what loses digits
	scale, shift, rm, rv := c.param(channels), c.param(channels), c.param(channels), c.param(channels)
	y, dx, dres, mean, inv, ds, db := c.out(shape...), c.out(shape...), c.out(shape...), c.stat(channels), c.stat(channels), c.stat(channels), c.stat(channels)
	space := c.h.alloc(BatchNormSpace(shape, c.kind))
	relu := device.ActivationSpec{Kind: device.ReLU}

	c.ok(c.ref.BatchNorm(y.Tensor, mean.Tensor, inv.Tensor, rm.Tensor, rv.Tensor, x.Tensor, scale.Tensor, shift.Tensor, s))
	c.run(BatchNormStatistics(mean.at, inv.at, rm.at, rv.at, x.at, space, shape, s, c.kind)...)
	for _, v := range []operand{mean, inv, rm, rv} {
		c.same("statistic", v)
	}
	c.share(mean)
	c.share(inv)
	given := Statistics{Mean: mean.at, Spread: inv.at}
	c.run(BatchNormApply(y.at, x.at, 0, given, scale.at, shift.at, shape, false, c.kind))
	c.same("batch_norm", y)

	c.ok(c.ref.BatchNormBackward(dx.Tensor, ds.Tensor, db.Tensor, dy.Tensor, x.Tensor, scale.Tensor, mean.Tensor, inv.Tensor))
	c.run(BatchNormGradients(ds.at, db.at, dy.at, x.at, 0, space, given, shape, c.kind)...)
	c.same("dscale", ds)
	c.same("dshift", db)
	c.run(BatchNormInput(dx.at, 0, dy.at, x.at, 0, given, scale.at, ds.at, db.at, shape, c.kind))
	c.same("dx", dx)

	// Fused: y = relu(batch_norm(x) + residual).
	c.ok(c.ref.BatchNorm(y.Tensor, mean.Tensor, inv.Tensor, rm.Tensor, rv.Tensor, x.Tensor, scale.Tensor, shift.Tensor, s))
	c.share(mean)
	c.share(inv)
	c.ok(c.ref.Binary(y.Tensor, y.Tensor, res.Tensor, device.Add))
	c.ok(c.ref.Activate(y.Tensor, y.Tensor, relu))
	c.run(BatchNormApply(y.at, x.at, res.at, given, scale.at, shift.at, shape, true, c.kind))
	c.same("batch_norm + residual, relu", y)
	c.ok(c.ref.ActivateBackward(dres.Tensor, dy.Tensor, y.Tensor, y.Tensor, relu))
	c.ok(c.ref.BatchNormBackward(dx.Tensor, ds.Tensor, db.Tensor, dres.Tensor, x.Tensor, scale.Tensor, mean.Tensor, inv.Tensor))
	c.run(BatchNormGradients(ds.at, db.at, dy.at, x.at, y.at, space, given, shape, c.kind)...)
	c.same("dscale behind relu", ds)
	c.same("dshift behind relu", db)
	c.run(BatchNormInput(dx.at, dres.at, dy.at, x.at, y.at, given, scale.at, ds.at, db.at, shape, c.kind))
	c.same("dx behind relu", dx)
	c.same("dresidual", dres)

	variance := c.param(channels)
	given = Statistics{Mean: mean.at, Spread: variance.at, Epsilon: s.Epsilon, IsVariance: true}
	c.ok(c.ref.BatchNormInfer(y.Tensor, x.Tensor, scale.Tensor, shift.Tensor, mean.Tensor, variance.Tensor, s))
	c.run(BatchNormApply(y.at, x.at, 0, given, scale.at, shift.at, shape, false, c.kind))
	c.same("batch_norm (inference)", y)
	c.ok(c.ref.BatchNormInferBackward(dx.Tensor, ds.Tensor, db.Tensor, dy.Tensor, x.Tensor, scale.Tensor, mean.Tensor, variance.Tensor, s))
	c.run(BatchNormGradients(ds.at, db.at, dy.at, x.at, 0, space, given, shape, c.kind)...)
	c.same("dscale (inference)", ds)
	c.same("dshift (inference)", db)
	c.run(BatchNormInput(dx.at, 0, dy.at, x.at, 0, given, scale.at, 0, 0, shape, c.kind))
	c.same("dx (inference)", dx)
}

// The weights are those of a normalisation without mean and shift, the bias is that of all of it.
func testFold(c *check, shape tensor.Shape) {
	s := device.BatchNormSpec{Epsilon: 0.1}
	maps := tensor.Shape{1, shape[0], device.Size(shape[1:])}
	as := func(x operand, shape tensor.Shape) *device.Tensor {
		view, err := c.ref.Reshape(x.Tensor, shape)
		c.ok(err)
		return view
	}
	w, b, weights, bias := c.param(shape...), c.param(shape[0]), c.out(shape...), c.out(shape[0])
	scale, shift, mean, variance := c.param(shape[0]), c.param(shape[0]), c.param(shape[0]), c.param(shape[0])
	zero := c.set(c.stat(shape[0]), func(int) float64 { return 0 })
	given := Statistics{Mean: mean.at, Spread: variance.at, Epsilon: s.Epsilon, IsVariance: true}
	for _, b := range []operand{b, {Tensor: zero.Tensor}} {
		c.ok(c.ref.BatchNormInfer(as(weights, maps), as(w, maps), scale.Tensor, zero.Tensor, zero.Tensor, variance.Tensor, s))
		c.ok(c.ref.BatchNormInfer(as(bias, maps[:2]), as(b, maps[:2]), scale.Tensor, shift.Tensor, mean.Tensor, variance.Tensor, s))
		c.run(BatchNormFold(weights.at, bias.at, w.at, b.at, given, scale.at, shift.at, shape, c.kind))
		c.same("weights", weights)
		c.same("bias", bias)
	}
}

func testLRN(c *check, shape tensor.Shape) {
	for _, s := range []device.LRNSpec{{Size: 5, Alpha: 0.5, Beta: 0.75, K: 2}, {Size: 4, Alpha: 0.3, Beta: 0.6, K: 1}, {Size: 1, Alpha: 1, Beta: 1, K: 1}, {Size: 60, Alpha: 1, Beta: 0.5, K: 1}} {
		c.h.reset()
		x, dy, y, dx := c.in(shape...), c.in(shape...), c.out(shape...), c.out(shape...)
		c.ok(c.ref.LRN(y.Tensor, x.Tensor, s))
		c.run(LRN(y.at, x.at, shape, s, c.kind))
		c.same("lrn", y)
		c.ok(c.ref.LRNBackward(dx.Tensor, dy.Tensor, x.Tensor, y.Tensor, s))
		c.run(LRNBackward(dx.at, dy.at, x.at, shape, s, c.kind))
		c.same("gradient of lrn", dx)
		c.ok(c.ref.ContrastNorm(y.Tensor, x.Tensor, s))
		c.run(ContrastNorm(y.at, x.at, shape, s, c.kind))
		c.same("contrast_norm", y)
		c.ok(c.ref.ContrastNormBackward(dx.Tensor, dy.Tensor, x.Tensor, s))
		c.run(ContrastNormBackward(dx.at, dy.at, x.at, shape, s, c.kind))
		c.same("gradient of contrast_norm", dx)
	}
}

func testLoss(c *check, shape tensor.Shape) {
	x, dx, loss, dloss, space := c.in(shape...), c.out(shape...), c.stat(), c.stat(), c.h.alloc(LossSpace)
	labels := c.labels(shape[1], append(tensor.Shape{shape[0]}, shape[2:]...)...)
	c.ok(c.ref.CrossEntropy(loss.Tensor, x.Tensor, labels.Tensor))
	c.set(dloss, func(int) float64 { return 1 })
	c.ok(c.ref.CrossEntropyBackward(dx.Tensor, dloss.Tensor, x.Tensor, labels.Tensor))
	c.run(CrossEntropy(loss.at, dx.at, x.at, labels.at, space, shape, c.kind)...)
	if shape[1] > 1 { // the loss of the only class is 0
		c.same("cross_entropy", loss)
		c.same("gradient with cross_entropy", dx)
	}
	c.set(dloss, func(int) float64 { return 0.7 })
	c.ok(c.ref.CrossEntropyBackward(dx.Tensor, dloss.Tensor, x.Tensor, labels.Tensor))
	c.run(CrossEntropyBackward(dx.at, dloss.at, x.at, labels.at, shape, c.kind))
	if shape[1] > 1 {
		c.same("gradient of cross_entropy", dx)
	}

	count := c.set(c.stat(), func(int) float64 { return 5 })
	equal := c.few(shape...)
	c.ok(c.ref.CountCorrect(count.Tensor, equal.Tensor, labels.Tensor))
	c.run(CountCorrect(count.at, equal.at, labels.at, space, shape, c.kind)...)
	c.same("count_correct", count)

	y := c.set(c.out(shape...), func(int) float64 { return float64(2*c.random.Intn(2) - 1) })
	for kind := device.SquaredError; kind <= device.Hinge; kind++ {
		c.ok(c.ref.ElementLoss(loss.Tensor, x.Tensor, y.Tensor, kind))
		c.run(ElementLoss(loss.at, x.at, y.at, space, x.Size(), kind, c.kind)...)
		c.same(kind.String(), loss)
		c.ok(c.ref.ElementLossBackward(dx.Tensor, dloss.Tensor, x.Tensor, y.Tensor, kind))
		c.run(ElementLossBackward(dx.at, dloss.at, x.at, y.at, x.Size(), kind, c.kind))
		c.same("gradient of "+kind.String(), dx)
	}
}

func testOptimiser(c *check) {
	if c.kind == BF16 {
		return // parameters are float32
	}
	sizes := []int{1, 5, 4096, 4099, 10000}
	c.optimise("sgd", sizes, device.SGDSpec{Rate: 0.1, WeightDecay: 0.01})
	c.optimise("sgd, first", sizes, device.SGDSpec{Rate: 0.1, WeightDecay: 0.01, Momentum: 0.9, First: true})
	c.optimise("sgd, momentum", sizes, device.SGDSpec{Rate: 0.1, WeightDecay: 0.01, Momentum: 0.9})
	c.optimise("sgd, nesterov", sizes, device.SGDSpec{Rate: 0.1, Momentum: 0.9, Nesterov: true})
	c.optimise("rmsprop", sizes, device.RMSPropSpec{Rate: 0.1, Decay: 0.9, Epsilon: 1e-6, WeightDecay: 0.1})
	c.optimise("rmsprop, momentum", sizes, device.RMSPropSpec{Rate: 0.1, Decay: 0.9, Epsilon: 1e-6, Momentum: 0.8})
	c.optimise("adam", sizes, device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.1, Step: 3})
	c.optimise("adamw", sizes, device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.1, Step: 1, Decoupled: true})
}

func (c *check) optimise(what string, sizes []int, spec any) {
	for _, live := range []bool{false, true} {
		c.h.reset()
		var list []device.Update
		var parameters []Parameter
		var outputs []operand
		for i, n := range sizes {
			w, g, u, v := c.in(n), c.in(n), c.param(n), c.param(n)
			list = append(list, device.Update{Value: w.Tensor, Grad: g.Tensor, State: [2]*device.Tensor{u.Tensor, v.Tensor}})
			p := Parameter{Value: w.at, Grad: g.at, State0: u.at, State1: v.at, Count: int64(n)}
			outputs = append(outputs, w, u, v)
			if i%2 == 1 {
				narrow := c.make(w.Shape, BF16)
				narrow.Tensor = w.Tensor
				p.Copy = narrow.at
				outputs = append(outputs, narrow)
			}
			parameters = append(parameters, p)
		}
		table, owners := Table(parameters)
		at := c.h.alloc(len(table))
		copy(c.h.bytes(at, len(table)), table)
		ownersAt := c.h.alloc(4 * len(owners))
		for i, o := range owners {
			copy(c.h.bytes(ownersAt, 4*len(owners))[4*i:], arg(o).bytes)
		}
		guard := c.set(c.stat(), func(int) float64 { return math.NaN() })
		blocks := len(owners)
		step := func(given bool) {
			constants := uint64(0)
			var l Launch
			switch s := spec.(type) {
			case device.SGDSpec:
				if given {
					constants, s = c.put(Constants(s)), device.SGDSpec{}
				}
				l = SGD(at, ownersAt, blocks, guard.at, constants, s)
			case device.RMSPropSpec:
				if given {
					constants, s = c.put(Constants(s)), device.RMSPropSpec{}
				}
				l = RMSProp(at, ownersAt, blocks, guard.at, constants, s)
			case device.AdamSpec:
				if given {
					constants, s = c.put(Constants(s)), device.AdamSpec{}
				}
				l = Adam(at, ownersAt, blocks, guard.at, constants, s)
			}
			c.run(l)
		}
		step(live) // not finite: nothing happens
		for _, o := range outputs {
			if o.kind == F32 {
				c.same(what+" behind a guard", o)
			}
		}
		c.set(guard, func(int) float64 { return 1 })
		step(live)
		switch s := spec.(type) {
		case device.SGDSpec:
			c.ok(c.ref.SGD(list, s))
		case device.RMSPropSpec:
			c.ok(c.ref.RMSProp(list, s))
		case device.AdamSpec:
			c.ok(c.ref.Adam(list, s))
		}
		for _, o := range outputs {
			c.same(what, o)
		}
	}
}

// put copies bytes to the host's memory.
func (c *check) put(b []byte) uint64 {
	at := c.h.alloc(len(b))
	copy(c.h.bytes(at, len(b)), b)
	return at
}
