package trace

import (
	"fovea/device"
)

// Fill implements device.Elementwise.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	a := handle(y)
	a.name, a.values, a.pieces, a.fill = "", nil, nil, &value
	if d.ShapesOnly {
		a.name = "filled"
	}
	return nil
}

// Binary implements device.Elementwise.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	return d.node(y, [...]string{device.Add: "Add", device.Sub: "Sub", device.Mul: "Mul", device.Div: "Div"}[op], []*device.Tensor{a, b})
}

// Scale implements device.Elementwise.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	name, err := d.in(x)
	if err != nil {
		return err
	}
	if factor != 1 {
		name = d.add("Mul", []string{name, d.scalar(factor)})
	}
	if offset != 0 {
		name = d.add("Add", []string{name, d.scalar(offset)})
	}
	d.set(y, name)
	return nil
}

// ReduceSum implements device.Elementwise.
func (d *Device) ReduceSum(y, x *device.Tensor, factor float64) error {
	var axes []int
	count := 1
	for i, n := range x.Shape {
		if y.Shape[i] != n {
			axes, count = append(axes, i), count*n
		}
	}
	if len(axes) == 0 {
		return d.Scale(y, x, factor, 0)
	}
	if factor == 1/float64(count) {
		return d.node(y, "ReduceMean", []*device.Tensor{x}, integers("axes", axes...))
	}
	name, err := d.in(x)
	if err != nil {
		return err
	}
	name = d.add("ReduceSum", []string{name, d.vector("axes", axes...)})
	if factor != 1 {
		name = d.add("Mul", []string{name, d.scalar(factor)})
	}
	d.set(y, name)
	return nil
}

// Broadcast implements device.Elementwise.
func (d *Device) Broadcast(y, x *device.Tensor, factor float64) error {
	name, err := d.in(x)
	if err != nil {
		return err
	}
	if factor != 1 {
		name = d.add("Mul", []string{name, d.scalar(factor)})
	}
	d.set(y, d.add("Expand", []string{name, d.vector("shape", y.Shape...)}))
	return nil
}
