package zoo

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/devicetest"
)

// TestWholeNetworksInEachPrecision takes a training step of whole networks in TF32 and in bfloat16, where the device under test has
// them, and one in float32 on the cpu, with the same units open. The bounds are about twice what was found on the emulated GPU. A
// factor of a product is off by up to 2^-11 in TF32, 2^-9 in bfloat16. The loss shows little of that, gradients of fifty layers with
// batch normalisations of a few pixels a lot: other elements of windows are the largest, and what follows changes.
func TestWholeNetworksInEachPrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes on the emulated GPU")
	}
	type bound struct{ loss, gradients float64 } // relative; the gradients all together
	for _, row := range []struct {
		subject
		tf32, bf16 bound
	}{
		{alexnetSmall, bound{4e-4, .12}, bound{2e-2, .1}},
		{vgg16Narrow, bound{3e-4, 6e-3}, bound{2.5e-2, .1}},
		{larger(googlenetNarrow, 8, 128), bound{1.2e-3, .3}, bound{1.5e-2, .9}},
		{resnet18Narrow, bound{5e-5, 7e-3}, bound{6e-3, .12}},
		{larger(resnet50Narrow, 8, 97), bound{4e-3, .1}, bound{2.5e-2, .9}},
	} {
		for p, most := range map[device.Precision]bound{device.TF32: row.tf32, device.BF16: row.bf16} {
			t.Run(row.name+"/"+p.String(), func(t *testing.T) {
				d, err := device.Open(devicetest.Fast(), device.Options{Deterministic: true, Precision: p})
				if errors.Is(err, device.ErrPrecision) {
					t.Skip(err)
				}
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, d.Close()) })
				got := row.take(t, d)
				want := row.followWithin(t, "cpu", got, math.Inf(1))
				require.Equal(t, want.initial, got.initial, "weights before the step")
				require.Equal(t, want.names, got.names)
				off, far := math.Abs(got.loss/want.loss-1), apart(slices.Concat(got.gradients...), slices.Concat(want.gradients...))
				t.Logf("loss %.6f, off by %.2g; gradients off by %.2g", got.loss, off, far)
				require.LessOrEqual(t, off, most.loss, "loss")
				require.LessOrEqual(t, far, most.gradients, "gradients")
				if d.Name() != "cpu" { // which rounds what is large enough only
					require.Greater(t, far, 1e-5, "nearer than it can be: this is float32")
				}
			})
		}
	}
}

// larger is the subject with a larger batch of larger pictures.
func larger(s subject, batch, side int) subject {
	s.batch, s.sample = batch, tensor.Shape{s.sample[0], side, side}
	return s
}
