package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Fill sets n elements.
func Fill(y uint64, n int, value float64, t Type) Launch {
	return launch(name("fill", "", t), t.packs(n), pointer(y), long(n), float(value))
}

// Scale: y = factor*x + offset.
func Scale(y, x uint64, n int, factor, offset float64, t Type) Launch {
	return launch(name("scale", "", t), t.packs(n), pointer(y), pointer(x), long(n), float(factor), float(offset))
}

// Binary: y = a op b with broadcasting; y has shape shape.
func Binary(y, a, b uint64, shape, aShape, bShape tensor.Shape, op device.BinaryKind, t Type) (Launch, error) {
	n := device.Size(shape)
	if device.EqualShape(aShape, bShape) {
		return launch(name("binary", "", t), t.packs(n), pointer(y), pointer(a), pointer(b), long(n), integer(int(op))), nil
	}
	axes := operands(shape, aShape, bShape)
	if full, each, swapped, has := perChannel(axes, a, b); has {
		g, grid, pack := mapColumns(axes[0].extent, axes[1].extent, t)
		return launch(name("binary_columns", pack, t), grid, pointer(y), pointer(full), pointer(each), arg(g), integer(int(op)), flag(swapped)), nil
	}
	at, err := boxOf(op.String(), axes)
	return launch(name("binary_strided", "", t), t.packs(n), pointer(y), pointer(a), pointer(b), long(n), arg(at), integer(int(op))), err
}

// operands walks shape in memory order; an operand stands still along an axis that it has 1 of.
func operands(shape, a, b tensor.Shape) []axis {
	as, bs := strides(a), strides(b)
	var axes []axis
	for _, i := range inMemory(len(shape)) {
		x := axis{extent: shape[i]}
		if a[i] != 1 {
			x.a = as[i]
		}
		if b[i] != 1 {
			x.b = bs[i]
		}
		axes = append(axes, x)
	}
	return collapse(axes)
}

// perChannel recognises a matrix and a row that all of its rows meet.
func perChannel(axes []axis, a, b uint64) (full, each uint64, swapped, has bool) {
	if len(axes) != 2 || axes[1].a != 1 || axes[1].b != 1 {
		return 0, 0, false, false
	}
	switch {
	case axes[0].a == axes[1].extent && axes[0].b == 0:
		return a, b, false, true
	case axes[0].b == axes[1].extent && axes[0].a == 0:
		return b, a, true, true
	}
	return 0, 0, false, false
}

// Broadcast: y = factor * x, stretched along the axes in which x has 1.
func Broadcast(y, x uint64, shape, xShape tensor.Shape, factor float64, t Type) (Launch, error) {
	n := device.Size(shape)
	at, err := boxOf("broadcast", operands(shape, xShape, xShape))
	return launch(name("broadcast", "", t), t.packs(n), pointer(y), pointer(x), long(n), arg(at), float(factor)), err
}
