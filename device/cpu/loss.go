package cpu

import (
	"math"

	"fovea/device"
)

// CrossEntropy implements device.Loss.
func (d *Device) CrossEntropy(loss, x, y *device.Tensor) error {
	if blocked(loss, x, y) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.CrossEntropy(t[0], t[1], t[2]) }, loss, x, y)
	}
	in, class := floats(x), labels(y)
	each := d.partial(len(class))
	if _, classes, inner := device.Channels(x.Shape); inner == 1 {
		d.divide(len(class), rowCost(classes), func(worker, first, last int) {
			for n := first; n < last; n++ {
				row := in[n*classes:][:classes]
				top, sum := d.exponentials(d.lane(worker, classes), row)
				each[n] = float64(top) - float64(row[class[n]]) + math.Log(sum)
			}
		})
	} else {
		d.eachPlace(x, 32, func(place, first, step, maps int) {
			each[place] = logSumExp(in, first, step, maps) - float64(in[first+int(class[place])*step])
		})
	}
	out(loss)[0] = float32(mean(each))
	return nil
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// CrossEntropyBackward implements device.Loss.
func (d *Device) CrossEntropyBackward(dx, dloss, x, y *device.Tensor) error {
	if blocked(dx, dloss, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.CrossEntropyBackward(t[0], t[1], t[2], t[3]) }, dx, dloss, x, y)
	}
	in, class, to := floats(x), labels(y), out(dx)
	factor := float64(floats(dloss)[0]) / float64(len(class))
	if _, classes, inner := device.Channels(x.Shape); inner == 1 {
		d.divide(len(class), rowCost(classes), func(_, first, last int) {
			for n := first; n < last; n++ {
				row := to[n*classes:][:classes]
				_, sum := d.exponentials(row, in[n*classes:])
				// p - 1 would cancel where p is nearly 1; what the other classes have does not.
				others := sum - float64(row[class[n]])
				d.vector.Scale(row, row, float32(factor/sum), 0)
				row[class[n]] = float32(-factor * others / sum)
			}
		})
		return nil
	}
	d.eachPlace(x, 48, func(place, first, step, maps int) {
		norm := logSumExp(in, first, step, maps)
		for c := range maps {
			p := math.Exp(float64(in[first+c*step]) - norm)
			if c == int(class[place]) {
				p--
			}
			to[first+c*step] = float32(factor * p)
		}
	})
	return nil
}

// lossPart is how many elements' losses are added before the next partial sum begins.
const lossPart = 1 << 10

// ElementLoss implements device.Loss.
func (d *Device) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	if blocked(loss, x, y) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.ElementLoss(t[0], t[1], t[2], kind) }, loss, x, y)
	}
	in, target := floats(x), floats(y)
	sums := d.partial((len(in) + lossPart - 1) / lossPart)
	d.divide(len(sums), lossPart, func(_, from, to int) {
		for i := from; i < to; i++ {
			low, high := i*lossPart, min((i+1)*lossPart, len(in))
			if kind == device.SquaredError {
				sums[i] = d.vector.Distance(in[low:high], target[low:high])
				continue
			}
			sums[i] = 0
			for e := low; e < high; e++ {
				sums[i] += elementLoss(float64(in[e]), float64(target[e]), kind)
			}
		}
	})
	out(loss)[0] = float32(mean(sums) * float64(len(sums)) / float64(len(in)))
	return nil
}

func elementLoss(u, v float64, kind device.ElementLossKind) float64 {
	if kind == device.Logistic {
		return math.Max(u, 0) - u*v + math.Log1p(math.Exp(-math.Abs(u)))
	}
	return math.Max(0, 1-u*v) // Hinge
}

// ElementLossBackward implements device.Loss.
func (d *Device) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	if blocked(dx, dloss, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ElementLossBackward(t[0], t[1], t[2], t[3], kind) }, dx, dloss, x, y)
	}
	in, target, to := floats(x), floats(y), out(dx)
	factor := float64(floats(dloss)[0]) / float64(len(in))
	d.elements(len(in), func(from, until int) {
		if kind == device.SquaredError {
			part := to[from:until]
			d.vector.Sub(part, in[from:until], target[from:until])
			d.vector.Scale(part, part, float32(2*factor), 0)
			return
		}
		for i := from; i < until; i++ {
			u, v, g := float64(in[i]), float64(target[i]), 0.0
			switch kind {
			case device.Logistic:
				g = 1/(1+math.Exp(-u)) - v
			case device.Hinge:
				if u*v < 1 {
					g = -v
				}
			}
			to[i] = float32(factor * g)
		}
	})
	return nil
}

// CountCorrect implements device.Loss.
func (d *Device) CountCorrect(count, x, y *device.Tensor) error {
	if blocked(count, x, y) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.CountCorrect(t[0], t[1], t[2]) }, count, x, y)
	}
	in, class := floats(x), labels(y)
	each := d.partial(len(class))
	d.eachPlace(x, 1, func(place, first, step, maps int) {
		each[place] = 0
		if largest(in, first, step, maps) == first+int(class[place])*step {
			each[place] = 1
		}
	})
	for _, v := range each {
		out(count)[0] += float32(v)
	}
	return nil
}
