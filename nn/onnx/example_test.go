package onnx_test

import (
	"fmt"
	"os"
	"path/filepath"

	"gorgonia.org/tensor"

	"fovea/nn"
	"fovea/nn/onnx"
)

// A network is written and read back: the file has its layers and its weights.
func Example() {
	dir, err := os.MkdirTemp("", "onnx")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "small.onnx")
	layer := nn.Sequential(nn.Conv(4, 3), nn.ReLU(), nn.GlobalAvgPool(), nn.Flatten(), nn.Linear(10))
	if err := onnx.Export(path, layer, tensor.Shape{1, 28, 28}, onnx.ExportOptions{}); err != nil {
		panic(err)
	}
	contents, err := onnx.List(path)
	if err != nil {
		panic(err)
	}
	for _, n := range contents.Nodes {
		fmt.Println(n.Op, n.In)
	}
	model, err := onnx.Load(path)
	if err != nil {
		panic(err)
	}
	net, err := nn.Describe(model, model.Sample)
	if err != nil {
		panic(err)
	}
	fmt.Println(net.Input, net.Output, len(net.Parameters), "parameters")
	// Output:
	// Conv [input 0.weight 0.bias]
	// Relu [0/Conv]
	// GlobalAveragePool [1/Relu]
	// Flatten [2/GlobalAveragePool]
	// Gemm [3/Flatten 4.weight 4.bias]
	// (1, 1, 28, 28) (1, 10) 4 parameters
}
