package device_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

type shape = tensor.Shape

// The sizes are those that torch.nn.functional.conv2d gives, and for the networks those of their papers.
func TestConvOutput(t *testing.T) {
	for _, c := range []struct {
		name    string
		x, w, y shape
		spec    device.ConvSpec
	}{
		{"AlexNet's first", shape{1, 3, 227, 227}, shape{96, 3, 11, 11}, shape{1, 96, 55, 55}, device.ConvSpec{Stride: [2]int{4, 4}}},
		{"torchvision's AlexNet", shape{1, 3, 224, 224}, shape{64, 3, 11, 11}, shape{1, 64, 55, 55}, device.ConvSpec{Stride: [2]int{4, 4}, Padding: device.Pad(2)}},
		{"VGG", shape{2, 64, 224, 224}, shape{64, 64, 3, 3}, shape{2, 64, 224, 224}, device.ConvSpec{Padding: device.Pad(1)}},
		{"ResNet's first", shape{1, 3, 224, 224}, shape{64, 3, 7, 7}, shape{1, 64, 112, 112}, device.ConvSpec{Stride: [2]int{2, 2}, Padding: device.Pad(3)}},
		{"ResNet's shortcut", shape{1, 64, 56, 56}, shape{128, 64, 1, 1}, shape{1, 128, 28, 28}, device.ConvSpec{Stride: [2]int{2, 2}}},
		{"two groups", shape{1, 96, 27, 27}, shape{256, 48, 5, 5}, shape{1, 256, 27, 27}, device.ConvSpec{Padding: device.Pad(2), Groups: 2}},
		{"dilated", shape{1, 1, 10, 11}, shape{1, 1, 3, 3}, shape{1, 1, 4, 7}, device.ConvSpec{Dilation: [2]int{3, 2}}},
		{"padding by side", shape{1, 1, 5, 5}, shape{1, 1, 3, 3}, shape{1, 1, 6, 8}, device.ConvSpec{Padding: device.Padding{Top: 1, Bottom: 2, Left: 4, Right: 1}}},
		{"remainder dropped", shape{1, 1, 8, 9}, shape{1, 1, 3, 3}, shape{1, 1, 3, 4}, device.ConvSpec{Stride: [2]int{2, 2}}},
		{"exact fit", shape{1, 1, 3, 3}, shape{4, 1, 3, 3}, shape{1, 4, 1, 1}, device.ConvSpec{Stride: [2]int{5, 5}}},
		{"no images", shape{0, 3, 8, 8}, shape{4, 3, 3, 3}, shape{0, 4, 6, 6}, device.ConvSpec{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, err := c.spec.Normal().Output(c.x, c.w, shape{c.w[0]})
			require.NoError(t, err)
			require.Equal(t, c.y, y)
		})
	}
}

// As torch.nn.functional.conv_transpose2d.
func TestTransposedOutput(t *testing.T) {
	for _, c := range []struct {
		name    string
		x, w, y shape
		spec    device.ConvSpec
		extra   [2]int
	}{
		{"doubling", shape{1, 16, 12, 12}, shape{16, 8, 2, 2}, shape{1, 8, 24, 24}, device.ConvSpec{Stride: [2]int{2, 2}}, [2]int{}},
		{"DCGAN", shape{1, 64, 4, 4}, shape{64, 32, 4, 4}, shape{1, 32, 8, 8}, device.ConvSpec{Stride: [2]int{2, 2}, Padding: device.Pad(1)}, [2]int{}},
		{"output padding", shape{1, 16, 6, 6}, shape{16, 16, 3, 3}, shape{1, 16, 12, 11}, device.ConvSpec{Stride: [2]int{2, 2}, Padding: device.Pad(1)}, [2]int{1, 0}},
		{"groups", shape{2, 6, 5, 5}, shape{6, 4, 3, 3}, shape{2, 8, 7, 7}, device.ConvSpec{Groups: 2}, [2]int{}},
		{"dilated", shape{1, 1, 5, 5}, shape{1, 1, 3, 3}, shape{1, 1, 10, 9}, device.ConvSpec{Dilation: [2]int{2, 2}}, [2]int{1, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.spec.Normal()
			y, err := s.TransposedOutput(c.x, c.w, shape{c.w[1] * s.Groups}, c.extra)
			require.NoError(t, err)
			require.Equal(t, c.y, y)
			if c.extra[0] < s.Stride[0] {
				back, err := s.Output(y, c.w, nil)
				require.NoError(t, err)
				require.Equal(t, c.x, back, "the convolution does not lead back")
			}
		})
	}
}

