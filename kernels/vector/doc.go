// Package vector has the loops of a network that are no products of matrices: arithmetic element by element, activations
// and their gradients, sums, optimisers, dropout, and what softmax is made of.
//
// [Kernels] is a table of functions on slices of float32s, one for each instruction set: assembly for AVX-512 and AVX2 from
// package amd64, plain Go elsewhere. All are bound by memory as soon as their arrays do not fit in the caches. A function's
// results depend on the elements only, not on where they lie: callers may cut element-wise loops anywhere, and get the same
// bits for sums as long as they cut them at the same places.
package vector
