package device

import "gorgonia.org/tensor"

// Convolution is the sliding window and its gradients (Dumoulin and Visin, "A guide to convolution arithmetic for deep
// learning", 2016). Shapes: x [N, C, H, W], w [M, C/groups, R, S], b [M] or nil, y [N, M, P, Q] with [ConvSpec.Output].
type Convolution interface {
	// Conv is what CNN layers call convolution (cross-correlation), with zeros outside of x:
	//
	//	y[n,m,p,q] = b[m] + sum over c,r,s of w[m,c,r,s] * x[n, g*C/groups+c, p*stride-top+r*dilation, q*stride-left+s*dilation]
	//
	// where g = m / (M/groups) is the group of output channel m.
	Conv(y, x, w, b *Tensor, s ConvSpec) error
	// ConvBackwardData is the transpose of Conv as a linear map of x: dx = dL/dx for dy = dL/dy. It is also the forward
	// pass of the transposed convolution.
	ConvBackwardData(dx, dy, w *Tensor, s ConvSpec) error
	// ConvBackwardWeights: dw[m,c,r,s] = sum over n,p,q of dy[n,m,p,q] * x[n, g*C/groups+c, p*stride-top+r*dilation, ...].
	ConvBackwardWeights(dw, x, dy *Tensor, s ConvSpec) error
	// Rotate180 turns each mask: y[m,c,r,s] = w[m,c,R-1-r,S-1-s]. Conv with a turned mask is the true convolution
	// (x*h)[n1,n2] = sum over k of x[k1,k2] h[n1-k1,n2-k2].
	Rotate180(y, w *Tensor) error
}

// Padding is the number of rows and columns added on each side.
type Padding struct{ Top, Bottom, Left, Right int }

// Pad is the same padding on all four sides.
func Pad(n int) Padding { return Padding{n, n, n, n} }

// ConvSpec is the geometry of a convolution. The zero value of a field means its default: stride 1, no padding,
// dilation 1, one group.
type ConvSpec struct {
	Stride, Dilation [2]int // vertical, horizontal
	Padding          Padding
	Groups           int
	// Learning says that the weights are being learnt, so that they will be others when they are used again. A device may choose
	// by it what to make of them; the result is the same but for rounding.
	Learning bool
}

// Normal fills in the defaults.
func (s ConvSpec) Normal() ConvSpec {
	for i := range 2 {
		if s.Stride[i] == 0 {
			s.Stride[i] = 1
		}
		if s.Dilation[i] == 0 {
			s.Dilation[i] = 1
		}
	}
	if s.Groups == 0 {
		s.Groups = 1
	}
	return s
}

func (s ConvSpec) check(op string) error {
	p := s.Padding
	switch {
	case s.Stride[0] < 1 || s.Stride[1] < 1:
		return shapeError(op, "stride %v, expected at least 1", s.Stride)
	case s.Dilation[0] < 1 || s.Dilation[1] < 1:
		return shapeError(op, "dilation %v, expected at least 1", s.Dilation)
	case p.Top < 0 || p.Bottom < 0 || p.Left < 0 || p.Right < 0:
		return shapeError(op, "padding %+v, expected at least 0", p)
	case s.Groups < 1:
		return shapeError(op, "groups %d, expected at least 1", s.Groups)
	}
	return nil
}

// Output is the shape of Conv's result: P = floor((H + top + bottom - dilation*(R-1) - 1) / stride) + 1, likewise Q.
// s must be Normal.
func (s ConvSpec) Output(x, w, b tensor.Shape) (tensor.Shape, error) {
	const op = "conv2d"
	if err := s.checkOperands(op, x, w); err != nil {
		return nil, err
	}
	if x[1] != w[1]*s.Groups {
		return nil, shapeError(op, "input %v has %d channels, weights %v with %d groups expect %d", x, x[1], w, s.Groups, w[1]*s.Groups)
	}
	if w[0]%s.Groups != 0 {
		return nil, shapeError(op, "weights %v have %d output channels, not a multiple of %d groups", w, w[0], s.Groups)
	}
	if b != nil {
		if err := needVector(op, "bias", b, w[0]); err != nil {
			return nil, err
		}
	}
	p, err := windowOutput(op, "height", x[2], w[2], s.Stride[0], s.Dilation[0], s.Padding.Top+s.Padding.Bottom)
	if err != nil {
		return nil, err
	}
	q, err := windowOutput(op, "width", x[3], w[3], s.Stride[1], s.Dilation[1], s.Padding.Left+s.Padding.Right)
	if err != nil {
		return nil, err
	}
	return tensor.Shape{x[0], w[0], p, q}, nil
}

// TransposedOutput is the shape of the transposed convolution of x [N, M, P, Q] with w [M, C/groups, R, S]:
// H = (P-1)*stride - top - bottom + dilation*(R-1) + extra + 1, where extra (0 to stride-1, or dilation-1) chooses among
// the sizes that Conv maps to P. s must be Normal.
func (s ConvSpec) TransposedOutput(x, w, b tensor.Shape, extra [2]int) (tensor.Shape, error) {
	const op = "conv_transpose2d"
	if err := s.checkOperands(op, x, w); err != nil {
		return nil, err
	}
	if x[1] != w[0] {
		return nil, shapeError(op, "input %v has %d channels, weights %v expect %d", x, x[1], w, w[0])
	}
	if x[1]%s.Groups != 0 {
		return nil, shapeError(op, "input %v has %d channels, not a multiple of %d groups", x, x[1], s.Groups)
	}
	channels := w[1] * s.Groups
	if b != nil {
		if err := needVector(op, "bias", b, channels); err != nil {
			return nil, err
		}
	}
	pads := [2]int{s.Padding.Top + s.Padding.Bottom, s.Padding.Left + s.Padding.Right}
	out := tensor.Shape{x[0], channels, 0, 0}
	for i := range 2 {
		if extra[i] < 0 || extra[i] >= max(s.Stride[i], s.Dilation[i]) {
			return nil, shapeError(op, "output padding %v, expected 0 to below the larger of stride %v and dilation %v", extra, s.Stride, s.Dilation)
		}
		out[2+i] = (x[2+i]-1)*s.Stride[i] - pads[i] + s.Dilation[i]*(w[2+i]-1) + extra[i] + 1
		if out[2+i] < 1 {
			return nil, shapeError(op, "input %v with weights %v and padding %+v leaves an output of %d", x, w, s.Padding, out[2+i])
		}
	}
	return out, nil
}

func (s ConvSpec) checkOperands(op string, x, w tensor.Shape) error {
	if err := s.check(op); err != nil {
		return err
	}
	if err := needRank(op, "input", x, 4, "N, C, H, W"); err != nil {
		return err
	}
	return needRank(op, "weights", w, 4, "out, in/groups, height, width")
}

func windowOutput(op, axis string, in, window, stride, dilation, padding int) (int, error) {
	room := in + padding - dilation*(window-1) - 1
	if room < 0 || window < 1 {
		return 0, shapeError(op, "window of %s %d (dilation %d) does not fit the input's %d + padding %d", axis, window, dilation, in, padding)
	}
	return room/stride + 1, nil
}
