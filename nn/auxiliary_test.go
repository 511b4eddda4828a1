package nn_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
)

// twoHeads is a network with an output in the middle; with none, the rest of it has the same names and so the same weights.
func twoHeads(heads bool) nn.Layer {
	layers := []nn.Layer{nn.Named("conv1", nn.Conv(6, 3)), nn.Named("relu", nn.ReLU())}
	if heads {
		layers = append(layers, nn.Named("aux", nn.Auxiliary(0.3, nn.Sequential(
			nn.Named("pool", nn.AdaptiveAvgPool(4, 2)), nn.Named("flatten", nn.Flatten()), nn.Named("fc", nn.Linear(3))))))
	}
	return nn.Sequential(append(layers, nn.Named("conv2", nn.Conv(4, 3)), nn.Named("flatten", nn.Flatten()), nn.Named("fc", nn.Linear(3)))...)
}

// TestAuxiliaryHead: in training the loss is the output's and 0.3 of the head's, and each parameter's gradient is that of
// this sum; in evaluation the head is not computed.
func TestAuxiliaryHead(t *testing.T) {
	x, classes := random(3, 5, 2, 9, 8), []int32{0, 2, 1, 1, 0}
	for _, name := range devicetest.Names() {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			net, tape := build(t, d, twoHeads(true), 2, 9, 8), tapeOn(t, d)
			var entropies []*autograd.Value
			compute := func() *autograd.Value {
				tape.Reset()
				output, labels := net.Forward(tape.Input(x)), tape.Labels(classes)
				entropies = nil
				return nn.Loss(output, func(y *autograd.Value) *autograd.Value {
					entropies = append(entropies, autograd.CrossEntropy(y, labels).Keep())
					return entropies[len(entropies)-1]
				})
			}
			item := func(v *autograd.Value) float64 {
				value, err := v.Item()
				require.NoError(t, err)
				return value
			}
			// A gradient of the sum is the sum of the parts' gradients.
			gradients := func(loss func() *autograd.Value) map[string][]float64 {
				all := map[string][]float64{}
				net.ZeroGrad()
				require.NoError(t, tape.Backward(loss()))
				for _, p := range net.Parameters {
					all[p.Name] = make([]float64, p.Tensor().Size())
					if g := p.Grad(); g != nil {
						all[p.Name] = floats(t, g)
					}
				}
				return all
			}

			tape.Training = true
			loss := item(compute())
			require.Len(t, entropies, 2, "the output's and the head's")
			require.InEpsilon(t, item(entropies[0])+0.3*item(entropies[1]), loss, 1e-6)
			require.NotEqual(t, item(entropies[0]), item(entropies[1]))
			sum := gradients(compute)
			main := gradients(func() *autograd.Value { compute(); return entropies[0] })
			head := gradients(func() *autograd.Value { compute(); return entropies[1] })
			require.NotZero(t, sum["aux.fc.weight"])
			require.Zero(t, distance(main["aux.fc.weight"], make([]float64, 24*2)), "the output does not depend on the head")
			for _, p := range net.Parameters {
				want := make([]float64, len(sum[p.Name]))
				for i := range want {
					want[i] = main[p.Name][i] + 0.3*head[p.Name][i]
				}
				require.Positive(t, distance(want, make([]float64, len(want))), p.Name)
				require.LessOrEqual(t, distance(sum[p.Name], want), 1e-5, p.Name)
			}

			tape.Training = false
			var layers []string
			tape.Observe = func(_, layer string, _ *autograd.Value) error { layers = append(layers, layer); return nil }
			compute()
			require.NoError(t, tape.Err())
			require.Len(t, entropies, 1)
			require.NotContains(t, strings.Join(layers, " "), "aux")
			tape.Observe = nil
			with := floats(t, net.Forward(tape.Input(x)).Tensor())
			without := floats(t, build(t, d, twoHeads(false), 2, 9, 8).Forward(tape.Input(x)).Tensor())
			require.Equal(t, without, with)
		})
	}
}

