// Package trace is a device that computes nothing: it writes down, as nodes of an ONNX graph, what it is asked to compute.
//
// Whatever runs on a tape can be traced, layers of one's own included: a layer says nothing of ONNX, and a new primitive
// of package device does not compile until it is here too. Shapes are checked as everywhere, so a trace also tells the
// shape of what a network makes without memory for it.
package trace
