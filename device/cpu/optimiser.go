package cpu

import (
	"math"

	"fovea/device"
	"fovea/kernels/vector"
)

// update divides all parameters, one after another, among the workers as if they were one: a list of many small ones is
// shared as well as a large one.
func (d *Device) update(list []device.Update, guard *device.Tensor, step func(w, g, s, t []float32)) error {
	// NaN and infinity are what minus itself is not 0.
	if guard != nil && floats(guard)[0]-floats(guard)[0] != 0 {
		return nil
	}
	all := 0
	for _, u := range list {
		all += len(out(u.Value))
		out(u.State[0])
		out(u.State[1])
	}
	d.divide(all, 4, func(_, from, to int) {
		for _, u := range list {
			w, g := floats(u.Value), floats(u.Grad)
			if low, high := max(from, 0), min(to, len(w)); low < high {
				step(w[low:high], g[low:high], part(floats(u.State[0]), low, high), part(floats(u.State[1]), low, high))
			}
			from, to = from-len(w), to-len(w)
		}
	})
	return nil
}

func part(x []float32, from, to int) []float32 {
	if x == nil {
		return nil
	}
	return x[from:to]
}

// SGD implements device.Optimiser.
func (d *Device) SGD(list []device.Update, s device.SGDSpec) error {
	c := &vector.SGD{Rate: float32(s.Rate), Momentum: float32(s.Momentum), Decay: float32(s.WeightDecay)}
	return d.update(list, s.Guard, func(w, g, v, _ []float32) {
		if s.Momentum == 0 {
			d.vector.SGD(w, g, c)
			return
		}
		if s.First {
			d.vector.Fill(v, 0)
		}
		if s.Nesterov {
			d.vector.Nesterov(w, v, g, c)
		} else {
			d.vector.Momentum(w, v, g, c)
		}
	})
}

// RMSProp implements device.Optimiser.
func (d *Device) RMSProp(list []device.Update, s device.RMSPropSpec) error {
	c := &vector.RMSProp{Rate: float32(s.Rate), Momentum: float32(s.Momentum), Decay: float32(s.WeightDecay),
		Keep: float32(s.Decay), Take: float32(1 - s.Decay), Epsilon: float32(s.Epsilon)}
	return d.update(list, s.Guard, func(w, g, r, v []float32) {
		if s.Momentum == 0 {
			d.vector.RMSProp(w, r, g, c)
		} else {
			d.vector.RMSPropMomentum(w, r, v, g, c)
		}
	})
}

// Adam implements device.Optimiser. The bias corrections are folded into the rate and the root, as in the paper's
// section 2.
func (d *Device) Adam(list []device.Update, s device.AdamSpec) error {
	c := &vector.Adam{
		Rate:   float32(s.Rate / (1 - math.Pow(s.Beta1, float64(s.Step)))),
		Root:   float32(1 / math.Sqrt(1-math.Pow(s.Beta2, float64(s.Step)))),
		Shrink: 1, Decay: float32(s.WeightDecay),
		Keep1: float32(s.Beta1), Take1: float32(1 - s.Beta1), Keep2: float32(s.Beta2), Take2: float32(1 - s.Beta2),
		Epsilon: float32(s.Epsilon),
	}
	if s.Decoupled {
		c.Shrink, c.Decay = float32(1-s.Rate*s.WeightDecay), 0
	}
	return d.update(list, s.Guard, func(w, g, m, r []float32) { d.vector.Adam(w, m, r, g, c) })
}
