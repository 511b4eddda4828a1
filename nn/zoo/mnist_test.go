package zoo_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/zoo"

	"gorgonia.org/tensor"
)

// TestMNISTExamples holds the lecture's three networks to its parameter counts and stage shapes.
func TestMNISTExamples(t *testing.T) {
	for _, row := range []struct {
		name       string
		parameters int
		stages     []string // layer, shape of the output, parameters
	}{
		{"mlp", 623290, []string{
			"Flatten [784] 0", "Linear [784] 615440", "ReLU [784] 0", "Linear [10] 7850"}},
		{"cnn-small", 592074, []string{
			"Conv2D [32 24 24] 832", "ReLU [32 24 24] 0", "MaxPool2D [32 12 12] 0", "Dropout [32 12 12] 0", "Flatten [4608] 0",
			"Linear [128] 589952", "ReLU [128] 0", "Linear [10] 1290"}},
		{"cnn-large", 59933, []string{
			"Conv2D [30 24 24] 780", "ReLU [30 24 24] 0", "MaxPool2D [30 12 12] 0", "Conv2D [15 10 10] 4065", "ReLU [15 10 10] 0",
			"MaxPool2D [15 5 5] 0", "Dropout [15 5 5] 0", "Flatten [375] 0", "Linear [128] 48128", "ReLU [128] 0",
			"Linear [50] 6450", "ReLU [50] 0", "Linear [10] 510"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			model, err := zoo.Find(row.name)
			require.NoError(t, err)
			require.Equal(t, row.name, model.Name)
			require.Equal(t, tensor.Shape{1, 28, 28}, model.Sample)
			require.Equal(t, 10, model.Classes)
			d, err := device.Open(devicetest.Fast(), device.Options{Deterministic: true})
			require.NoError(t, err)
			defer func() { require.NoError(t, d.Close()) }()
			net, err := nn.Build(d, model.New(model.Classes), model.Sample, 1)
			require.NoError(t, err)
			defer net.Release()
			var stages []string
			parameters := 0
			for _, r := range net.Rows {
				stages = append(stages, fmt.Sprint(r.Kind, " ", []int(r.Shape[1:]), " ", r.Parameters))
				parameters += r.Parameters
			}
			require.Equal(t, row.stages, stages)
			require.Equal(t, row.parameters, parameters)

			// It computes, for any number of classes, and every parameter learns.
			few, err := nn.Build(d, model.New(3), model.Sample, 1)
			require.NoError(t, err)
			defer few.Release()
			tape := autograd.NewTape(d)
			defer tape.Reset()
			tape.Training = true
			x := make([]float32, 2*28*28)
			for i := range x {
				x[i] = float32(i*37%101) / 100
			}
			y := few.Forward(tape.Input(tensor.New(tensor.WithShape(2, 1, 28, 28), tensor.WithBacking(x))))
			require.Equal(t, []int{2, 3}, []int(y.Shape()))
			require.NoError(t, tape.Backward(autograd.CrossEntropy(y, tape.Labels([]int32{0, 2}))))
			for _, p := range few.Parameters {
				g, err := p.Grad().Floats()
				require.NoError(t, err)
				sum := 0.0
				for _, v := range g {
					sum += v * v
				}
				require.Positive(t, sum, "gradient of %s", p.Name)
			}
		})
	}
}
