package devicetest

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/device"
)

// Tolerance is how far a result may be from the reference's. The zero value asks for a relative error in norm,
// ||got - want|| / ||want||, of at most 1e-5 in float32: sums of some hundred products of normal numbers are about 1e-6
// off, Winograd's F(4x4,3x3) up to 1.4e-6. A device that computes in float64 must be 1e5 times better.
// NaN and infinities must always be where the reference has them.
type Tolerance struct {
	Relative float64
	Absolute float64 // allowed to ||got - want|| on top of it, for results that are nothing but rounding errors
	Exact    bool    // every element as the reference's after rounding: nothing is computed, or one rounding
	Mask     bool    // zeros are exactly where the reference has them
	Spread   bool    // elements beside a NaN or an infinity may be NaN too, as in transforms (Winograd, FFT)
	Why      string  // the reason for anything but the zero value
}

const (
	relative = 1e-5
	finer    = 1e-5 // of the tolerance, for float64
)

// compare reports the first element of got that is too far from want, in a tensor of the given shape.
func (tol Tolerance) compare(got, want []float64, s tensor.Shape, float tensor.Dtype) error {
	scale := 1.0
	if float == tensor.Float64 {
		scale = finer
	} else {
		want = singles(append([]float64(nil), want...))
	}
	norm, distance := 0.0, 0.0
	for i, w := range want {
		g := got[i]
		switch {
		case same(g, w):
		case tol.Exact:
			return differs(i, got, want, s, "must be equal")
		case !finite(w):
			if !tol.Spread || finite(g) {
				return differs(i, got, want, s, "must be of the same kind")
			}
			continue
		case !finite(g):
			if !tol.Spread {
				return differs(i, got, want, s, "must be finite (NaN also stands for an element that was never written)")
			}
			continue
		case tol.Mask && (g == 0) != (w == 0):
			return differs(i, got, want, s, "zeros must be the same")
		}
		if finite(w) && finite(g) {
			norm += w * w
			distance += (g - w) * (g - w)
		}
	}
	if tol.Relative == 0 {
		tol.Relative = relative
	}
	norm, distance = math.Sqrt(norm), math.Sqrt(distance)
	if bound := scale * (tol.Relative*norm + tol.Absolute); distance > bound {
		typical := bound / math.Sqrt(float64(len(want)))
		for i, w := range want {
			if finite(w) && finite(got[i]) && math.Abs(got[i]-w) > typical {
				return differs(i, got, want, s, fmt.Sprintf("the error in norm is %.3g, allowed is %.3g for a norm of %.3g", distance, bound, norm))
			}
		}
	}
	return nil
}

func differs(i int, got, want []float64, s tensor.Shape, rule string) error {
	return fmt.Errorf("element %v is %v, the reference has %v: %s", position(i, s), got[i], want[i], rule)
}

// unchanged reports the first element whose bits differ; any NaN equals any other.
func unchanged(got, want []float64, s tensor.Shape) error {
	for i, w := range want {
		if g := got[i]; math.Float64bits(g) != math.Float64bits(w) && (g == g || w == w) {
			return fmt.Errorf("element %v is %v, was %v", position(i, s), g, w)
		}
	}
	return nil
}

func same(a, b float64) bool { return a == b || (a != a && b != b) }

func finite(x float64) bool { return x-x == 0 }

// position is where element i, counted row-major, lies.
func position(i int, s tensor.Shape) []int {
	at := make([]int, len(s))
	for axis := len(s) - 1; axis >= 0; axis-- {
		at[axis] = i % s[axis]
		i /= s[axis]
	}
	return at
}

// download reads a tensor of either kind as float64, exactly.
func download(t *device.Tensor) ([]float64, error) {
	if t.DType != tensor.Int32 {
		return t.Floats()
	}
	labels := make([]int32, t.Size())
	if err := t.Device.Download(labels, t); err != nil {
		return nil, err
	}
	x := make([]float64, len(labels))
	for i, v := range labels {
		x[i] = float64(v)
	}
	return x, nil
}
