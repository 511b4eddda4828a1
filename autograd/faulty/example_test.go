package faulty_test

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd/faulty"
	"fovea/device/reference"
)

// The second call fails, whatever it is.
func Example() {
	inner := reference.New()
	d := faulty.New(inner)
	d.FailAt = 2
	x, err := d.New(tensor.Shape{1}, d.Float())
	fmt.Println(err)
	fmt.Println(errors.Is(d.Fill(x, 1), faulty.ErrInjected))
	x.Release()
	fmt.Println(inner.Close())
	// Output:
	// <nil>
	// true
	// <nil>
}
