package cpu

import (
	"math"

	"fovea/device"
)

// update calls step for parts of each parameter, so that a list of many small ones and one large is divided well.
func (d *Device) update(list []device.Update, step func(w, g, s, t []float32)) error {
	for _, u := range list {
		w, g := floats(u.Value), floats(u.Grad)
		s, t := floats(u.State[0]), floats(u.State[1])
		d.divide(len(w), 4, func(_, from, to int) {
			step(w[from:to], g[from:to], part(s, from, to), part(t, from, to))
		})
	}
	return nil
}

func part(x []float32, from, to int) []float32 {
	if x == nil {
		return nil
	}
	return x[from:to]
}

// stopped says that a guard forbids the step: NaN and infinity are what minus itself is not 0.
func stopped(guard *device.Tensor) bool {
	return guard != nil && floats(guard)[0]-floats(guard)[0] != 0
}

// SGD implements device.Optimiser.
func (d *Device) SGD(list []device.Update, s device.SGDSpec) error {
	if stopped(s.Guard) {
		return nil
	}
	rate, momentum, decay := float32(s.Rate), float32(s.Momentum), float32(s.WeightDecay)
	return d.update(list, func(w, grad, v, _ []float32) {
		for i, g := range grad {
			g += decay * w[i]
			if momentum != 0 {
				if s.First {
					v[i] = g
				} else {
					v[i] = momentum*v[i] + g
				}
				if s.Nesterov {
					g += momentum * v[i]
				} else {
					g = v[i]
				}
			}
			w[i] -= rate * g
		}
	})
}

// RMSProp implements device.Optimiser.
func (d *Device) RMSProp(list []device.Update, s device.RMSPropSpec) error {
	if stopped(s.Guard) {
		return nil
	}
	rate, momentum, decay := float32(s.Rate), float32(s.Momentum), float32(s.WeightDecay)
	keep, take, epsilon := float32(s.Decay), float32(1-s.Decay), float32(s.Epsilon)
	return d.update(list, func(w, grad, r, v []float32) {
		for i, g := range grad {
			g += decay * w[i]
			r[i] = keep*r[i] + take*g*g
			step := g / (sqrt(r[i]) + epsilon)
			if momentum != 0 {
				v[i] = momentum*v[i] + step
				step = v[i]
			}
			w[i] -= rate * step
		}
	})
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Adam implements device.Optimiser. The bias corrections are folded into the rate and the root, as in the paper's
// section 2.
func (d *Device) Adam(list []device.Update, s device.AdamSpec) error {
	if stopped(s.Guard) {
		return nil
	}
	rate := float32(s.Rate / (1 - math.Pow(s.Beta1, float64(s.Step))))
	root := float32(1 / math.Sqrt(1-math.Pow(s.Beta2, float64(s.Step))))
	shrink, decay := float32(1), float32(s.WeightDecay)
	if s.Decoupled {
		shrink, decay = float32(1-s.Rate*s.WeightDecay), 0
	}
	keep1, take1 := float32(s.Beta1), float32(1-s.Beta1)
	keep2, take2 := float32(s.Beta2), float32(1-s.Beta2)
	epsilon := float32(s.Epsilon)
	return d.update(list, func(w, grad, m, r []float32) {
		w, m, r = w[:len(grad)], m[:len(grad)], r[:len(grad)]
		for i, g := range grad {
			u := w[i] * shrink
			g += decay * u
			m[i] = keep1*m[i] + take1*g
			r[i] = keep2*r[i] + take2*g*g
			w[i] = u - rate*m[i]/(sqrt(r[i])*root+epsilon)
		}
	})
}
