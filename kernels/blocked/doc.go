// Package blocked has the micro-kernels of convolution on maps whose channels lie in blocks of 16 (nChw16c).
//
// [Kernel.Line] computes some output channels of a row of pixels: for every tap of the window and every input channel it
// multiplies one number of each pixel with the weights of up to 32 output channels, all sums staying in registers until the end.
// What a tap is, is the caller's business: a list of offsets. So the same kernel serves windows of any size, stride and
// dilation, the gradient of the data, matrix products (a tap for each block) and pictures of three channels (a tap for each
// row of the window). [Kernel.Sum] is the gradient of the weights: sums over pixels.
//
// Each sum is one chain of fused multiply-adds in the order of taps, so its bits do not depend on how pixels are cut.
//
// Where there is AMX, [Kernel.Compute] makes the same sums of tiles of pixels by parts, as does package gemm: [Kernel.SplitPixels] splits
// what the taps find, [Kernel.SplitWeights] the weights; for the gradient of the weights [Kernel.SplitLines] and [Kernel.Turn] do.
package blocked
