package device

import "gorgonia.org/tensor"

// Normalisation is batch normalisation (Ioffe and Szegedy 2015), local response normalisation (Krizhevsky et al. 2012,
// section 3.3) and the contrast normalisation of Zeiler and Fergus (2013, section 3).
// Batch normalisation takes x of rank 2 or more; statistics are per channel (axis 1), over the m elements of all others.
type Normalisation interface {
	// BatchNorm normalises with the batch's own statistics and updates the running ones:
	//
	//	y = scale * (x - mean) * invStd + shift,  invStd = 1/sqrt(variance + Epsilon),  variance = sum (x-mean)^2 / m
	//	runningMean = (1-Momentum) * runningMean + Momentum * mean
	//	runningVar  = (1-Momentum) * runningVar  + Momentum * variance * m/(m-1)
	//
	// mean and invStd are written too, for the backward pass. All but x and y are [C].
	BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *Tensor, s BatchNormSpec) error
	// BatchNormBackward (the paper's section 3, simplified): with xhat = (x-mean)*invStd, dshift = sum dy,
	// dscale = sum dy*xhat, dx = scale*invStd * (dy - dshift/m - xhat*dscale/m).
	BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *Tensor) error
	// BatchNormInfer: y = scale * (x - mean) / sqrt(variance + Epsilon) + shift with given statistics.
	BatchNormInfer(y, x, scale, shift, mean, variance *Tensor, s BatchNormSpec) error
	// BatchNormInferBackward holds the statistics constant: dx = dy*scale*invStd, dscale = sum dy*xhat, dshift = sum dy.
	BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *Tensor, s BatchNormSpec) error

	// LRN divides by the energy of neighbouring maps at the same place: with the window of map i being the existing maps
	// from i-Size/2 to i+(Size-1)/2,  d_i = K + Alpha/Size * sum over window of x_j^2,  y_i = x_i * d_i^-Beta.
	// (The paper writes Alpha for what is Alpha/Size here: PyTorch's and cuDNN's convention.)
	LRN(y, x *Tensor, s LRNSpec) error
	// LRNBackward: dx_i = dy_i * d_i^-Beta - 2*Alpha*Beta/Size * x_i * sum over j whose window holds i of dy_j*x_j*d_j^(-Beta-1).
	LRNBackward(dx, dy, x, y *Tensor, s LRNSpec) error
	// ContrastNorm is LRN about the window's mean, "contrast normalized across feature maps": with m_i the mean and
	// v_i = sum (x_j - m_i)^2 over the existing maps of the window,  y_i = (x_i - m_i) * (K + Alpha/Size * v_i)^-Beta.
	// (Local contrast normalisation of Jarrett et al. 2009 with a window across maps, in cuda-convnet's form.)
	ContrastNorm(y, x *Tensor, s LRNSpec) error
	// ContrastNormBackward is its gradient: with d_i = K + Alpha/Size*v_i, e_i = dy_i*d_i^-Beta and
	// f_i = -2*Beta*Alpha/Size * dy_i*(x_i-m_i)*d_i^(-Beta-1):
	// dx_j = e_j + sum over i whose window holds j of ( f_i*(x_j - m_i) - e_i/count_i ).
	ContrastNormBackward(dx, dy, x *Tensor, s LRNSpec) error
}

// BatchNormSpec holds the constants of a batch normalisation; PyTorch's defaults are Epsilon 1e-5 and Momentum 0.1.
type BatchNormSpec struct{ Epsilon, Momentum float64 }

// LRNSpec holds the constants of a normalisation across maps.
type LRNSpec struct {
	Size           int // maps in the window
	Alpha, Beta, K float64
}

// Check is the shape rule of both normalisations across maps.
func (s LRNSpec) Check(op string, x tensor.Shape) error {
	if err := needRank(op, "input", x, 4, "N, C, H, W"); err != nil {
		return err
	}
	if s.Size < 1 {
		return shapeError(op, "window of %d maps, expected at least 1", s.Size)
	}
	return nil
}

// Window is the range [low, high) of maps around map i of c that exist.
func (s LRNSpec) Window(i, c int) (low, high int) {
	return max(0, i-s.Size/2), min(c, i+(s.Size-1)/2+1)
}

// Holders is the range [low, high) of maps whose window holds map j.
func (s LRNSpec) Holders(j, c int) (low, high int) {
	return max(0, j-(s.Size-1)/2), min(c, j+s.Size/2+1)
}

// CheckBatchNorm is the shape rule of batch normalisation. vectors are scale, shift and the running statistics, each [C].
func CheckBatchNorm(x tensor.Shape, training bool, vectors ...tensor.Shape) error {
	const op = "batch_norm"
	if len(x) < 2 {
		return shapeError(op, "input is %v, expected at least two dimensions [N, C, ...]", x)
	}
	for _, v := range vectors {
		if err := needVector(op, "scale, shift or running statistic", v, x[1]); err != nil {
			return err
		}
	}
	if outer, _, inner := Channels(x); training && outer*inner < 2 {
		count := [...]string{"no", "one"}[outer*inner]
		return shapeError(op, "input %v has %s value per channel: its variance is undefined in training", x, count)
	}
	return nil
}
