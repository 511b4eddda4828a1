package device_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	_ "fovea/device/cpu"
)

// A 3x3 window slides over a 5x5 image.
func Example() {
	if err := slide(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// (1, 1, 3, 3)
	// [4 3 4 2 4 3 2 3 4]
}

func slide() error {
	d, err := device.Open("cpu", device.Options{Threads: 2})
	if err != nil {
		return err
	}
	defer d.Close()
	image, err := device.FromSlice(d, tensor.Shape{1, 1, 5, 5}, []float32{
		1, 1, 1, 0, 0,
		0, 1, 1, 1, 0,
		0, 0, 1, 1, 1,
		0, 0, 1, 1, 0,
		0, 1, 1, 0, 0,
	})
	if err != nil {
		return err
	}
	defer image.Release()
	window, err := device.FromSlice(d, tensor.Shape{1, 1, 3, 3}, []float32{
		1, 0, 1,
		0, 1, 0,
		1, 0, 1,
	})
	if err != nil {
		return err
	}
	defer window.Release()

	// The shape rule says how large the result is; the device trusts it.
	spec := device.ConvSpec{}.Normal()
	shape, err := spec.Output(image.Shape, window.Shape, nil)
	if err != nil {
		return err
	}
	maps, err := d.New(shape, d.Float())
	if err != nil {
		return err
	}
	defer maps.Release()
	if err := d.Conv(maps, image, window, nil, spec); err != nil {
		return err
	}
	result, err := maps.Dense()
	if err != nil {
		return err
	}
	fmt.Println(result.Shape())
	fmt.Println(result.Data())
	return nil
}
