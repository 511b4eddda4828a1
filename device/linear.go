package device

import "gorgonia.org/tensor"

// FullyConnected is the matrix product and the bias that goes with it.
type FullyConnected interface {
	// Linear: y[n,m] = b[m] + sum over k of x[n,k] * w[m,k]; x [N, K], w [M, K], b [M] or nil, y [N, M].
	Linear(y, x, w, b *Tensor) error
	// MatMul: c = a b of matrices, either read transposed.
	MatMul(c, a, b *Tensor, transposeA, transposeB bool) error
	// AddBias: y[n,c,...] = x[n,c,...] + b[c]; any rank from 2; y may be x.
	AddBias(y, x, b *Tensor) error
	// SumChannels: db[c] = sum over all other axes of dy[n,c,...], the gradient of a bias.
	SumChannels(db, dy *Tensor) error
}

// LinearOutput is the shape rule of Linear; b may be nil.
func LinearOutput(x, w, b tensor.Shape) (tensor.Shape, error) {
	const op = "linear"
	if err := needRank(op, "input", x, 2, "N, features"); err != nil {
		return nil, err
	}
	if err := needRank(op, "weights", w, 2, "out, in"); err != nil {
		return nil, err
	}
	if x[1] != w[1] {
		return nil, shapeError(op, "input %v has %d features, weights %v expect %d", x, x[1], w, w[1])
	}
	if b != nil {
		if err := needVector(op, "bias", b, w[0]); err != nil {
			return nil, err
		}
	}
	return tensor.Shape{x[0], w[0]}, nil
}

// MatMulOutput is the shape rule of MatMul.
func MatMulOutput(a, b tensor.Shape, transposeA, transposeB bool) (tensor.Shape, error) {
	const op = "matmul"
	if len(a) != 2 || len(b) != 2 {
		return nil, shapeError(op, "operands %v and %v, expected two matrices", a, b)
	}
	m, k, k2, n := a[0], a[1], b[0], b[1]
	if transposeA {
		m, k = k, m
	}
	if transposeB {
		k2, n = n, k2
	}
	if k != k2 {
		return nil, shapeError(op, "operands %v (transposed %t) and %v (transposed %t): inner sizes %d and %d differ", a, transposeA, b, transposeB, k, k2)
	}
	return tensor.Shape{m, n}, nil
}