// As torch.nn.functional.max_pool2d and avg_pool2d (out = ceil or floor, less a window that starts in the padding).
func TestPoolOutput(t *testing.T) {
	spec := func(window, stride, padding int, ceil bool) device.PoolSpec {
		return device.PoolSpec{Window: [2]int{window, window}, Stride: [2]int{stride, stride}, Padding: device.Pad(padding), CeilMode: ceil}
	}
	for _, c := range []struct {
		in, out int
		spec    device.PoolSpec
	}{
		{4, 2, spec(2, 0, 0, false)},
		{5, 2, spec(2, 0, 0, false)},
		{5, 3, spec(2, 0, 0, true)},
		{55, 27, spec(3, 2, 0, false)},
		{13, 6, spec(3, 2, 0, false)},
		{110, 55, spec(3, 2, 0, true)}, // Zeiler and Fergus
		{112, 56, spec(3, 2, 1, false)},
		{112, 56, spec(3, 2, 0, true)}, // GoogLeNet
		{14, 7, spec(3, 2, 0, true)},
		{14, 14, spec(3, 1, 1, true)},
		{7, 1, spec(7, 1, 0, false)},
		{5, 2, spec(2, 3, 1, true)}, // 3 windows, but the third would start in the padding
		{6, 3, spec(2, 3, 1, true)}, // a third window holds the last element
		{3, 2, spec(2, 2, 1, false)},
		{2, 1, spec(3, 2, 0, true)}, // smaller than the window, which hangs over
		{1, 1, spec(3, 4, 0, true)},
	} {
		t.Run(fmt.Sprintf("%d %+v", c.in, c.spec), func(t *testing.T) {
			y, err := c.spec.Normal().Output(shape{2, 3, c.in, c.in})
			require.NoError(t, err)
			require.Equal(t, shape{2, 3, c.out, c.out}, y)
		})
	}
}

// Every window holds something, and windows are in order.
func TestPoolWindowsHoldSomething(t *testing.T) {
	for in := 1; in < 9; in++ {
		for window := 1; window < 6; window++ {
			for stride := 1; stride < 7; stride++ {
				for before := range window {
					for after := range window {
						for _, ceil := range []bool{false, true} {
							s := device.PoolSpec{Window: [2]int{window, 1}, Stride: [2]int{stride, 1}, Padding: device.Padding{Top: before, Bottom: after}, CeilMode: ceil}
							y, err := s.Output(shape{1, 1, in, 1})
							if err != nil {
								continue
							}
							for p := range y[2] {
								low, high, counted := s.WindowAt(0, p, in)
								require.True(t, 0 <= low && low < high && high <= in && high-low <= counted && counted <= window,
									"%+v on %d: window %d is [%d, %d), counted %d", s, in, p, low, high, counted)
							}
						}
					}
				}
			}
		}
	}
}

// Rows are output positions: source elements and the weight of the second, as torch.nn.functional.interpolate's.
func TestUpsampleSource(t *testing.T) {
	for _, c := range []struct {
		spec    device.UpsampleSpec
		in, out int
		want    [][3]float64
	}{
		{device.UpsampleSpec{}, 2, 4, [][3]float64{{0, 0, 0}, {0, 0, 0}, {1, 1, 0}, {1, 1, 0}}},
		{device.UpsampleSpec{}, 3, 5, [][3]float64{{0, 0, 0}, {0, 0, 0}, {1, 1, 0}, {1, 1, 0}, {2, 2, 0}}},
		{device.UpsampleSpec{}, 5, 2, [][3]float64{{0, 0, 0}, {2, 2, 0}}},
		{device.UpsampleSpec{Bilinear: true}, 2, 4, [][3]float64{{0, 1, 0}, {0, 1, 0.25}, {0, 1, 0.75}, {1, 1, 0.25}}},
		{device.UpsampleSpec{Bilinear: true, AlignCorners: true}, 2, 4, [][3]float64{{0, 1, 0}, {0, 1, 1. / 3}, {0, 1, 2. / 3}, {1, 1, 0}}},
		{device.UpsampleSpec{Bilinear: true, AlignCorners: true}, 3, 1, [][3]float64{{0, 1, 0}}},
		{device.UpsampleSpec{Bilinear: true}, 3, 1, [][3]float64{{1, 2, 0}}},
		{device.UpsampleSpec{Bilinear: true}, 1, 3, [][3]float64{{0, 0, 0}, {0, 0, 0}, {0, 0, 1. / 3}}},
	} {
		for p, want := range c.want {
			low, high, fraction := c.spec.Source(p, c.in, c.out)
			require.InDeltaSlice(t, want[:], []float64{float64(low), float64(high), fraction}, 1e-12, "%+v from %d to %d, position %d", c.spec, c.in, c.out, p)
		}
	}
}

