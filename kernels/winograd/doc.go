// Package winograd has the transforms of convolution with windows of 3x3 by Winograd's method F(4x4, 3x3) (Lavin and Gray,
// "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308), on maps whose channels lie in blocks of 16.
//
// A tile of 4x4 output pixels depends on 6x6 pixels d of the input. With the matrices A, B and G of the paper, the output of
// one input channel and window g is
//
//	A^T [(G g G^T) * (B^T d B)] A
//
// where * multiplies element by element: 36 multiplications, where the sliding window has 144. The sum over input channels
// may be taken before the outer transform, so that for each of the 36 elements ("coefficients") it is a product of two
// matrices, tiles x channels and channels x channels. The gradients are the transposes of these linear maps: of the
// data, the same with turned and transposed windows; of the weights, G^T [sum over tiles of (B^T d B) * (A dy A^T)] G.
//
// In float32 the result is off by about 2e-6 of its norm, where the sliding window is by 2e-7; an infinity or NaN in the
// input makes NaN of all of a tile.
package winograd
