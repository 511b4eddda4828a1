package reference

import (
	"math"

	"fovea/device"
)

// stopped says that a guard forbids the step.
func stopped(guard *device.Tensor) bool {
	return guard != nil && (math.IsNaN(floats(guard)[0]) || math.IsInf(floats(guard)[0], 0))
}

// SGD implements device.Optimiser.
func (d *Device) SGD(list []device.Update, s device.SGDSpec) error {
	if stopped(s.Guard) {
		return nil
	}
	for _, u := range list {
		for i, g := range floats(u.Grad) {
			w := &floats(u.Value)[i]
			g += s.WeightDecay * *w
			if s.Momentum != 0 {
				v := &floats(u.State[0])[i]
				if s.First {
					*v = g
				} else {
					*v = s.Momentum**v + g
				}
				if s.Nesterov {
					g += s.Momentum * *v
				} else {
					g = *v
				}
			}
			*w -= s.Rate * g
		}
	}
	return nil
}

// RMSProp implements device.Optimiser.
func (d *Device) RMSProp(list []device.Update, s device.RMSPropSpec) error {
	if stopped(s.Guard) {
		return nil
	}
	for _, u := range list {
		for i, g := range floats(u.Grad) {
			w, r := &floats(u.Value)[i], &floats(u.State[0])[i]
			g += s.WeightDecay * *w
			*r = s.Decay**r + (1-s.Decay)*g*g
			step := g / (math.Sqrt(*r) + s.Epsilon)
			if s.Momentum != 0 {
				v := &floats(u.State[1])[i]
				*v = s.Momentum**v + step
				step = *v
			}
			*w -= s.Rate * step
		}
	}
	return nil
}

// Adam implements device.Optimiser.
func (d *Device) Adam(list []device.Update, s device.AdamSpec) error {
	if stopped(s.Guard) {
		return nil
	}
	correction1 := 1 - math.Pow(s.Beta1, float64(s.Step))
	correction2 := 1 - math.Pow(s.Beta2, float64(s.Step))
	for _, u := range list {
		for i, g := range floats(u.Grad) {
			w, m, r := &floats(u.Value)[i], &floats(u.State[0])[i], &floats(u.State[1])[i]
			if s.Decoupled {
				*w -= s.Rate * s.WeightDecay * *w
			} else {
				g += s.WeightDecay * *w
			}
			*m = s.Beta1**m + (1-s.Beta1)*g
			*r = s.Beta2**r + (1-s.Beta2)*g*g
			*w -= s.Rate * (*m / correction1) / (math.Sqrt(*r/correction2) + s.Epsilon)
		}
	}
	return nil
}
