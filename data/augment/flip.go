package augment

import (
	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "flip", About: "left and right change places, with probability P", Parameters: []Parameter{chance(0.5)},
		New: func(v []float64) (data.Transform, error) { return Flip{v[0]}, nil }})
	Register(Kind{Name: "vflip", About: "top and bottom change places, with probability P", Parameters: []Parameter{chance(0.5)},
		New: func(v []float64) (data.Transform, error) { return VerticalFlip{v[0]}, nil }})
}

// Flip mirrors a picture left to right, with probability P.
type Flip struct{ P float64 }

func (t Flip) String() string { return text("flip", t.P) }

func (t Flip) Apply(p data.Picture, random *philox.Source) {
	if random.Float64() < t.P {
		mirror(p)
	}
}

func mirror(p data.Picture) {
	for from := 0; from < len(p.Values); from += p.W {
		row := p.Values[from : from+p.W]
		other := row[len(row)-len(row)/2:]
		for i := range other {
			j := len(other) - 1 - i
			row[i], other[j] = other[j], row[i]
		}
	}
}

// VerticalFlip mirrors a picture top to bottom, with probability P.
type VerticalFlip struct{ P float64 }

func (t VerticalFlip) String() string { return text("vflip", t.P) }

func (t VerticalFlip) Apply(p data.Picture, random *philox.Source) {
	if random.Float64() < t.P {
		turnOver(p)
	}
}

func turnOver(p data.Picture) {
	s := borrow(p.W)
	defer s.giveBack()
	for c := range p.C {
		plane := channel(p, c)
		for y := range p.H / 2 {
			above, below := plane[y*p.W:(y+1)*p.W], plane[(p.H-1-y)*p.W:(p.H-y)*p.W]
			copy(s.values, above)
			copy(above, below)
			copy(below, s.values)
		}
	}
}
