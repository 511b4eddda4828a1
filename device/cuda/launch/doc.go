// Package launch says how to launch the kernels of kernels/cuda: one function for each operation. The functions know shapes,
// blocking and the order of a kernel's arguments; they know nothing of the driver, so the package compiles, and is tested,
// without CUDA.
//
// Pointers are device addresses. Tensors start on 256-byte boundaries. Shapes are logical; in memory a tensor of rank 4
// lies channels last (N, H, W, C), every other rank row-major. t says how activations are stored; parameters, statistics,
// losses and workspaces are float32. An operation of several launches takes a workspace of so many bytes as the function
// named like it with Space says; launches run in the order given, in one stream. No launch is larger for another GPU:
// blocks depend on the problem alone, sums have a fixed order, and there are no atomics, so results repeat bit for bit.
package launch
