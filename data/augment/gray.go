package augment

import (
	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "gray", About: "without colour, with probability P", Parameters: []Parameter{chance(0.1)},
		New: func(v []float64) (data.Transform, error) { return Gray{v[0]}, nil }})
}

// Gray takes the colour out of a picture, with probability P; it keeps its three channels.
type Gray struct{ P float64 }

func (t Gray) String() string { return text("gray", t.P) }

func (t Gray) Apply(p data.Picture, random *philox.Source) {
	if random.Float64() < t.P {
		fade(p)
	}
}

func fade(p data.Picture) {
	r, g, b, ok := colours(p)
	if !ok {
		return
	}
	for i := range r {
		v := grey(r[i], g[i], b[i])
		r[i], g[i], b[i] = v, v, v
	}
}