// TestAuxiliaryHeadIsCounted: its parameters are the network's, its arithmetic is not that of an evaluation.
func TestAuxiliaryHeadIsCounted(t *testing.T) {
	with, err := nn.Describe(twoHeads(true), []int{2, 9, 8})
	require.NoError(t, err)
	without, err := nn.Describe(twoHeads(false), []int{2, 9, 8})
	require.NoError(t, err)
	require.Equal(t, with.ParameterCount(), without.ParameterCount()+(6*4*2+1)*3)
	require.Equal(t, 6*7*6*2*9+4*5*4*6*9+80*3, with.MultiplyAdds)
	require.Equal(t, without.MultiplyAdds, with.MultiplyAdds)
	require.Equal(t, without.Output, with.Output)
	var heads []string
	for _, r := range with.Rows {
		if r.Auxiliary {
			heads = append(heads, r.Name)
		}
	}
	require.Equal(t, []string{"aux.pool", "aux.flatten", "aux.fc"}, heads)
	_, err = nn.Describe(nn.Sequential(nn.Named("aux", nn.Auxiliary(1, nn.Sequential(nn.Named("fc", nn.Linear(2)))))), []int{2, 9, 8})
	require.ErrorContains(t, err, "layer aux.fc (Linear): wrong shape")
}

// TestLossWithoutTape: a value that belongs to no tape says so, as everywhere.
func TestLossWithoutTape(t *testing.T) {
	d := open(t, devicetest.Fast())
	p, err := autograd.NewParameter(d, "p", random(1, 2, 3))
	require.NoError(t, err)
	defer p.Release()
	_, err = nn.Loss(p, func(y *autograd.Value) *autograd.Value { return autograd.CrossEntropy(y, p) }).Item()
	require.ErrorContains(t, err, "no operand belongs to a tape")
}

// TestMultiplyAdds has each kind of layer that multiplies, by hand.
func TestMultiplyAdds(t *testing.T) {
	for _, row := range []struct {
		layer  nn.Layer
		sample []int
		want   int
	}{
		{nn.Conv(4, 3, nn.Padding(1)), []int{2, 7, 6}, 7 * 6 * 4 * 2 * 9},
		{nn.Conv(4, 3, nn.Stride(2), nn.Groups(2)), []int{2, 7, 7}, 3 * 3 * 4 * 1 * 9},
		{nn.TrueConv(4, 3), []int{2, 7, 6}, 5 * 4 * 4 * 2 * 9},
		{nn.ConvTranspose(4, 3, nn.Stride(2)), []int{2, 7, 6}, 7 * 6 * 2 * 4 * 9}, // each input element meets each weight of its channel
		{nn.ConvTranspose(4, 3, nn.Groups(2)), []int{2, 7, 6}, 7 * 6 * 2 * 2 * 9},
		{nn.Linear(5), []int{7}, 35},
		{nn.Sequential(nn.MaxPool(2), nn.BatchNorm(), nn.ReLU(), nn.AdaptiveAvgPool(2, 2), nn.Softmax()), []int{2, 7, 6}, 0},
		{nn.Branches(nn.Conv(4, 1), nn.Conv(3, 1), nn.Identity()), []int{2, 3, 3}, 9 * 2 * 7},
		{nn.Residual(nn.Conv(4, 1), nn.Conv(4, 1)), []int{2, 3, 3}, 9 * 2 * 8},
	} {
		net, err := nn.Describe(row.layer, row.sample)
		require.NoError(t, err)
		require.Equal(t, row.want, net.MultiplyAdds, "%s of %v", row.layer, row.sample)
		sum := 0
		for _, r := range net.Rows {
			sum += r.MultiplyAdds
		}
		if len(net.Rows) > 0 {
			require.Equal(t, row.want, sum, "%s of %v, rows", row.layer, row.sample)
		}
	}
	require.Equal(t, 30, device.Products([]int{1, 5}, []int{5, 6}))
}
