package network

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"
)

// Rows are the values of an array's samples, one after another: those of [N, C, H, W] in float32, as the network takes them.
func Rows(array *tensor.Dense, sample tensor.Shape) ([]float32, error) {
	if array.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("elements are %v, expected float32", array.Dtype())
	}
	if shape := array.Shape(); len(shape) != 4 || !slices.Equal(shape[1:], sample) {
		return nil, fmt.Errorf("shape %v, expected [N, C, H, W] with samples %v", shape, sample)
	}
	return array.Float32s(), nil
}
