package reference

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Fill implements device.Elementwise.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	for i := range floats(y) {
		floats(y)[i] = value
	}
	return nil
}

// Binary implements device.Elementwise.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	for i := range floats(y) {
		u, v := floats(a)[stretched(y.Shape, a.Shape, i)], floats(b)[stretched(y.Shape, b.Shape, i)]
		switch op {
		case device.Add:
			floats(y)[i] = u + v
		case device.Sub:
			floats(y)[i] = u - v
		case device.Mul:
			floats(y)[i] = u * v
		case device.Div:
			floats(y)[i] = u / v
		}
	}
	return nil
}

// stretched is the position in an array of shape small that element i of the array of shape large corresponds to.
func stretched(large, small tensor.Shape, i int) int {
	position, step := 0, 1
	for axis := len(large) - 1; axis >= 0; axis-- {
		if small[axis] != 1 {
			position += i % large[axis] * step
		}
		step *= small[axis]
		i /= large[axis]
	}
	return position
}

// Scale implements device.Elementwise.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	for i, v := range floats(x) {
		floats(y)[i] = factor*v + offset
	}
	return nil
}

// ReduceSum implements device.Elementwise.
func (d *Device) ReduceSum(y, x *device.Tensor, factor float64) error {
	clear64(floats(y))
	for i, v := range floats(x) {
		floats(y)[stretched(x.Shape, y.Shape, i)] += v
	}
	return d.Scale(y, y, factor, 0)
}

// Broadcast implements device.Elementwise.
func (d *Device) Broadcast(y, x *device.Tensor, factor float64) error {
	for i := range floats(y) {
		floats(y)[i] = factor * floats(x)[stretched(y.Shape, x.Shape, i)]
	}
	return nil
}
