// Package cpu is the device for processors: float32, row-major (NCHW), every core at work.
//
// Convolution is a matrix product whose right-hand operand, the image cut into windows (im2col), exists only as the
// panels that package gemm packs (conv.go, im2col.go). Everything else is plain loops over slices, divided among a team
// of goroutines that lives as long as the device (team.go). Memory comes from a pool that keeps what is released
// (memory.go), so that a training step after the first asks the system for none.
//
// Results are bitwise the same for any number of threads: work is divided either by output element, or into parts whose
// number depends on the shape alone and whose sums are then added in order. Sums over many elements are kept in float64.
package cpu
