package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/autograd"
	"fovea/device"
)

// TestWrongShapes has at least one row for every operation: the error names the operation and the shapes, and wraps
// device.ErrShape. The tape stays usable after Reset.
func TestWrongShapes(t *testing.T) {
	type value = *autograd.Value
	conv := func(s device.ConvSpec) func(in []value) value {
		return func(in []value) value { return autograd.Conv2D(in[0], in[1], nil, s) }
	}
	pool := func(s device.PoolSpec) func(in []value) value {
		return func(in []value) value { return autograd.Pool(in[0], s) }
	}
	two := func(f func(a, b value) value) func(in []value) value {
		return func(in []value) value { return f(in[0], in[1]) }
	}
	one := func(f func(x value) value) func(in []value) value {
		return func(in []value) value { return f(in[0]) }
	}
	withBias := func(in []value) value { return autograd.Conv2D(in[0], in[1], in[2], device.ConvSpec{}) }
	const batchNorm = "batch_norm: wrong shape: "
	rows := []struct {
		op     string
		inputs [][]int
		f      func(in []value) value
		want   string
	}{
		{"conv2d", [][]int{{3, 4}, {2, 3, 3, 3}}, conv(device.ConvSpec{}), "input is (3, 4), expected 4 dimensions [N, C, H, W]"},
		{"conv2d", [][]int{{1, 4, 5, 5}, {2, 3, 3, 3}}, conv(device.ConvSpec{}), "input (1, 4, 5, 5) has 4 channels, weights (2, 3, 3, 3) with 1 groups expect 3"},
		{"conv2d", [][]int{{1, 4, 5, 5}, {3, 2, 3, 3}}, conv(device.ConvSpec{Groups: 2}), "weights (3, 2, 3, 3) have 3 output channels, not a multiple of 2 groups"},
		{"conv2d", [][]int{{1, 3, 5, 5}, {2, 3, 6, 3}}, conv(device.ConvSpec{}), "window of height 6 (dilation 1) does not fit the input's 5 + padding 0"},
		{"conv2d", [][]int{{1, 3, 5, 5}, {2, 3, 3, 3}}, conv(device.ConvSpec{Dilation: [2]int{1, 3}}), "window of width 3 (dilation 3) does not fit the input's 5 + padding 0"},
		{"conv2d", [][]int{{1, 3, 5, 5}, {2, 3, 3, 3}}, conv(device.ConvSpec{Stride: [2]int{-1, 1}}), "stride [-1 1], expected at least 1"},
		{"conv2d", [][]int{{1, 3, 5, 5}, {2, 3, 3, 3}}, conv(device.ConvSpec{Padding: device.Padding{Top: -1}}), "padding {Top:-1 Bottom:0 Left:0 Right:0}, expected at least 0"},
		{"conv2d", [][]int{{1, 3, 5, 5}, {2, 3, 3, 3}, {3}}, withBias, "bias is (3), expected [2]"},
		{"rotate180", [][]int{{3}}, one(autograd.Rotate180), "(3) has no two spatial axes"},
		{"conv2d", [][]int{{1, 4, 5, 5}, {2, 3, 3, 3}}, func(in []value) value { return autograd.TrueConv2D(in[0], in[1], nil, device.ConvSpec{}) },
			"input (1, 4, 5, 5) has 4 channels"},
		{"conv_transpose2d", [][]int{{1, 4, 5, 5}, {3, 2, 3, 3}}, func(in []value) value {
			return autograd.ConvTranspose2D(in[0], in[1], nil, device.ConvSpec{}, [2]int{})
		}, "input (1, 4, 5, 5) has 4 channels, weights (3, 2, 3, 3) expect 3"},
		{"conv_transpose2d", [][]int{{1, 3, 5, 5}, {3, 2, 3, 3}}, func(in []value) value {
			return autograd.ConvTranspose2D(in[0], in[1], nil, device.ConvSpec{}, [2]int{0, 1})
		}, "output padding [0 1]"},
		{"max_pool2d", [][]int{{2, 3}}, pool(device.PoolSpec{Window: [2]int{2, 2}}), "input is (2, 3), expected 4 dimensions"},
		{"min_pool2d", [][]int{{1, 1, 4, 4}}, pool(device.PoolSpec{Kind: device.MinPool, Window: [2]int{5, 1}}), "window [5 1] does not fit the input (1, 1, 4, 4)"},
		{"avg_pool2d", [][]int{{1, 1, 4, 4}}, pool(device.PoolSpec{Kind: device.AveragePool, Window: [2]int{2, 2}, Padding: device.Pad(2)}), "is not smaller than the window [2 2]"},
		{"max_pool2d", [][]int{{1, 1, 4, 4}}, pool(device.PoolSpec{}), "window [0 0], expected at least 1"},
		{"avg_pool2d", [][]int{{4, 4}}, func(in []value) value { return autograd.GlobalPool(in[0], device.AveragePool) }, "input is (4, 4), expected 4 dimensions"},
		{"adaptive_avg_pool2d", [][]int{{4, 4}}, func(in []value) value { return autograd.AdaptiveAvgPool(in[0], [2]int{2, 2}) }, "input is (4, 4), expected 4 dimensions"},
		{"adaptive_avg_pool2d", [][]int{{1, 1, 4, 4}}, func(in []value) value { return autograd.AdaptiveAvgPool(in[0], [2]int{2, 0}) }, "size [2 0], expected at least 1"},
		{"pad_channels", [][]int{{4}}, func(in []value) value { return autograd.PadChannels(in[0], 1, 1) }, "input is (4), expected at least two dimensions"},
		{"pad_channels", [][]int{{1, 4, 2, 2}}, func(in []value) value { return autograd.PadChannels(in[0], -1, 1) }, "-1 channels before and 1 after, expected at least 0"},
		{"linear", [][]int{{2, 3, 1}, {4, 3}}, func(in []value) value { return autograd.Linear(in[0], in[1], nil) }, "input is (2, 3, 1), expected 2 dimensions"},
		{"linear", [][]int{{2, 3}, {4, 5}}, func(in []value) value { return autograd.Linear(in[0], in[1], nil) }, "input (2, 3) has 3 features, weights (4, 5) expect 5"},
		{"linear", [][]int{{2, 3}, {4, 3}, {3}}, func(in []value) value { return autograd.Linear(in[0], in[1], in[2]) }, "bias is (3), expected [4]"},
		{"matmul", [][]int{{2, 3}, {4, 3}}, two(autograd.MatMul), "operands (2, 3) (transposed false) and (4, 3) (transposed false): inner sizes 3 and 4 differ"},
		{"lrn", [][]int{{2, 3}}, func(in []value) value { return autograd.LRN(in[0], device.LRNSpec{Size: 3}) }, "input is (2, 3), expected 4 dimensions"},
		{"contrast_norm", [][]int{{1, 2, 3, 4}}, func(in []value) value { return autograd.ContrastNorm(in[0], device.LRNSpec{}) }, "window of 0 maps"},
		{"maxout", [][]int{{2, 5}}, func(in []value) value { return autograd.Maxout(in[0], 2) }, "input (2, 5) with 2 pieces"},
		{"softmax", [][]int{{3}}, one(autograd.Softmax), "input (3), expected [N, classes, ...]"},
		{"softmax", [][]int{{3}}, one(autograd.LogSoftmax), "input (3), expected [N, classes, ...]"},
		{"add", [][]int{{2, 3}, {3}}, two(autograd.Add), "operands (2, 3) and (3) have different ranks"},
		{"sub", [][]int{{2, 3}, {2, 2}}, two(autograd.Sub), "operands (2, 3) and (2, 2) differ in axis 1 (3 and 2, neither is 1)"},
		{"mul", [][]int{{2, 3}, {3, 3}}, two(autograd.Mul), "operands (2, 3) and (3, 3) differ in axis 0"},
		{"div", [][]int{{2, 3}, {3, 3}}, two(autograd.Div), "operands (2, 3) and (3, 3) differ in axis 0"},
		{"sum", [][]int{{2, 3}}, func(in []value) value { return autograd.Sum(in[0], false, 2) }, "axes [2] for an input of rank 2"},
		{"mean", [][]int{{2, 3}}, func(in []value) value { return autograd.Mean(in[0], false, 1, 1) }, "axes [1 1] for an input of rank 2"},
		{"reshape", [][]int{{2, 3}}, func(in []value) value { return autograd.Reshape(in[0], 4, -1) }, "(2, 3) has 6 elements, (4, -1) does not"},
		{"reshape", [][]int{{2, 3}}, func(in []value) value { return autograd.Reshape(in[0], -1, -1) }, "(2, 3) to (-1, -1): at most one dimension may be -1"},
		{"concat", [][]int{{2, 3, 4, 4}, {2, 3, 4, 5}}, func(in []value) value { return autograd.Concat(1, in...) }, "(2, 3, 4, 5)] differ in more than axis 1"},
		{"concat", [][]int{{2, 3}}, func(in []value) value { return autograd.Concat(2, in...) }, "axis 2 for operands of rank 2"},
		{"slice", [][]int{{2, 3}}, func(in []value) value { return autograd.Slice(in[0], []int{0, 2}, []int{2, 4}) }, "(2, 3) from [0 2] to [2 4]: axis 1 must satisfy"},
		{"slice", [][]int{{2, 3}}, func(in []value) value { return autograd.Slice(in[0], []int{0}, []int{1}) }, "ranks differ"},
		{"pad", [][]int{{2, 3}}, func(in []value) value { return autograd.Pad(in[0], device.Pad(1), 0) }, "input is (2, 3), expected 4 dimensions"},
		{"pad", [][]int{{1, 1, 2, 2}}, func(in []value) value { return autograd.Pad(in[0], device.Padding{Left: -1}, 0) }, "expected at least 0"},
		{"upsample", [][]int{{1, 1, 2, 2}}, func(in []value) value { return autograd.Upsample(in[0], [2]int{0, 4}, device.UpsampleSpec{}) }, "from (1, 1, 2, 2) to size [0 4]"},
		{"cross_entropy", [][]int{{2, 3}}, func(in []value) value { return autograd.CrossEntropy(in[0], in[0].Tape().Labels([]int32{0, 1, 2})) },
			"labels are (3), expected (2) for logits (2, 3)"},
		{"cross_entropy", [][]int{{2, 3, 2, 2}}, func(in []value) value { return autograd.CrossEntropy(in[0], in[0].Tape().Labels([]int32{0, 1})) },
			"labels are (2), expected (2, 2, 2) for logits (2, 3, 2, 2)"},
		{"soft_cross_entropy", [][]int{{2, 3}, {2, 4}}, two(autograd.SoftCrossEntropy), "operands (2, 3) and (2, 4) differ"},
		{"softmax", [][]int{{3}, {3}}, two(autograd.SoftCrossEntropy), "input (3), expected [N, classes, ...]"},
		{"squared_error", [][]int{{2, 3}, {2}}, two(autograd.SquaredError), "operands (2, 3) and (2) differ"},
		{"logistic", [][]int{{2, 1}, {2}}, two(autograd.Logistic), "operands (2, 1) and (2) differ"},
		{"hinge", [][]int{{2, 1}, {2, 2}}, two(autograd.Hinge), "operands (2, 1) and (2, 2) differ"},
	}
	covered := map[string]bool{"batch_norm": true} // below
	onEach(t, func(t *testing.T, d device.Device) {
		tape := tapeOn(t, d)
		for _, row := range rows {
			covered[row.op] = true
			tape.Reset()
			var in []value
			for _, shape := range row.inputs {
				in = append(in, tape.Variable(ramp(shape...)))
			}
			require.NoError(t, tape.Err())
			row.f(in)
			require.ErrorIs(t, tape.Err(), device.ErrShape, "%s %v", row.op, row.inputs)
			require.ErrorContains(t, tape.Err(), row.op+": wrong shape: ", "%v", row.inputs)
			require.ErrorContains(t, tape.Err(), row.want, "%s %v", row.op, row.inputs)
		}
		two, three := parameter(t, d, "two", ramp(2)), parameter(t, d, "three", ramp(3))
		for _, row := range []struct {
			input                 []int
			scale, shift, running *autograd.Value
			want                  string
		}{
			{[]int{4}, two, two, two, batchNorm + "input is (4), expected at least two dimensions [N, C, ...]"},
			{[]int{4, 2}, three, two, two, batchNorm + "scale, shift or running statistic is (3), expected [2]"},
			{[]int{4, 2}, two, three, two, batchNorm + "scale, shift or running statistic is (3), expected [2]"},
			{[]int{4, 2}, two, two, three, batchNorm + "scale, shift or running statistic is (3), expected [2]"},
			{[]int{1, 2, 1, 1}, two, two, two, batchNorm + "input (1, 2, 1, 1) has one value per channel: its variance is undefined in training"},
		} {
			tape.Reset()
			tape.Training = true
			autograd.BatchNorm(tape.Input(ramp(row.input...)), row.scale, row.shift, row.running.Tensor(), row.running.Tensor(), device.BatchNormSpec{})
			require.ErrorIs(t, tape.Err(), device.ErrShape)
			require.EqualError(t, tape.Err(), row.want)
		}
	})
	for _, op := range []string{"conv2d", "conv_transpose2d", "rotate180", "max_pool2d", "min_pool2d", "avg_pool2d", "linear", "matmul",
		"batch_norm", "lrn", "contrast_norm", "maxout", "softmax", "add", "sub", "mul", "div", "sum", "mean", "reshape", "concat", "slice",
		"pad", "upsample", "cross_entropy", "soft_cross_entropy", "squared_error", "logistic", "hinge"} {
		require.True(t, covered[op], "no row for %s", op)
	}
}

// TestNothingToAverage: the losses of no samples are errors, not NaN.
func TestNothingToAverage(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		tape := tapeOn(t, d)
		none := autograd.Slice(tape.Input(ramp(2, 3)), []int{0, 0}, []int{0, 3})
		autograd.SquaredError(none, none)
		require.EqualError(t, tape.Err(), "squared_error: wrong shape: no samples: the mean of nothing is undefined")
		tape.Reset()
		none = autograd.Slice(tape.Input(ramp(2, 3)), []int{0, 0}, []int{0, 3})
		autograd.SoftCrossEntropy(none, none)
		require.EqualError(t, tape.Err(), "soft_cross_entropy: wrong shape: no samples: the mean of nothing is undefined")
		tape.Reset()
		none = autograd.Slice(tape.Input(ramp(2, 3)), []int{0, 0}, []int{0, 3})
		autograd.CrossEntropy(none, tape.Labels(nil))
		require.EqualError(t, tape.Err(), "cross_entropy: wrong shape: no samples: the mean of nothing is undefined")
	})
}
