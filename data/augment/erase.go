package augment

import (
	"errors"
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "erase", About: "a rectangle of LOW to HIGH of the area, RATIO to 1/RATIO as high as wide, made zero, the mean or random, with probability P",
		Parameters: []Parameter{chance(0.5), {Name: "LOW", Default: 0.02, High: 1}, {Name: "HIGH", Default: 0.33, High: 1},
			{Name: "RATIO", Default: 0.3, Low: 0.01, High: 1}, {Name: "FILL", Words: []string{"zero", "mean", "random"}}},
		New: func(v []float64) (data.Transform, error) {
			if v[1] > v[2] {
				return nil, errors.New("LOW is above HIGH")
			}
			return Erase{v[0], v[1], v[2], v[3], Fill(v[4])}, nil
		}})
}

// Fill is what covers an erased rectangle.
type Fill int

const (
	Zero   Fill = iota // black
	Mean               // the mean of each channel of the picture
	Random             // a uniform number for each value
)

// Erase covers, with probability P, a random rectangle of Low to High of a picture's area whose height over width is Ratio to
// 1/Ratio, uniform in its logarithm (Zhong and others, 2017; drawn as torchvision does). After ten rectangles that do not fit
// the picture is left as it is.
type Erase struct {
	P, Low, High, Ratio float64
	Fill                Fill
}

func (t Erase) String() string { return text("erase", t.P, t.Low, t.High, t.Ratio, float64(t.Fill)) }

func (t Erase) Apply(p data.Picture, random *philox.Source) {
	if random.Float64() >= t.P {
		return
	}
	for range 10 {
		area := float64(p.H*p.W) * random.Uniform(t.Low, t.High)
		ratio := math.Exp(random.Uniform(math.Log(t.Ratio), -math.Log(t.Ratio)))
		h, w := int(math.RoundToEven(math.Sqrt(area*ratio))), int(math.RoundToEven(math.Sqrt(area/ratio)))
		if h >= p.H || w >= p.W {
			continue
		}
		y, x := random.Intn(p.H-h+1), random.Intn(p.W-w+1)
		for c := range p.C {
			t.cover(channel(p, c), p.W, y, x, h, w, random)
		}
		return
	}
}

func (t Erase) cover(plane []float32, stride, y, x, h, w int, random *philox.Source) {
	var value float32
	if t.Fill == Mean {
		sum := 0.0
		for _, v := range plane {
			sum += float64(v)
		}
		value = float32(sum / float64(len(plane)))
	}
	for row := y; row < y+h; row++ {
		part := plane[row*stride+x:][:w]
		for i := range part {
			if t.Fill == Random {
				value = float32(random.Float64())
			}
			part[i] = value
		}
	}
}
