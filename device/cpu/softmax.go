package cpu

import (
	"math"

	"fovea/device"
)

// rowCost is what a row of classes costs in simple element operations: beside its exponentials three calls and a logarithm, some 60 ns.
func rowCost(classes int) int { return 1<<8 + 4*classes }

// Softmax implements device.Activation. The classes of one place are a row of memory where there is one place per sample:
// then the exponentials are taken in float32 about the largest, and added up in float64.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Softmax(t[0], t[1], logarithm) }, y, x)
	}
	from, to := floats(x), out(y)
	if samples, classes, inner := device.Channels(x.Shape); inner == 1 {
		d.divide(samples, rowCost(classes), func(worker, first, last int) {
			for n := first; n < last; n++ {
				row, result := from[n*classes:][:classes], to[n*classes:][:classes]
				if !logarithm {
					_, sum := d.exponentials(result, row)
					d.vector.Scale(result, result, float32(1/sum), 0)
					continue
				}
				// Two subtractions: beside a large x the logarithm would lose its digits.
				top, sum := d.exponentials(d.lane(worker, classes), row)
				d.vector.Scale(result, row, 1, -top)
				d.vector.Scale(result, result, 1, float32(-math.Log(sum)))
			}
		})
		return nil
	}
	d.eachPlace(x, 32, func(_, first, step, maps int) {
		norm := logSumExp(from, first, step, maps)
		for at := first; at < first+maps*step; at += step {
			v := float64(from[at]) - norm
			if !logarithm {
				v = math.Exp(v)
			}
			to[at] = float32(v)
		}
	})
	return nil
}

// exponentials computes y = exp(x - top), top being the largest x, and adds it up.
func (d *Device) exponentials(y, x []float32) (top float32, sum float64) {
	x = x[:len(y)]
	top = d.vector.Max(x)
	return top, d.vector.ExpSum(y, x, top)
}

// eachPlace divides the samples' places among the workers; map c's element there is number first + c*step.
func (d *Device) eachPlace(x *device.Tensor, cost int, visit func(place, first, step, maps int)) {
	outer, maps, inner := device.Channels(x.Shape)
	d.divide(outer*inner, maps*cost, func(_, from, to int) {
		for place := from; place < to; place++ {
			visit(place, place/inner*maps*inner+place%inner, inner, maps)
		}
	})
}

func logSumExp(x []float32, first, step, n int) float64 {
	top := float64(x[largest(x, first, step, n)])
	sum := 0.0
	for at := first; at < first+n*step; at += step {
		sum += math.Exp(float64(x[at]) - top)
	}
	return top + math.Log(sum)
}

// SoftmaxBackward implements device.Activation.
func (d *Device) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	if blocked(dx, dy, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.SoftmaxBackward(t[0], t[1], t[2], logarithm) }, dx, dy, y)
	}
	to, grad, result := out(dx), floats(dy), floats(y)
	if samples, classes, inner := device.Channels(y.Shape); inner == 1 {
		d.divide(samples, rowCost(classes), func(_, first, last int) {
			for n := first; n < last; n++ {
				row, g, v := to[n*classes:][:classes], grad[n*classes:][:classes], result[n*classes:][:classes]
				if logarithm {
					d.vector.Exp(row, v, 0, float32(-d.vector.Sum(g)))
					d.vector.Add(row, row, g)
				} else {
					d.vector.Scale(row, g, 1, float32(-d.vector.Dot(g, v)))
					d.vector.Mul(row, row, v)
				}
			}
		})
		return nil
	}
	d.eachPlace(y, 16, func(_, first, step, maps int) {
		sum, product := 0.0, 0.0
		for at := first; at < first+maps*step; at += step {
			sum += float64(grad[at])
			product += float64(grad[at]) * float64(result[at])
		}
		for at := first; at < first+maps*step; at += step {
			g, v := float64(grad[at]), float64(result[at])
			if logarithm {
				to[at] = float32(g - math.Exp(v)*sum)
			} else {
				to[at] = float32(v * (g - product))
			}
		}
	})
	return nil
}
