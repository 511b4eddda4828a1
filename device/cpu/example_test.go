package cpu_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
)

// Two matrices are multiplied on two threads. Programs open the device by name, with device.Open.
func Example() {
	d, err := cpu.New(2)
	if err != nil {
		panic(err)
	}
	a, _ := device.FromSlice(d, tensor.Shape{2, 2}, []float32{1, 2, 3, 4})
	c, _ := d.New(tensor.Shape{2, 2}, d.Float())
	if err := d.MatMul(c, a, a, false, false); err != nil {
		panic(err)
	}
	fmt.Println(c.Floats())
	a.Release()
	c.Release()
	fmt.Println(d.Close())
	// Output:
	// [7 10 15 22] <nil>
	// <nil>
}
