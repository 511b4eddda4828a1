package vector

// The constants of the optimisers; their formulas are those of package device. The assembly reads them in this order.

// SGD holds those of SGD: g = grad + Decay*w; w = w - Rate*g, with momentum v = Momentum*v + g and w = w - Rate*v, or
// w = w - Rate*(g + Momentum*v) after Nesterov.
type SGD struct{ Rate, Momentum, Decay float32 }

// RMSProp holds those of RMSProp: g = grad + Decay*w, r = Keep*r + Take*g^2, d = g/(sqrt(r) + Epsilon); w = w - Rate*d, with
// momentum v = Momentum*v + d and w = w - Rate*v.
type RMSProp struct{ Rate, Momentum, Decay, Keep, Take, Epsilon float32 }

// Adam holds those of Adam: u = Shrink*w, g = grad + Decay*u, m = Keep1*m + Take1*g, r = Keep2*r + Take2*g^2,
// w = u - Rate*m/(Root*sqrt(r) + Epsilon).
type Adam struct{ Rate, Root, Shrink, Decay, Keep1, Take1, Keep2, Take2, Epsilon float32 }
