package zoo

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device/devicetest"
)

// TestBatchesOfAnySize: what a network says of a sample does not depend on the batch that it is in, nor on the batches before. The largest ones are
// beyond what the device cpu lays out in its quicker way.
func TestBatchesOfAnySize(t *testing.T) {
	for name, most := range map[string]int{"cnn-large": 1100, "resnet20-cifar": 450} {
		t.Run(name, func(t *testing.T) {
			if devicetest.Fast() != "cpu" {
				most = 17
			}
			model, err := Find(name)
			require.NoError(t, err)
			d := open(t, devicetest.Fast())
			net := built(t, d, model.New(model.Classes), model.Sample)
			defer net.Release()
			size := model.Sample.TotalSize()
			x := spread("pictures", most*size, 0, 1)
			outputs := func(n int) []float64 {
				tape := autograd.NewTape(d)
				tape.NoGrad = true
				defer tape.Reset()
				y := net.Forward(tape.Input(tensor.New(tensor.WithShape(append(tensor.Shape{n}, model.Sample...)...), tensor.WithBacking(x[:n*size]))))
				require.NoError(t, tape.Err())
				values, err := y.Tensor().Floats()
				require.NoError(t, err)
				return values
			}
			want := outputs(3)
			largest := max(slices.Max(want), -slices.Min(want))
			for _, n := range []int{1, most, 2, most, 7, most - 1, 1} {
				got := outputs(n)
				k := min(len(got), len(want))
				require.InDeltaSlice(t, want[:k], got[:k], 1e-5*largest, "a batch of %d", n)
			}
		})
	}
}
