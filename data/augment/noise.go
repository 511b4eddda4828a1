package augment

import (
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "noise", About: "normal noise of that DEVIATION added to each value",
		Parameters: []Parameter{{Name: "DEVIATION", Default: 0.05, High: 10}},
		New:        func(v []float64) (data.Transform, error) { return Noise{v[0]}, nil }})
}

// Noise adds a normal number of mean 0 to each value.
type Noise struct{ Deviation float64 }

func (t Noise) String() string { return text("noise", t.Deviation) }

func (t Noise) Apply(p data.Picture, random *philox.Source) {
	deviation := float32(t.Deviation)
	for i, v := range p.Values {
		p.Values[i] = clip(v + float32(deviation*normal(random)))
	}
}

// The ziggurat of Marsaglia and Tsang (2000): 128 layers of one area under exp(-x*x/2), from the lowest, which has the tail
// beyond zigguratEnd too and is number 0, and the next, number 127, up to number 1.
const (
	zigguratEnd  = 3.442619855899
	zigguratArea = 9.91256303526217e-3 // of a layer
)

// edge is where a layer ends (number 0: where it would if the tail were part of the rectangle), within the share of that
// below the layer above, foot the density at the edge; foot[0] is the top of all.
var ziggurat struct {
	edge, within [128]float32
	foot         [128]float64
}

func init() {
	z := &ziggurat
	density := func(x float64) float64 { return math.Exp(-x * x / 2) }
	x := zigguratEnd
	z.edge[0], z.within[0], z.foot[0] = float32(zigguratArea/density(x)), float32(x*density(x)/zigguratArea), 1
	z.edge[127], z.foot[127] = float32(x), density(x)
	for i := 126; i > 0; i-- {
		below := x
		x = math.Sqrt(-2 * math.Log(zigguratArea/x+density(x)))
		z.edge[i], z.foot[i], z.within[i+1] = float32(x), density(x), float32(x/below)
	}
}

// normal draws a normal number, most often from a single random number: several times as fast as Source.Normal.
func normal(random *philox.Source) float32 {
	z := &ziggurat
	for {
		bits := random.Uint32()
		layer := bits & 127
		u := float32(int32(bits)>>7) / (1 << 24) // -1 to 1, of the bits that do not choose the layer
		x := u * z.edge[layer]
		if w := z.within[layer]; u > -w && u < w {
			return x
		}
		if layer == 0 {
			return tail(u, random)
		}
		foot, top := z.foot[layer], z.foot[layer-1]
		if foot+random.Float64()*(top-foot) < math.Exp(-float64(x)*float64(x)/2) {
			return x
		}
	}
}

// tail draws what is beyond the ziggurat's end, with the sign of u.
func tail(u float32, random *philox.Source) float32 {
	exponential := func() float64 { return -math.Log((float64(random.Uint32()) + 0.5) / (1 << 32)) }
	for {
		x := exponential() / zigguratEnd
		if 2*exponential() > x*x {
			return float32(math.Copysign(zigguratEnd+x, float64(u)))
		}
	}
}
