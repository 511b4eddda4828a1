package augment

import (
	"errors"
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "blur", About: "out of focus, with probability P: smoothed by a Gaussian whose deviation is LOW to HIGH pixels",
		Parameters: []Parameter{{Name: "LOW", Default: 0.1, Low: 0.01, High: 32}, {Name: "HIGH", Default: 2, Low: 0.01, High: 32}, chance(0.5)},
		New: func(v []float64) (data.Transform, error) {
			if v[0] > v[1] {
				return nil, errors.New("LOW is above HIGH")
			}
			return Blur{v[0], v[1], v[2]}, nil
		}})
}

// Blur smooths a picture, with probability P, by a Gaussian whose deviation is Low to High pixels.
type Blur struct{ Low, High, P float64 }

func (t Blur) String() string { return text("blur", t.Low, t.High, t.P) }

func (t Blur) Apply(p data.Picture, random *philox.Source) {
	if random.Float64() >= t.P {
		return
	}
	blur(p, random.Uniform(t.Low, t.High))
}

func blur(p data.Picture, sigma float64) {
	k := gaussian(sigma)
	for c := range p.C {
		smooth(channel(p, c), p.W, p.H, k)
	}
}

// gaussian returns the middle and one side of a Gaussian of four deviations to each side, which adds up to 1 with the other.
func gaussian(sigma float64) []float32 {
	half := max(int(8*sigma+1)/2, 1)
	k := make([]float64, half+1)
	sum := 0.0
	for i := range k {
		x := float64(i) / sigma
		k[i] = math.Exp(-x * x / 2)
		sum += 2 * k[i]
	}
	sum -= k[0]
	side := make([]float32, len(k))
	for i := range side {
		side[i] = float32(k[i] / sum)
	}
	return side
}

// smooth convolves a plane with a kernel along x and then along y. Beyond its edges the plane is its own mirror image, the
// edge not repeated.
func smooth(plane []float32, w, h int, k []float32) {
	half := len(k) - 1
	s := borrow(w + 2*half + len(plane))
	defer s.giveBack()
	line, result := s.values[:w+2*half], s.values[w+2*half:]
	for y := range h {
		row := plane[y*w : (y+1)*w]
		copy(line[half:], row)
		for i := range half {
			line[half-1-i], line[half+w+i] = row[reflected(-1-i, w)], row[reflected(w+i, w)]
		}
		out := result[y*w : (y+1)*w]
		scaled(out, line[half:], k[0])
		for d := 1; d <= half; d++ {
			addPair(out, line[half-d:], line[half+d:], k[d])
		}
	}
	for y := range h {
		out := plane[y*w : (y+1)*w]
		scaled(out, result[y*w:], k[0])
		for d := 1; d <= half; d++ {
			addPair(out, result[reflected(y-d, h)*w:], result[reflected(y+d, h)*w:], k[d])
		}
	}
}

// scaled: y = c x.
func scaled(y, x []float32, c float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] = c * x[i]
	}
}

// addPair: y += c (a + b).
func addPair(y, a, b []float32, c float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i := range y {
		y[i] += float32(c * (a[i] + b[i]))
	}
}

// reflected is the index in 0..n-1 that i is mirrored to, as often as it takes.
func reflected(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	if i %= period; i < 0 {
		i += period
	}
	return min(i, period-i)
}
