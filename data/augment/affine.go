package augment

import (
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "rotate", About: "turned about its middle by up to DEGREES either way",
		Parameters: []Parameter{{Name: "DEGREES", Default: 15, High: 180}},
		New:        func(v []float64) (data.Transform, error) { return Rotate{v[0]}, nil }})
	Register(Kind{Name: "affine", About: "turned by up to DEGREES, moved by up to SHARE, larger by 1-SCALE to 1+SCALE, sheared along x by up to SHEAR degrees",
		Parameters: []Parameter{{Name: "DEGREES", Default: 10, High: 180}, {Name: "SHARE", Default: 0.1, High: 1},
			{Name: "SCALE", Default: 0.1, High: 0.95}, {Name: "SHEAR", Default: 10, High: 80}},
		New: func(v []float64) (data.Transform, error) { return Affine{v[0], v[1], v[2], v[3]}, nil }})
}

// Rotate turns a picture about its middle by -Degrees to Degrees.
type Rotate struct{ Degrees float64 }

func (t Rotate) String() string { return text("rotate", t.Degrees) }

func (t Rotate) Apply(p data.Picture, random *philox.Source) {
	warp(p, rotation(p, random.Uniform(-t.Degrees, t.Degrees)))
}

// Affine turns, moves, scales and shears a picture about its middle: by -Degrees to Degrees; by up to Share of width and
// height, in whole pixels; by a factor of 1-Scale to 1+Scale; and along x by -Shear to Shear degrees.
type Affine struct{ Degrees, Share, Scale, Shear float64 }

func (t Affine) String() string { return text("affine", t.Degrees, t.Share, t.Scale, t.Shear) }

func (t Affine) Apply(p data.Picture, random *philox.Source) {
	degrees := random.Uniform(-t.Degrees, t.Degrees)
	dx, dy := drawShift(p, t.Share, random)
	scale := random.Uniform(1-t.Scale, 1+t.Scale)
	warp(p, affine(p, degrees, float64(dx), float64(dy), scale, random.Uniform(-t.Shear, t.Shear), 0))
}

// matrix maps places of the result to those of the picture: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
type matrix [6]float64

func (m *matrix) row(y int, xs, ys []float32) {
	x0, y0 := m[1]*float64(y)+m[2], m[4]*float64(y)+m[5]
	for i := range xs {
		x := float64(i)
		xs[i], ys[i] = float32(x0+float64(m[0]*x)), float32(y0+float64(m[3]*x))
	}
}

// rotation turns the picture counter-clockwise.
func rotation(p data.Picture, degrees float64) *matrix { return affine(p, -degrees, 0, 0, 1, 0, 0) }

// affine is the inverse of: shear by shearX and shearY degrees, turn clockwise, scale, all about the middle, then move by dx
// and dy. It is torchvision's _get_inverse_affine_matrix, which see for the derivation.
func affine(p data.Picture, degrees, dx, dy, scale, shearX, shearY float64) *matrix {
	const radian = math.Pi / 180
	turn, sx, sy := degrees*radian, shearX*radian, shearY*radian
	a := math.Cos(turn-sy) / math.Cos(sy)
	b := -a*math.Tan(sx) - math.Sin(turn)
	c := math.Sin(turn-sy) / math.Cos(sy)
	d := -c*math.Tan(sx) + math.Cos(turn)
	m := matrix{d / scale, -b / scale, 0, -c / scale, a / scale, 0}
	cx, cy := float64(p.W-1)/2, float64(p.H-1)/2
	m[2] = cx - m[0]*(cx+dx) - m[1]*(cy+dy)
	m[5] = cy - m[3]*(cx+dx) - m[4]*(cy+dy)
	return &m
}
