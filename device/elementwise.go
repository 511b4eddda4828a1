package device

// Elementwise is arithmetic on whole tensors.
type Elementwise interface {
	// Fill sets every element.
	Fill(y *Tensor, value float64) error
	// Binary: y = a op b with [BroadcastShape]; y may be a or b if it has that shape.
	Binary(y, a, b *Tensor, op BinaryKind) error
	// Scale: y = factor*x + offset; y may be x.
	Scale(y, x *Tensor, factor, offset float64) error
	// ReduceSum: y = factor * sum of x over the axes in which y has 1 and x has more. Ranks are equal.
	ReduceSum(y, x *Tensor, factor float64) error
	// Broadcast is its transpose: y = factor * x, stretched along the axes in which x has 1.
	Broadcast(y, x *Tensor, factor float64) error
}

// BinaryKind is an operation on two numbers.
type BinaryKind int

// The binary operations.
const (
	Add BinaryKind = iota
	Sub
	Mul
	Div
)

func (k BinaryKind) String() string { return [...]string{"add", "sub", "mul", "div"}[k] }
