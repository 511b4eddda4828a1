package augment

import (
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "perspective", About: "seen from the side, with probability P: each corner moves inwards by up to DISTORTION of half the picture",
		Parameters: []Parameter{{Name: "DISTORTION", Default: 0.5, High: 1}, chance(0.5)},
		New:        func(v []float64) (data.Transform, error) { return Perspective{v[0], v[1]}, nil }})
}

// Perspective moves, with probability P, each corner of a picture inwards by up to Distortion of half its width and height.
type Perspective struct{ Distortion, P float64 }

func (t Perspective) String() string { return text("perspective", t.Distortion, t.P) }

func (t Perspective) Apply(p data.Picture, random *philox.Source) {
	if random.Float64() >= t.P {
		return
	}
	if m, ok := perspective(p, t.corners(p.W, p.H, random)); ok {
		warp(p, m)
	}
}

// corners draws where the corner pixels of a picture go: top left, top right, bottom right, bottom left.
func (t Perspective) corners(width, height int, random *philox.Source) (corners [4][2]float64) {
	w, h := int(t.Distortion*float64(width/2))+1, int(t.Distortion*float64(height/2))+1
	for i := range corners {
		x, y := random.Intn(w), random.Intn(h)
		if i == 1 || i == 2 {
			x = width - 1 - x
		}
		if i >= 2 {
			y = height - 1 - y
		}
		corners[i] = [2]float64{float64(x), float64(y)}
	}
	return corners
}

// projection maps places of the result to those of the picture: x' = (m[0] x + m[1] y + m[2]) / (m[6] x + m[7] y + 1), y'
// with m[3] to m[5]. Places of the projection are half a pixel more than those of a mapping.
type projection [8]float64

func (m *projection) row(y int, xs, ys []float32) {
	v := float64(y) + 0.5
	x0, y0, z0 := m[1]*v+m[2], m[4]*v+m[5], m[7]*v+1
	for i := range xs {
		u := float64(i) + 0.5
		z := 1 / (z0 + float64(m[6]*u)) // on the horizon a division by zero, which warp takes for outside
		xs[i], ys[i] = float32(float64((x0+float64(m[0]*u))*z)-0.5), float32(float64((y0+float64(m[3]*u))*z)-0.5)
	}
}

// perspective is the projection with which the picture's corner pixels come to lie at the given places. There is none if
// three of those are in a line.
func perspective(p data.Picture, corners [4][2]float64) (*projection, bool) {
	right, bottom := float64(p.W-1), float64(p.H-1)
	var system [8][9]float64
	for i, from := range [4][2]float64{{0, 0}, {right, 0}, {right, bottom}, {0, bottom}} {
		x, y := corners[i][0], corners[i][1]
		system[2*i] = [9]float64{x, y, 1, 0, 0, 0, -from[0] * x, -from[0] * y, from[0]}
		system[2*i+1] = [9]float64{0, 0, 0, x, y, 1, -from[1] * x, -from[1] * y, from[1]}
	}
	m, ok := solve(&system)
	return (*projection)(m), ok
}

// solve is Gaussian elimination with the largest pivot of each column.
func solve(s *[8][9]float64) (*[8]float64, bool) {
	for k := range s {
		pivot := k
		for r := k + 1; r < len(s); r++ {
			if math.Abs(s[r][k]) > math.Abs(s[pivot][k]) {
				pivot = r
			}
		}
		s[k], s[pivot] = s[pivot], s[k]
		if math.Abs(s[k][k]) < 1e-9 {
			return nil, false
		}
		for r := range s {
			if r == k {
				continue
			}
			factor := s[r][k] / s[k][k]
			for c := k; c < len(s[r]); c++ {
				s[r][c] -= float64(factor * s[k][c])
			}
		}
	}
	var x [8]float64
	for k := range x {
		x[k] = s[k][8] / s[k][k]
	}
	return &x, true
}
