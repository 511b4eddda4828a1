package fit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
)

// TestAuxiliaryHeads: a step of training lowers the loss of the output and 0.3 of the head's, whose weights learn too; in
// evaluation the head has no part in the loss.
func TestAuxiliaryHeads(t *testing.T) {
	set := corners(t, 8)
	layer := func() nn.Layer {
		return nn.Sequential(
			nn.Conv(6, 3, nn.Padding(1)), nn.ReLU(),
			nn.Named("aux", nn.Auxiliary(0.3, nn.Sequential(nn.Flatten(), nn.Linear(4)))),
			nn.MaxPool(2), nn.Flatten(), nn.Linear(4))
	}
	for _, dev := range devicetest.Names() {
		t.Run(dev, func(t *testing.T) {
			tr := newTrainer(t, dev, layer(), set, method(t, "sgd", 0.1))
			// The same by hand, before the step.
			x, labels := make([]float32, 0, 8*16), make([]int32, 8)
			for i := range 8 {
				one := make([]float32, 16)
				require.NoError(t, set.Read(i, one))
				x, labels[i] = append(x, one...), int32(set.Label(i))
			}
			tape := autograd.NewTape(tr.Network.Device)
			defer tape.Reset()
			tape.Training = true
			output := tr.Network.Forward(tape.Input(tensor.New(tensor.WithShape(8, 1, 4, 4), tensor.WithBacking(x))))
			require.Len(t, tape.Auxiliaries, 1)
			truth := tape.Labels(labels)
			main, err := autograd.CrossEntropy(output, truth).Item()
			require.NoError(t, err)
			head, err := autograd.CrossEntropy(tape.Auxiliaries[0].Output, truth).Item()
			require.NoError(t, err)

			evaluated, err := fit.Evaluate(t.Context(), tr.Network, set, 8)
			require.NoError(t, err)
			require.InEpsilon(t, main, evaluated.Loss, 1e-5)
			before := values(t, tr.Network)
			tr.MaxSteps = 1
			tr.OnEpoch = func(e fit.Epoch) error {
				require.InEpsilon(t, main+0.3*head, e.Train.Loss, 1e-5)
				return nil
			}
			require.NoError(t, tr.Run(t.Context()))
			after := values(t, tr.Network)
			for name := range before {
				require.NotEqual(t, before[name], after[name], "%s did not learn", name)
			}
			require.Contains(t, before, "aux.1.weight")
		})
	}
}
