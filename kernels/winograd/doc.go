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
// The matrices follow from five points and infinity (Toom and Cook): Lavin and Gray take 0, +-1 and +-2, we take 0, +-3/4 and
// +-3/2, whose powers are nearer to each other. A simulation with 64 channels gave in float32 an error of 6e-7 of the norm for
// the result and 8e-7 for the gradient of the weights, where 1 and 2 gave 1.2e-6 and 1.6e-6, and a sliding window 2.4e-7;
// points like these are from Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
// Neural Networks", arXiv:1803.10986. Both are fractions that float32 has exactly.
//
// An infinity or NaN in the input makes NaN of all of a tile.
package winograd
