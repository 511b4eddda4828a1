package onnx

import (
	"slices"

	"fovea/autograd"
)

func init() {
	register("Split", operator{attributes: "axis num_outputs split", tape: split, host: splitOnHost})
}

// eachOutput makes a node for each output of a Split that has a name, and leaves other nodes as they are.
func eachOutput(n *node) []*node {
	if n.op != "Split" {
		return []*node{n}
	}
	var list []*node
	for i, name := range n.out {
		if name == "" {
			continue
		}
		one := *n
		one.out, one.piece, one.pieces = []string{name}, i, len(n.out)
		list = append(list, &one)
	}
	return list
}

// mostPieces bounds the outputs of a Split: each looks at the sizes of all.
const mostPieces = 4096

// pieceOf is where along which axis this node's piece of a shape begins and ends.
func (c *call) pieceOf(shape []int) (axis, start, end int) {
	axis = c.axis(c.int("axis", 0), len(shape))
	if c.pieces > mostPieces {
		c.fail("%d outputs, expected at most %d", c.pieces, mostPieces)
	}
	if c.err != nil {
		return 0, 0, 0
	}
	n := shape[axis]
	sizes := c.ints("split")
	if c.opset >= 13 && c.given(1) {
		sizes = c.integers(1)
	}
	if c.has("num_outputs") && (sizes != nil || c.int("num_outputs", 0) != c.pieces) {
		c.fail("num_outputs %d, expected the %d outputs, and no sizes beside it", c.int("num_outputs", 0), c.pieces)
	}
	if sizes == nil {
		if !c.has("num_outputs") && n%c.pieces != 0 { // from version 18 on the last may be smaller
			c.fail("%d elements of axis %d in %d equal pieces", n, axis, c.pieces)
		}
		each := (n + c.pieces - 1) / c.pieces
		return axis, min(n, c.piece*each), min(n, (c.piece+1)*each)
	}
	all := 0
	for _, size := range sizes {
		if size < 0 || size > n-all {
			c.fail("pieces of %d along axis %d, expected such as are %d together", sizes, axis, n)
			return 0, 0, 0
		}
		all += size
	}
	if len(sizes) != c.pieces || all != n {
		c.fail("pieces of %d along axis %d, expected %d that are %d together", sizes, axis, c.pieces, n)
		return 0, 0, 0
	}
	for _, size := range sizes[:c.piece] {
		start += size
	}
	return axis, start, start + sizes[c.piece]
}

func split(c *call) *autograd.Value {
	x := c.onTape(0)
	if c.err != nil {
		return nil
	}
	axis, first, last := c.pieceOf(x.Shape())
	switch {
	case c.err != nil:
		return nil
	case last-first == x.Shape()[axis]:
		return x
	}
	start, end := make([]int, len(x.Shape())), slices.Clone([]int(x.Shape()))
	start[axis], end[axis] = first, last
	return autograd.Slice(x, start, end)
}

func splitOnHost(c *call) *array {
	a := c.host(0)
	axis, start, end := c.pieceOf(a.shape)
	if c.err != nil {
		return a
	}
	return c.pick(a, axis, places(start, end, 1, a.shape[axis]))
}
