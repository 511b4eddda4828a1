package augment

import (
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "crop", About: "a border of PIXELS zeros all round, then a random part of the picture's size",
		Parameters: []Parameter{{Name: "PIXELS", Default: 4, High: 4096, Whole: true}},
		New:        func(v []float64) (data.Transform, error) { return Crop{int(v[0])}, nil }})
	Register(Kind{Name: "translate", About: "moved by up to that SHARE of width and height, whole pixels, zeros moving in",
		Parameters: []Parameter{{Name: "SHARE", Default: 0.1, High: 1}},
		New:        func(v []float64) (data.Transform, error) { return Translate{v[0]}, nil }})
}

// Crop pads a picture with Pixels zeros on each side and cuts a part of its old size out of that: the form in which CIFAR
// is trained (Lee and others, 2015).
type Crop struct{ Pixels int }

func (t Crop) String() string { return text("crop", float64(t.Pixels)) }

func (t Crop) Apply(p data.Picture, random *philox.Source) {
	places := 2*t.Pixels + 1
	dy := t.Pixels - random.Intn(places)
	shift(p, t.Pixels-random.Intn(places), dy)
}

// Translate moves a picture by whole pixels, up to Share of its width and height either way.
type Translate struct{ Share float64 }

func (t Translate) String() string { return text("translate", t.Share) }

func (t Translate) Apply(p data.Picture, random *philox.Source) {
	dx, dy := drawShift(p, t.Share, random)
	shift(p, dx, dy)
}

// drawShift rounds a uniform number of pixels, as torchvision does: the ends are half as likely as what lies between.
func drawShift(p data.Picture, share float64, random *philox.Source) (dx, dy int) {
	draw := func(size int) int { return int(math.Round(random.Uniform(-share, share) * float64(size))) }
	dx = draw(p.W)
	return dx, draw(p.H)
}

// shift moves a picture dx to the right and dy down; zeros move in.
func shift(p data.Picture, dx, dy int) {
	dx, dy = min(max(dx, -p.W), p.W), min(max(dy, -p.H), p.H)
	left, right := max(dx, 0), min(p.W+dx, p.W) // columns that get something
	for c := range p.C {
		plane := channel(p, c)
		for i := range p.H {
			y := i
			if dy > 0 { // rows are read before they are written
				y = p.H - 1 - i
			}
			row := plane[y*p.W : (y+1)*p.W]
			if from := y - dy; from >= 0 && from < p.H {
				copy(row[left:right], plane[from*p.W+left-dx:])
				clear(row[:left])
				clear(row[right:])
			} else {
				clear(row)
			}
		}
	}
}
