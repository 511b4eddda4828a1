package cpu

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Feature maps lie in blocks of channels, nChw16c: element (n, c, h, w) of [N, C, H, W] is number
//
//	((n*blocks + c/16)*H*W + h*W + w)*16 + c%16,  blocks = ceil(C/16)
//
// of the memory, so that a vector of any instruction set is some channels of one pixel. The last block's lanes beyond C
// hold anything, and nothing may depend on them. Which tensors lie so is decided once, when a step asks for room
// (NewActivation); parameters, inputs and losses are row-major. Every method takes any mix of the two.

// lanes is the number of channels in a block.
const lanes = 16

// blockable says which shapes gain by blocks: feature maps of enough channels. With one pixel both layouts are the same.
func blockable(s tensor.Shape) bool { return len(s) == 4 && s[1] >= lanes/2 && s[2]*s[3] > 1 }

func blocksOf(channels int) int { return pieces(channels, lanes) }

// pieces is how many of a size cover n.
func pieces(n, size int) int { return (n + size - 1) / size }

// NewActivation implements device.Compact.
func (d *Device) NewActivation(shape tensor.Shape) (*device.Tensor, error) {
	if !blockable(shape) {
		return d.New(shape, tensor.Float32)
	}
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	handle, err := d.floats.try(shape[0]*blocksOf(shape[1])*shape[2]*shape[3]*lanes, &d.stats)
	if err != nil {
		return nil, err
	}
	handle.blocked = true
	return d.live(shape, tensor.Float32, handle), nil
}

// blocked says that one of the tensors (nil being none) lies in blocks of channels.
func blocked(tensors ...*device.Tensor) bool {
	for _, t := range tensors {
		if t != nil {
			if b, real := t.Handle.(*buffer[float32]); real && b.blocked {
				return true
			}
		}
	}
	return false
}

// alike says that all tensors (nil being none) have one shape and lie in memory the same way, so that what is done element by
// element need not know which.
func alike(tensors ...*device.Tensor) bool {
	var first *device.Tensor
	for _, t := range tensors {
		switch {
		case t == nil:
		case first == nil:
			first = t
		case blocked(t) != blocked(first) || !device.EqualShape(t.Shape, first.Shape):
			return false
		}
	}
	return true
}

// rowMajor does an operation that knows row-major memory only: do gets the operands, those in blocks replaced by row-major
// copies, and the first written of them are copied back. What is written must be written whole, or be among the others too.
func (d *Device) rowMajor(written int, do func(t []*device.Tensor) error, operands ...*device.Tensor) error {
	return d.relaid(written, do, operands, blocked, func(s tensor.Shape) (*device.Tensor, error) { return d.New(s, tensor.Float32) })
}

// inBlocks does an operation that knows blocks only: do gets the operands, those of rank 4 that are row-major replaced by
// copies in blocks, and the first written of them are copied back.
func (d *Device) inBlocks(written int, do func(t []*device.Tensor) error, operands ...*device.Tensor) error {
	plain := func(t ...*device.Tensor) bool { return t[0] != nil && blockable(t[0].Shape) && !blocked(t[0]) }
	return d.relaid(written, do, operands, plain, d.NewActivation)
}

func (d *Device) relaid(written int, do func(t []*device.Tensor) error, operands []*device.Tensor, wrong func(...*device.Tensor) bool,
	room func(tensor.Shape) (*device.Tensor, error)) error {
	replaced := make([]*device.Tensor, len(operands))
	type place struct { // operands may be one tensor, or show one memory in different shapes
		memory any
		shape  [4]int
	}
	copies, filled := map[place]*device.Tensor{}, map[place]bool{}
	defer func() {
		for _, t := range copies {
			t.Release()
		}
	}()
	for i, t := range operands {
		replaced[i] = t
		if t == nil || !wrong(t) {
			continue
		}
		at := place{t.Handle, [4]int(t.Shape)}
		if copies[at] == nil {
			other, err := room(t.Shape)
			if err != nil {
				return err
			}
			copies[at] = other
		}
		replaced[i] = copies[at]
		if i >= written && !filled[at] { // of what is only written nothing is needed
			d.reorder(replaced[i], t)
			filled[at] = true
		}
	}
	if err := do(replaced); err != nil {
		return err
	}
	for i, t := range operands[:written] {
		if t != replaced[i] {
			d.reorder(t, replaced[i])
		}
	}
	return nil
}

// reorder copies a feature map from one layout to the other.
func (d *Device) reorder(to, from *device.Tensor) {
	channels, plane := to.Shape[1], to.Shape[2]*to.Shape[3]
	blocks, toBlocks := blocksOf(channels), blocked(to)
	in, result := floats(from), out(to)
	d.divide(to.Shape[0]*blocks, lanes*plane, func(_, first, last int) {
		for unit := first; unit < last; unit++ {
			n, block := unit/blocks, unit%blocks
			count := min(lanes, channels-block*lanes)
			rows := (n*channels + block*lanes) * plane
			if toBlocks {
				d.vector.Pack(result[unit*plane*lanes:][:plane*lanes], in[rows:][:count*plane], count)
			} else {
				d.vector.Unpack(result[rows:][:count*plane], in[unit*plane*lanes:][:plane*lanes], count)
			}
		}
	})
}
