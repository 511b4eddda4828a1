package reference_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/device/reference"
)

type shape = tensor.Shape

// desk makes tensors and remembers the device.
type desk struct {
	*reference.Device
	t *testing.T
}

func (d desk) real(s shape, elements ...float64) *device.Tensor {
	x, err := device.FromSlice(d.Device, s, elements)
	require.NoError(d.t, err)
	return x
}

func (d desk) labels(classes ...int32) *device.Tensor {
	x, err := device.FromSlice(d.Device, shape{len(classes)}, classes)
	require.NoError(d.t, err)
	return x
}

func (d desk) zeros(s shape) *device.Tensor { return d.real(s, make([]float64, device.Size(s))...) }

func counted(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i + 1)
	}
	return x
}

// Forward passes on numbers worked out by hand: what the gradient checks cannot show.
func TestKnownValues(t *testing.T) {
	for _, c := range []struct {
		name string
		want []float64
		do   func(d desk) (*device.Tensor, error)
	}{
		{"conv: the lecture's 5x5 image", []float64{4, 3, 4, 2, 4, 3, 2, 3, 4}, func(d desk) (*device.Tensor, error) {
			x := d.real(shape{1, 1, 5, 5}, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0)
			y := d.zeros(shape{1, 1, 3, 3})
			return y, d.Conv(y, x, d.real(shape{1, 1, 3, 3}, 1, 0, 1, 0, 1, 0, 1, 0, 1), nil, device.ConvSpec{}.Normal())
		}},
		{"conv: windows of stride 2 start at 1, 3, 11, 13", []float64{1, 3, 11, 13}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 2, 2})
			return y, d.Conv(y, d.real(shape{1, 1, 5, 5}, counted(25)...), d.real(shape{1, 1, 3, 3}, 1, 0, 0, 0, 0, 0, 0, 0, 0), nil,
				device.ConvSpec{Stride: [2]int{2, 2}}.Normal())
		}},
		{"conv: bias, padding by side", []float64{10, 11, 12}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 1, 3})
			return y, d.Conv(y, d.real(shape{1, 1, 1, 2}, 1, 2), d.real(shape{1, 1, 1, 1}, 1), d.real(shape{1}, 10),
				device.ConvSpec{Padding: device.Padding{Left: 1}}.Normal())
		}},
		{"conv: groups see their own channels", []float64{2, 15}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 2, 1, 1})
			return y, d.Conv(y, d.real(shape{1, 2, 1, 1}, 1, 5), d.real(shape{2, 1, 1, 1}, 2, 3), nil, device.ConvSpec{Groups: 2}.Normal())
		}},
		{"conv: dilation 2", []float64{1 + 3 + 11 + 13}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 1, 1})
			return y, d.Conv(y, d.real(shape{1, 1, 3, 3}, 1, 2, 3, 6, 7, 8, 11, 12, 13), d.real(shape{1, 1, 2, 2}, 1, 1, 1, 1), nil,
				device.ConvSpec{Dilation: [2]int{2, 2}}.Normal())
		}},
		{"rotate: true convolution of the lecture's patch", []float64{219}, func(d desk) (*device.Tensor, error) {
			turned, y := d.zeros(shape{1, 1, 3, 3}), d.zeros(shape{1, 1, 1, 1})
			if err := d.Rotate180(turned, d.real(shape{1, 1, 3, 3}, counted(9)...)); err != nil {
				return nil, err
			}
			return y, d.Conv(y, d.real(shape{1, 1, 3, 3}, 1, 2, 3, 6, 7, 8, 11, 12, 13), turned, nil, device.ConvSpec{}.Normal())
		}},
		{"max pool, overlapping", []float64{13, 15, 23, 25}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 2, 2})
			return y, d.Pool(y, d.real(shape{1, 1, 5, 5}, counted(25)...), device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}})
		}},
		{"min pool", []float64{1, 3, 11, 13}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 2, 2})
			return y, d.Pool(y, d.real(shape{1, 1, 5, 5}, counted(25)...), device.PoolSpec{Kind: device.MinPool, Window: [2]int{3, 3}, Stride: [2]int{2, 2}})
		}},
		{"average pool divides by what is inside", []float64{1, 2.5, 4}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 1, 3})
			return y, d.Pool(y, d.real(shape{1, 1, 1, 4}, counted(4)...),
				device.PoolSpec{Kind: device.AveragePool, Window: [2]int{1, 2}, Stride: [2]int{1, 2}, Padding: device.Padding{Left: 1, Right: 1}})
		}},
		{"average pool that counts padding", []float64{0.5, 2.5, 2}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 1, 3})
			return y, d.Pool(y, d.real(shape{1, 1, 1, 4}, counted(4)...),
				device.PoolSpec{Kind: device.AveragePool, Window: [2]int{1, 2}, Stride: [2]int{1, 2}, Padding: device.Padding{Left: 1, Right: 1}, CountPadding: true})
		}},
		{"linear", []float64{1*5 + 2*6 + 10, 1*7 + 2*8 + 20, 3*5 + 4*6 + 10, 3*7 + 4*8 + 20}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{2, 2})
			return y, d.Linear(y, d.real(shape{2, 2}, 1, 2, 3, 4), d.real(shape{2, 2}, 5, 6, 7, 8), d.real(shape{2}, 10, 20))
		}},
		{"matmul, left transposed", []float64{1*5 + 3*7, 1*6 + 3*8, 2*5 + 4*7, 2*6 + 4*8}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{2, 2})
			return y, d.MatMul(y, d.real(shape{2, 2}, 1, 2, 3, 4), d.real(shape{2, 2}, 5, 6, 7, 8), true, false)
		}},
		{"batch norm", []float64{5 - 2/math.Sqrt(1.21), 5 + 2/math.Sqrt(1.21)}, func(d desk) (*device.Tensor, error) {
			y, v := d.zeros(shape{2, 1}), func(x float64) *device.Tensor { return d.real(shape{1}, x) }
			mean, inv, runningMean, runningVar := v(0), v(0), v(10), v(20)
			err := d.BatchNorm(y, mean, inv, runningMean, runningVar, d.real(shape{2, 1}, 1, 3), v(2), v(5), device.BatchNormSpec{Epsilon: 0.21, Momentum: 0.1})
			requireElements(d.t, []float64{2}, mean)
			requireElements(d.t, []float64{1 / 1.1}, inv)
			requireElements(d.t, []float64{0.9*10 + 0.1*2}, runningMean)
			requireElements(d.t, []float64{0.9*20 + 0.1*2}, runningVar) // the unbiased variance of 1 and 3
			return y, err
		}},
		{"LRN, window of 2: a map and the one before", []float64{1 / 1.5, 2 / 3.5, 3 / 7.5}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 3, 1, 1})
			return y, d.LRN(y, d.real(shape{1, 3, 1, 1}, 1, 2, 3), device.LRNSpec{Size: 2, Alpha: 1, Beta: 1, K: 1})
		}},
		{"contrast norm", []float64{-0.5 / 1.25, 0, 0.5 / 1.25}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 3, 1, 1})
			return y, d.ContrastNorm(y, d.real(shape{1, 3, 1, 1}, 1, 2, 3), device.LRNSpec{Size: 3, Alpha: 1.5, Beta: 1, K: 1})
		}},
		{"leaky ReLU", []float64{-0.2, 0, 3}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{3})
			return y, d.Activate(y, d.real(shape{3}, -2, 0, 3), device.ActivationSpec{Kind: device.LeakyReLU, Alpha: 0.1})
		}},
		{"ELU", []float64{2 * (math.Exp(-1) - 1), 0, 3}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{3})
			return y, d.Activate(y, d.real(shape{3}, -1, 0, 3), device.ActivationSpec{Kind: device.ELU, Alpha: 2})
		}},
		{"sigmoid", []float64{0.5, 1 / (1 + math.Exp(-2))}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{2})
			return y, d.Activate(y, d.real(shape{2}, 0, 2), device.ActivationSpec{Kind: device.Sigmoid})
		}},
		{"maxout", []float64{5, 7}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 2})
			return y, d.Maxout(y, d.real(shape{1, 4}, 5, 1, 2, 7), 2)
		}},
		{"softmax", []float64{0.1, 0.2, 0.3, 0.4}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 4})
			return y, d.Softmax(y, d.real(shape{1, 4}, math.Log(1)+1000, math.Log(2)+1000, math.Log(3)+1000, math.Log(4)+1000), false)
		}},
		{"dropout follows the stream", dropped(8), func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{8})
			return y, d.Dropout(y, d.real(shape{8}, counted(8)...), 0.5, philox.Stream{Seed: 3, ID: 4})
		}},
		{"cross-entropy of equal logits", []float64{math.Log(4)}, func(d desk) (*device.Tensor, error) {
			loss := d.zeros(shape{})
			return loss, d.CrossEntropy(loss, d.real(shape{2, 4}, 1, 1, 1, 1, 9, 9, 9, 9), d.labels(0, 3))
		}},
		{"squared error", []float64{(1 + 9) / 2.}, func(d desk) (*device.Tensor, error) {
			loss := d.zeros(shape{})
			return loss, d.ElementLoss(loss, d.real(shape{2}, 1, 2), d.real(shape{2}, 2, 5), device.SquaredError)
		}},
		{"logistic", []float64{math.Ln2}, func(d desk) (*device.Tensor, error) {
			loss := d.zeros(shape{})
			return loss, d.ElementLoss(loss, d.real(shape{2}, 0, 0), d.real(shape{2}, 0, 1), device.Logistic)
		}},
		{"hinge", []float64{(0 + 1.5 + 3) / 3.}, func(d desk) (*device.Tensor, error) {
			loss := d.zeros(shape{})
			return loss, d.ElementLoss(loss, d.real(shape{3}, 2, 0.5, 2), d.real(shape{3}, 1, -1, -1), device.Hinge)
		}},
		{"count: the first of equal ones, NaN above all", []float64{7 + 2}, func(d desk) (*device.Tensor, error) {
			count := d.real(shape{}, 7)
			return count, d.CountCorrect(count, d.real(shape{3, 2}, 1, 1, 1, 1, 5, math.NaN()), d.labels(0, 1, 1))
		}},
		{"sum over an axis", []float64{2 * (1 + 3), 2 * (2 + 4)}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 2})
			return y, d.ReduceSum(y, d.real(shape{2, 2}, 1, 2, 3, 4), 2)
		}},
		{"binary, stretched", []float64{1 - 10, 2 - 10, 3 - 20, 4 - 20}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{2, 2})
			return y, d.Binary(y, d.real(shape{2, 2}, 1, 2, 3, 4), d.real(shape{2, 1}, 10, 20), device.Sub)
		}},
		{"copy of a region", []float64{0, 0, 0, 0, 2, 3}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{2, 3})
			return y, d.CopyRegion(y, []int{1, 1}, d.real(shape{1, 3}, 1, 2, 3), []int{0, 1}, []int{1, 2})
		}},
		{"bilinear", []float64{1, 1.25, 1.75, 2}, func(d desk) (*device.Tensor, error) {
			y := d.zeros(shape{1, 1, 1, 4})
			return y, d.Upsample(y, d.real(shape{1, 1, 1, 2}, 1, 2), device.UpsampleSpec{Bilinear: true})
		}},
		{"SGD with momentum, the second step", []float64{1 - 0.1*2 - 0.1*(0.5*2+2)}, func(d desk) (*device.Tensor, error) {
			w, v := d.real(shape{1}, 1), d.real(shape{1}, 99)
			list := []device.Update{{Value: w, Grad: d.real(shape{1}, 2), State: [2]*device.Tensor{v}}}
			if err := d.SGD(list, device.SGDSpec{Rate: 0.1, Momentum: 0.5, First: true}); err != nil {
				return nil, err
			}
			return w, d.SGD(list, device.SGDSpec{Rate: 0.1, Momentum: 0.5})
		}},
		{"RMSProp", []float64{1 - 0.1*2/(math.Sqrt(0.25*4)+1)}, func(d desk) (*device.Tensor, error) {
			w := d.real(shape{1}, 1)
			return w, d.RMSProp([]device.Update{{Value: w, Grad: d.real(shape{1}, 2), State: [2]*device.Tensor{d.zeros(shape{1})}}},
				device.RMSPropSpec{Rate: 0.1, Decay: 0.75, Epsilon: 1})
		}},
		{"Adam's first step is the rate", []float64{1 - 0.1, 1 + 0.1}, func(d desk) (*device.Tensor, error) {
			w := d.real(shape{2}, 1, 1)
			return w, d.Adam([]device.Update{{Value: w, Grad: d.real(shape{2}, 3, -1e-3), State: [2]*device.Tensor{d.zeros(shape{2}), d.zeros(shape{2})}}},
				device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Step: 1})
		}},
		{"AdamW's decay does not see the gradient", []float64{1 - 0.1*0.5 - 0.1}, func(d desk) (*device.Tensor, error) {
			w := d.real(shape{1}, 1)
			return w, d.Adam([]device.Update{{Value: w, Grad: d.real(shape{1}, 3), State: [2]*device.Tensor{d.zeros(shape{1}), d.zeros(shape{1})}}},
				device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Step: 1, WeightDecay: 0.5, Decoupled: true})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, err := c.do(desk{reference.New(), t})
			require.NoError(t, err)
			requireElements(t, c.want, y)
		})
	}
}

// dropped is what dropout of 1/2 leaves of 1 to n.
func dropped(n int) []float64 {
	src := philox.NewSource(philox.Stream{Seed: 3, ID: 4})
	y := counted(n)
	for i := range y {
		y[i] *= 2
		if src.Uint32() < 1<<31 {
			y[i] = 0
		}
	}
	return y
}

func requireElements(t *testing.T, want []float64, x *device.Tensor) {
	t.Helper()
	got, err := x.Floats()
	require.NoError(t, err)
	require.InDeltaSlice(t, want, got, 1e-12)
}
