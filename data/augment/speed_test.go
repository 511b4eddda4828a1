package augment

import (
	"fmt"
	"math"
	"testing"

	"fovea/data"
	"fovea/device/philox"
)

// pictureOf makes a picture of noise in 0..1.
func pictureOf(c, h, w int, seed uint64) data.Picture {
	random := philox.NewSource(philox.Stream{Seed: seed})
	p := data.Picture{C: c, H: h, W: w, Values: make([]float32, c*h*w)}
	for i := range p.Values {
		p.Values[i] = float32(random.Float64())
	}
	return p
}

// BenchmarkTransform makes each transform once for each picture, whatever the probability that its default has.
func BenchmarkTransform(b *testing.B) {
	always := map[string]string{"flip": "flip:1", "vflip": "vflip:1", "perspective": "perspective:0.5/1", "gray": "gray:1", "erase": "erase:1", "blur": "blur:0.1/2/1"}
	for _, side := range []int{224, 32} {
		p := pictureOf(3, side, side, 1)
		run := func(name string, f func(random *philox.Source)) {
			b.Run(fmt.Sprintf("%s/3x%dx%d", name, side, side), func(b *testing.B) {
				b.SetBytes(int64(4 * len(p.Values)))
				b.ReportAllocs()
				for i := range b.N {
					f(philox.NewSource(philox.Stream{ID: uint64(i)}))
				}
			})
		}
		other := make([]float32, len(p.Values))
		run("copy", func(*philox.Source) { copy(other, p.Values) })
		run("bilinear", func(random *philox.Source) { bilinear(p, other, random.Uniform(-15, 15)) })
		for _, k := range Kinds() {
			spec, changed := always[k.Name]
			if !changed {
				spec = k.Default()
			}
			made, err := Parse(spec)
			if err != nil {
				b.Fatal(err)
			}
			run(k.Name, func(random *philox.Source) { made[0].Apply(p, random) })
		}
	}
}

// bilinear is a rotation as one would write it without a thought of speed: what warp is to be measured against.
func bilinear(p data.Picture, out []float32, degrees float64) {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	cx, cy := float64(p.W-1)/2, float64(p.H-1)/2
	for c := range p.C {
		at := func(x, y int) float32 {
			if x < 0 || y < 0 || x >= p.W || y >= p.H {
				return 0
			}
			return p.Values[(c*p.H+y)*p.W+x]
		}
		for y := range p.H {
			for x := range p.W {
				dx, dy := float64(x)-cx, float64(y)-cy
				u, v := cos*dx-sin*dy+cx, sin*dx+cos*dy+cy
				x0, y0 := int(math.Floor(u)), int(math.Floor(v))
				fx, fy := float32(u-float64(x0)), float32(v-float64(y0))
				a := at(x0, y0)*(1-fx) + at(x0+1, y0)*fx
				b := at(x0, y0+1)*(1-fx) + at(x0+1, y0+1)*fx
				out[(c*p.H+y)*p.W+x] = a*(1-fy) + b*fy
			}
		}
	}
}
