// Package maps pools and normalises feature maps that lie in blocks of 16 channels.
//
// A pixel is 16 float32s, one for each channel of a block, and a map is a sequence of pixels, row by row. All kernels treat
// the 16 lanes alike and apart, so that a vector register of any width holds whole lanes. Lanes that are no channel may hold
// anything.
//
// Functions take slices and check their lengths; they cut their work so that no piece of assembly runs for long (it cannot
// be preempted).
package maps
