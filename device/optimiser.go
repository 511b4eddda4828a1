package device

// Optimiser updates a whole list of parameters in one call, so that a device can make one pass of it. Each step may have a
// guard, a scalar: if that is not a finite number, the step changes nothing.
type Optimiser interface {
	// SGD (with momentum after Sutskever et al. 2013 in PyTorch's form, and coupled L2 weight decay), g being the gradient:
	//
	//	g = g + WeightDecay*w
	//	without momentum:  w = w - Rate*g
	//	with:  v = Momentum*v + g (v = g in the first step),  w = w - Rate*v,  Nesterov:  w = w - Rate*(g + Momentum*v)
	//
	// State[0] is v.
	SGD(list []Update, s SGDSpec) error
	// RMSProp (Tieleman and Hinton, lecture 6.5, 2012):
	//
	//	g = g + WeightDecay*w,  r = Decay*r + (1-Decay)*g^2,  d = g / (sqrt(r) + Epsilon)
	//	without momentum:  w = w - Rate*d;  with:  v = Momentum*v + d,  w = w - Rate*v
	//
	// State[0] is r and State[1] is v, both 0 before the first step.
	RMSProp(list []Update, s RMSPropSpec) error
	// Adam (Kingma and Ba 2015, algorithm 1), and AdamW (Loshchilov and Hutter 2019) if Decoupled:
	//
	//	coupled: g = g + WeightDecay*w;  decoupled: w = w - Rate*WeightDecay*w
	//	m = Beta1*m + (1-Beta1)*g,  r = Beta2*r + (1-Beta2)*g^2
	//	w = w - Rate * m/(1-Beta1^t) / (sqrt(r/(1-Beta2^t)) + Epsilon)
	//
	// with t = Step, which starts at 1. State[0] is m and State[1] is r, both 0 before the first step.
	Adam(list []Update, s AdamSpec) error
}

// Update is one parameter, its gradient, and what the optimiser remembers of it (nil where it needs nothing). All have
// the same shape.
type Update struct {
	Value, Grad *Tensor
	State       [2]*Tensor
}

// SGDSpec holds the constants of a step.
type SGDSpec struct {
	Rate, Momentum, WeightDecay float64
	Nesterov                    bool
	First                       bool // State is not yet set
	Guard                       *Tensor
}

// RMSPropSpec holds the constants of a step.
type RMSPropSpec struct {
	Rate, Decay, Epsilon, Momentum, WeightDecay float64
	Guard                                       *Tensor
}

// AdamSpec holds the constants of a step.
type AdamSpec struct {
	Rate, Beta1, Beta2, Epsilon, WeightDecay float64
	Decoupled                                bool
	Step                                     int
	Guard                                    *Tensor
}
