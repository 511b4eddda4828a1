package device

import "gorgonia.org/tensor"

// Loss reduces a network's output and what was wanted to one number, the mean over the samples, and back. All start
// from logits, so that nothing overflows. loss and dloss are scalars (shape ()); dx = dloss * dloss/dx.
type Loss interface {
	// CrossEntropy: mean over samples (and places, for x [N, classes, ...]) of log(sum_k exp x_k) - x_label.
	// labels are int32 [N, ...], known to lie in 0..classes-1.
	CrossEntropy(loss, x, labels *Tensor) error
	// CrossEntropyBackward: dx_k = dloss * (softmax(x)_k - [k = label]) / samples.
	CrossEntropyBackward(dx, dloss, x, labels *Tensor) error
	// ElementLoss is the mean over all elements of a loss of a prediction x and a target y of the same shape.
	ElementLoss(loss, x, y *Tensor, kind ElementLossKind) error
	// ElementLossBackward is its gradient with respect to x.
	ElementLossBackward(dx, dloss, x, y *Tensor, kind ElementLossKind) error
	// CountCorrect adds to count (a scalar of Float) the samples whose label has the largest x; among equal ones the
	// first counts, and NaN counts as the largest of all.
	CountCorrect(count, x, labels *Tensor) error
}

// ElementLossKind is a loss of single numbers.
type ElementLossKind int

// The losses of single numbers.
const (
	SquaredError ElementLossKind = iota // (x - y)^2
	Logistic                            // -y log a - (1-y) log(1-a) with a = sigmoid(x) and y in [0, 1]: max(x,0) - x y + log(1 + exp(-|x|))
	Hinge                               // max(0, 1 - x y), y being -1 or 1
)

func (k ElementLossKind) String() string { return [...]string{"squared_error", "logistic", "hinge"}[k] }

// CheckLabels is the shape rule of CrossEntropy and CountCorrect.
func CheckLabels(op string, x, labels tensor.Shape) error {
	if err := CheckSoftmax(x); err != nil {
		return err
	}
	want := append(tensor.Shape{x[0]}, x[2:]...)
	if !EqualShape(labels, want) {
		return shapeError(op, "labels are %v, expected %v for logits %v", labels, want, x)
	}
	if Size(labels) == 0 {
		return shapeError(op, "no samples: the mean of nothing is undefined")
	}
	return nil
}