func TestShapeRules(t *testing.T) {
	same := func(s shape, err error) func() (shape, error) { return func() (shape, error) { return s, err } }
	reduce := func(x shape, axes []int, keep bool) func() (shape, error) {
		_, s, err := device.ReduceShape("sum", x, axes, keep)
		return same(s, err)
	}
	for _, c := range []struct {
		name string
		rule func() (shape, error)
		want shape
	}{
		{"linear", same(device.LinearOutput(shape{5, 3}, shape{4, 3}, shape{4})), shape{5, 4}},
		{"matmul", same(device.MatMulOutput(shape{2, 3}, shape{3, 5}, false, false)), shape{2, 5}},
		{"matmul, left transposed", same(device.MatMulOutput(shape{3, 2}, shape{3, 5}, true, false)), shape{2, 5}},
		{"matmul, right transposed", same(device.MatMulOutput(shape{2, 3}, shape{5, 3}, false, true)), shape{2, 5}},
		{"matmul, both transposed", same(device.MatMulOutput(shape{3, 2}, shape{5, 3}, true, true)), shape{2, 5}},
		{"broadcast both ways", same(device.BroadcastShape("add", shape{2, 1, 4}, shape{1, 3, 4})), shape{2, 3, 4}},
		{"broadcast to nothing", same(device.BroadcastShape("add", shape{1, 3}, shape{0, 3})), shape{0, 3}},
		{"broadcast of scalars", same(device.BroadcastShape("add", shape{}, shape{})), shape{}},
		{"reduce", reduce(shape{2, 3, 4}, []int{0, 2}, false), shape{3}},
		{"reduce and keep", reduce(shape{2, 3, 4}, []int{2, 0}, true), shape{1, 3, 1}},
		{"reduce all", reduce(shape{2, 3}, []int{0, 1}, false), shape{}},
		{"reduce nothing", reduce(shape{2, 3}, nil, false), shape{2, 3}},
		{"reshape", same(device.ReshapeShape(shape{2, 3, 4}, shape{6, -1})), shape{6, 4}},
		{"reshape of nothing", same(device.ReshapeShape(shape{0, 3}, shape{-1, 3})), shape{0, 3}},
		{"reshape to a scalar", same(device.ReshapeShape(shape{1, 1}, shape{})), shape{}},
		{"maxout", same(device.MaxoutOutput(shape{2, 6, 4, 4}, 3)), shape{2, 2, 4, 4}},
		{"concat", same(device.ConcatOutput([]tensor.Shape{{2, 3, 4}, {2, 1, 4}, {2, 0, 4}}, 1)), shape{2, 4, 4}},
		{"concat of one", same(device.ConcatOutput([]tensor.Shape{{2, 3}}, 0)), shape{2, 3}},
		{"slice", same(device.SliceOutput(shape{5, 6}, []int{1, 6}, []int{4, 6})), shape{3, 0}},
		{"pad", same(device.PadOutput(shape{1, 2, 3, 4}, device.Padding{Top: 1, Bottom: 2, Left: 3, Right: 4})), shape{1, 2, 6, 11}},
		{"upsample", same(device.UpsampleSpec{}.Output(shape{1, 2, 3, 4}, [2]int{7, 9})), shape{1, 2, 7, 9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.rule()
			require.NoError(t, err)
			require.True(t, device.EqualShape(c.want, got), "%v, expected %v", got, c.want)
		})
	}
}

