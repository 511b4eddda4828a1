package onnx

import (
	"fmt"

	"fovea/nn/onnx/internal/onnxpb"
)

// node is one of the graph's, checked.
type node struct {
	name       string // for people: the node's own, or what it makes
	op         string
	operator   operator
	opset      int
	in, out    []string
	attributes map[string]*onnxpb.AttributeProto
	parts      []*node // of a chain that is computed at once
	// Of a Split, which is a node for each output: which one, of how many.
	piece, pieces int
	last          []string // values that nobody reads after this node
}

func (n *node) String() string {
	return fmt.Sprintf("node %.100s (%s)", n.name, n.op)
}

func (n *node) has(attribute string) bool { return n.attributes[attribute] != nil }

// int is an attribute of one integer, or its default.
func (n *node) int(attribute string, otherwise int) int {
	if a := n.attributes[attribute]; a != nil {
		return int(a.GetI())
	}
	return otherwise
}

func (n *node) float(attribute string, otherwise float64) float64 {
	if a := n.attributes[attribute]; a != nil {
		return float64(a.GetF())
	}
	return otherwise
}

func (n *node) text(attribute, otherwise string) string {
	if a := n.attributes[attribute]; a != nil {
		return string(a.S)
	}
	return otherwise
}

// ints is an attribute of several integers; nil if it is not there.
func (n *node) ints(attribute string) []int {
	a := n.attributes[attribute]
	if a == nil {
		return nil
	}
	list := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		list[i] = int(v)
	}
	return list
}

// axis turns an axis that may count from the end into one of 0 to rank-1.
func (c *call) axis(axis, rank int) int {
	if axis < -rank || axis >= rank {
		c.fail("axis %d, expected %d to %d", axis, -rank, rank-1)
		return 0
	}
	if axis < 0 {
		axis += rank
	}
	return axis
}

// axes are those of operand i or, in older versions, of the attribute axes; nil if neither is there.
func (c *call) axes(i, rank int) []int {
	list := c.ints("axes")
	if c.given(i) {
		list = c.integers(i)
	}
	seen := make([]bool, rank)
	for k := range list {
		list[k] = c.axis(list[k], rank)
		if c.err == nil && seen[list[k]] {
			c.fail("axis %d is there twice", list[k])
		}
		if c.err != nil {
			return nil
		}
		seen[list[k]] = true
	}
	return list
}
