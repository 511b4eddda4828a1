package launch_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// A launch says everything that cuLaunchKernel wants to know.
func ExampleScale() {
	l := launch.Scale(0x1000, 0x2000, 1_000_000, 2, 0, launch.F32)
	fmt.Println(l.Kernel, "grid", l.Grid, "block", l.Block, "shared", l.Shared, "arguments", len(l.Args), "bytes")
	// Output: scale_f32 grid [977 1 1] block [256 1 1] shared 0 arguments 32 bytes
}

// Sums take two launches and a workspace between them.
func ExampleSumChannels() {
	shape := tensor.Shape{64, 256, 28, 28}
	fmt.Println("workspace", launch.SumChannelsSpace(shape, launch.BF16), "bytes")
	launches, err := launch.SumChannels(0x1000, 0x2000, 0x3000, shape, launch.BF16)
	if err != nil {
		panic(err)
	}
	for _, l := range launches {
		fmt.Println(l.Kernel, l.Grid)
	}
	// Output:
	// workspace 401408 bytes
	// sum_columns_pack_bf16 [392 1 1]
	// reduce_finish_f32 [32 1 1]
}

// The fast path is chosen from the shapes.
func ExampleBinary() {
	x, channels := tensor.Shape{8, 64, 56, 56}, tensor.Shape{1, 64, 1, 1}
	l, err := launch.Binary(0x1000, 0x2000, 0x3000, x, x, channels, device.Mul, launch.F32)
	fmt.Println(l.Kernel, err)
	// Output: binary_columns_pack_f32 <nil>
}