// The rules must not write into the shapes they are given.
func TestShapeRulesLeaveTheirArguments(t *testing.T) {
	x, y, free := shape{2, 1, 4, 4}, shape{2, 3, 4, 4}, shape{-1, 8}
	rules := map[string]func() error{
		"broadcast": func() error { _, err := device.BroadcastShape("add", x, y); return err },
		"reduce":    func() error { _, _, err := device.ReduceShape("sum", x, []int{0, 3}, true); return err },
		"maxout":    func() error { _, err := device.MaxoutOutput(x, 1); return err },
		"concat":    func() error { _, err := device.ConcatOutput([]tensor.Shape{x, y}, 1); return err },
		"slice":     func() error { _, err := device.SliceOutput(x, []int{0, 0, 1, 1}, []int{1, 1, 2, 2}); return err },
		"pool":      func() error { _, err := device.PoolSpec{Window: [2]int{2, 2}}.Normal().Output(x); return err },
		"reshape":   func() error { _, err := device.ReshapeShape(x, free); return err },
	}
	for name, rule := range rules {
		require.NoError(t, rule(), name)
		require.Equal(t, shape{2, 1, 4, 4}, x, name)
		require.Equal(t, shape{2, 3, 4, 4}, y, name)
		require.Equal(t, shape{-1, 8}, free, name)
	}
}

func TestCheckShape(t *testing.T) {
	for _, s := range []shape{{}, {0}, {3, 0, 1 << 40}, {1 << 20, 1 << 20}} {
		require.NoError(t, device.CheckShape(s), "%v", s)
	}
	for _, s := range []shape{{-1}, {0, -1}, {math.MaxInt}, {1 << 31, 1 << 31}, {0, 1 << 31, 1 << 31}, {1 << 62, 4}, {3, math.MaxInt / 2}} {
		require.ErrorIs(t, device.CheckShape(s), device.ErrShape, "%v", s)
	}
}

func TestCheckDropout(t *testing.T) {
	for _, rate := range []float64{0, 0.5, math.Nextafter(1, 0)} {
		require.NoError(t, device.CheckDropout(rate))
	}
	for _, rate := range []float64{-0.1, 1, 1.5, math.NaN(), math.Inf(1), math.Inf(-1)} {
		require.ErrorContains(t, device.CheckDropout(rate), "expected at least 0 and below 1")
	}
}

func TestDropThreshold(t *testing.T) {
	for rate, want := range map[float64]uint32{0: 0, 0.5: 1 << 31, 0.25: 1 << 30, 0.75: 3 << 30, 0.2: 858993459, math.Nextafter(1, 0): math.MaxUint32} {
		require.Equal(t, want, device.DropThreshold(rate), "rate %v", rate)
	}
}

func TestWindowAndHoldersAreTransposes(t *testing.T) {
	for size := 1; size < 8; size++ {
		s := device.LRNSpec{Size: size}
		for maps := 1; maps < 9; maps++ {
			for i := range maps {
				for j := range maps {
					low, high := s.Window(i, maps)
					from, to := s.Holders(j, maps)
					require.Equal(t, low <= j && j < high, from <= i && i < to, "size %d, maps %d: map %d in the window of %d", size, maps, j, i)
				}
			}
		}
	}
}

func TestNamesOfKinds(t *testing.T) {
	require.Equal(t, "identity step sigmoid tanh relu leaky_relu elu", fmt.Sprint(device.Identity, " ", device.Step, " ", device.Sigmoid, " ", device.Tanh, " ",
		device.ReLU, " ", device.LeakyReLU, " ", device.ELU))
	require.Equal(t, "max_pool2d min_pool2d avg_pool2d", fmt.Sprint(device.MaxPool, " ", device.MinPool, " ", device.AveragePool))
	require.Equal(t, "add sub mul div", fmt.Sprint(device.Add, " ", device.Sub, " ", device.Mul, " ", device.Div))
	require.Equal(t, "squared_error logistic hinge", fmt.Sprint(device.SquaredError, " ", device.Logistic, " ", device.Hinge))
}
