package cpu

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// large is a batch whose last image begins 2^31 bytes into it.
var large = tensor.Shape{33, 16, 1024, 1024}

// TestBeyond2GiB computes on feature maps in blocks and row-major, of which the first and the last image are not 0, and
// compares with the same operation on those two images.
func TestBeyond2GiB(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds, and 6 GiB")
	}
	if free := availableGiB(t); free < 8 {
		t.Skipf("%.1f GiB are free, it takes 6", free)
	}
	few := tensor.Shape{2, 16, 1024, 1024}
	narrow, unit := device.ConvSpec{Stride: [2]int{4, 4}}.Normal(), device.ConvSpec{}.Normal()
	square, point := tensor.Shape{16, 16, 2, 2}, tensor.Shape{16, 16, 1, 1}
	pool := device.PoolSpec{Kind: device.MaxPool, Window: [2]int{4, 4}}.Normal()
	quarter := tensor.Shape{-1, 16, 256, 256}
	ops := []struct {
		name     string
		operands []tensor.Shape // beside x; a batch of -1 is x's
		inPlace  bool           // the result is x, else the first of operands
		rowMajor bool           // row-major too: the others make blocks of it
		do       func(d *Device, x *device.Tensor, t []*device.Tensor) error
	}{
		{"sum_channels", []tensor.Shape{{16}}, false, true, func(d *Device, x *device.Tensor, t []*device.Tensor) error { return d.SumChannels(t[0], x) }},
		{"max_pool2d", []tensor.Shape{quarter}, false, false, func(d *Device, x *device.Tensor, t []*device.Tensor) error { return d.Pool(t[0], x, pool) }},
		{"conv2d", []tensor.Shape{quarter, square}, false, false, func(d *Device, x *device.Tensor, t []*device.Tensor) error {
			return d.Conv(t[0], x, t[1], nil, narrow)
		}},
		{"conv2d, 1x1", []tensor.Shape{{-1, 16, 1024, 1024}, point}, false, false, func(d *Device, x *device.Tensor, t []*device.Tensor) error {
			return d.Conv(t[0], x, t[1], nil, unit)
		}},
		{"gradient of conv2d's weights", []tensor.Shape{square, quarter}, false, false, func(d *Device, x *device.Tensor, t []*device.Tensor) error {
			return d.ConvBackwardWeights(t[0], x, t[1], narrow)
		}},
		{"relu", nil, true, true, func(d *Device, x *device.Tensor, _ []*device.Tensor) error {
			return d.Activate(x, x, device.ActivationSpec{Kind: device.ReLU})
		}},
		{"mul", nil, true, true, func(d *Device, x *device.Tensor, _ []*device.Tensor) error { return d.Binary(x, x, x, device.Mul) }},
		{"gradient of conv2d's input", []tensor.Shape{quarter, square}, true, false, func(d *Device, x *device.Tensor, t []*device.Tensor) error {
			return d.ConvBackwardData(x, t[0], t[1], narrow)
		}},
	}
	d, err := New(0)
	require.NoError(t, err)
	for _, inBlocks := range []bool{true, false} { // the second time in the same memory
		make := func(s tensor.Shape, images int) *device.Tensor {
			if s = s.Clone(); s[0] < 0 {
				s[0] = images
			}
			room := d.NewActivation
			if !inBlocks {
				room = func(s tensor.Shape) (*device.Tensor, error) { return d.New(s, tensor.Float32) }
			}
			x, err := room(s)
			require.NoError(t, err)
			return x
		}
		x, y := make(large, 0), make(few, 0)
		set(x, y)
		for _, op := range ops { // those that change x come last, and each makes do with what the one before left
			if !inBlocks && !op.rowMajor {
				continue
			}
			name := fmt.Sprintf("%s, in blocks: %t", op.name, inBlocks)
			ofX, ofY := []*device.Tensor{}, []*device.Tensor{}
			for i, s := range op.operands {
				a, b := make(s, large[0]), make(s, few[0])
				if op.inPlace || i > 0 {
					set(a, b)
				}
				ofX, ofY = append(ofX, a), append(ofY, b)
			}
			require.NoError(t, op.do(d, x, ofX), name)
			require.NoError(t, op.do(d, y, ofY), name)
			if op.inPlace {
				compare(t, name, x, y)
			} else {
				compare(t, name, ofX[0], ofY[0])
			}
			for _, operand := range append(ofX, ofY...) {
				operand.Release()
			}
		}
		x.Release()
		y.Release()
	}
	require.NoError(t, d.Close())
}

// ends are the elements of the first and the last image; all if both tensors have as many.
func ends(x *device.Tensor, images int) [2][]float32 {
	memory := floats(x)
	if x.Shape[0] == images || len(x.Shape) != 4 {
		return [2][]float32{memory, memory}
	}
	n := len(memory) / x.Shape[0]
	return [2][]float32{memory[:n], memory[len(memory)-n:]}
}

// set draws the images of y, makes x's first and last image those, and the others 0.
func set(x, y *device.Tensor) {
	small := out(y)
	random := philox.NewSource(philox.Stream{Seed: 1})
	for i := range min(len(small), 1<<16) {
		small[i] = float32(random.Uniform(-1, 1))
	}
	for i := 1 << 16; i < len(small); i += 1<<16 - 1 { // images differ
		copy(small[i:], small[:1<<16])
	}
	clear(out(x))
	of, n := ends(x, y.Shape[0]), len(small)/2
	if len(of[0]) == len(small) {
		copy(of[0], small)
		return
	}
	copy(of[0], small[:n])
	copy(of[1], small[n:])
}

// compare holds the first and the last image of a large result to those of a small one: sums may be added in another order.
func compare(t *testing.T, name string, large, small *device.Tensor) {
	t.Helper()
	of, want := ends(large, small.Shape[0]), floats(small)
	got := of[0]
	if len(got) != len(want) {
		got = append(append([]float32{}, of[0]...), of[1]...)
	}
	diff, norm := 0.0, 0.0
	for i, w := range want {
		diff += float64(got[i]-w) * float64(got[i]-w)
		norm += float64(w) * float64(w)
	}
	require.Positive(t, norm, name)
	require.LessOrEqual(t, math.Sqrt(diff/norm), 1e-5, name)
}

func availableGiB(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip("this system does not say how much memory is free")
	}
	kib, err := strconv.ParseFloat(string(regexp.MustCompile(`MemAvailable:\s+(\d+)`).FindSubmatch(text)[1]), 64)
	require.NoError(t, err)
	return kib / (1 << 20)
}
