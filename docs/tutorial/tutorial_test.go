// Package tutorial has the code of the pages beside it, as examples that are run.
package tutorial

import (
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/cpu"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// onTape runs an example on a tape of the cpu device.
func onTape(example func(tape *autograd.Tape)) {
	d := must(device.Open("cpu", device.Options{}))
	tape := autograd.NewTape(d)
	example(tape)
	must(0, tape.Err())
	tape.Reset()
	must(0, d.Close())
}

// array is a tensor of the given shape.
func array(shape []int, elements ...float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(elements))
}

// print shows a value's elements.
func print(name string, v *autograd.Value) {
	fmt.Printf("%s %.4g\n", name, must(v.Tensor().Floats()))
}
