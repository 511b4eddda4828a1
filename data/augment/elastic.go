package augment

import (
	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "elastic", About: "kneaded: each pixel moves at random, ALPHA pixels times a noise of -1 to 1 smoothed over SIGMA pixels",
		Parameters: []Parameter{{Name: "ALPHA", Default: 34, High: 10000}, {Name: "SIGMA", Default: 4, Low: 0.1, High: 32}},
		New:        func(v []float64) (data.Transform, error) { return Elastic{v[0], v[1]}, nil }})
}

// Elastic moves each pixel by Alpha times a field of uniform noise that a Gaussian of deviation Sigma has smoothed (Simard,
// Steinkraus and Platt, 2003). Alpha is in pixels; torchvision's is twice that.
type Elastic struct{ Alpha, Sigma float64 }

func (t Elastic) String() string { return text("elastic", t.Alpha, t.Sigma) }

func (t Elastic) Apply(p data.Picture, random *philox.Source) {
	s := borrow(2 * p.H * p.W)
	defer s.giveBack()
	for i := range s.values {
		s.values[i] = float32(random.Uniform(-t.Alpha, t.Alpha))
	}
	t.knead(p, s.values)
}

// knead moves each pixel by the smoothed field, which has all that is to move along x before all that is to move along y.
func (t Elastic) knead(p data.Picture, field []float32) {
	dx, dy := field[:p.H*p.W], field[p.H*p.W:]
	k := gaussian(t.Sigma)
	smooth(dx, p.W, p.H, k)
	smooth(dy, p.W, p.H, k)
	warp(p, displacement{dx, dy})
}

// displacement says how far from each pixel what it shows lies, in pixels.
type displacement struct{ dx, dy []float32 }

func (d displacement) row(y int, xs, ys []float32) {
	dx, dy := d.dx[y*len(xs):][:len(xs)], d.dy[y*len(xs):][:len(xs)]
	for i := range xs {
		xs[i], ys[i] = float32(i)+dx[i], float32(y)+dy[i]
	}
}
