package zoo

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
	"fovea/nn"
)

// TestAuxiliaryClassifiers: in training both forms of GoogLeNet lose main + 0.3 (aux1 + aux2), in evaluation the classifiers
// are as if they were not there.
func TestAuxiliaryClassifiers(t *testing.T) {
	sample := tensor.Shape{3, 80, 80}
	for _, row := range []struct {
		name  string
		layer func(heads bool) nn.Layer
	}{
		{"googlenet", func(heads bool) nn.Layer { return googLeNet(8, classes, heads) }},
		{"googlenet-original", func(heads bool) nn.Layer { return googLeNetOriginal(8, classes, heads) }},
	} {
		for _, name := range everyDevice()[1:] {
			t.Run(row.name+" on "+name, func(t *testing.T) {
				d := open(t, name)
				random := philox.NewSource(philox.Stream{Seed: 4})
				x := make([]float32, 2*device.Size(sample))
				for i := range x {
					x[i] = float32(random.Normal(0, 1))
				}
				input := tensor.New(tensor.WithShape(append(tensor.Shape{2}, sample...)...), tensor.WithBacking(x))
				tape := autograd.NewTape(d)
				t.Cleanup(tape.Reset)
				logits := func(heads bool) []float64 {
					net, err := nn.Build(d, row.layer(heads), sample, 1)
					require.NoError(t, err)
					defer net.Release()
					tape.Reset()
					tape.Training = false
					y := net.Forward(tape.Input(input))
					require.NoError(t, tape.Err())
					require.Empty(t, tape.Auxiliaries)
					values, err := y.Tensor().Floats()
					require.NoError(t, err)
					return values
				}
				sameBits(t, logits(true), logits(false), "logits of "+row.name, tensor.Shape{2, classes})

				net, err := nn.Build(d, row.layer(true), sample, 1)
				require.NoError(t, err)
				t.Cleanup(net.Release)
				tape.Reset()
				tape.Training = true
				output, labels := net.Forward(tape.Input(input)), tape.Labels([]int32{3, 7})
				require.Len(t, tape.Auxiliaries, 2)
				var parts []float64
				loss := nn.Loss(output, func(y *autograd.Value) *autograd.Value {
					entropy := autograd.CrossEntropy(y, labels)
					part, err := entropy.Item()
					require.NoError(t, err)
					parts = append(parts, part)
					return entropy
				})
				total, err := loss.Item()
				require.NoError(t, err)
				require.Len(t, parts, 3)
				require.InEpsilon(t, parts[0]+0.3*(parts[1]+parts[2]), total, 1e-6)
			})
		}
	}
}
