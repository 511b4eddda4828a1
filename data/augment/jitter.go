package augment

import (
	"math"

	"fovea/data"
	"fovea/device/philox"
)

func init() {
	Register(Kind{Name: "jitter", About: "brightness, contrast and saturation times up to 1-x to 1+x each, hue turned by up to HUE of the circle, in random order",
		Parameters: []Parameter{{Name: "BRIGHTNESS", Default: 0.4, High: 10}, {Name: "CONTRAST", Default: 0.4, High: 10},
			{Name: "SATURATION", Default: 0.4, High: 10}, {Name: "HUE", Default: 0.1, High: 0.5}},
		New: func(v []float64) (data.Transform, error) { return Jitter{v[0], v[1], v[2], v[3]}, nil }})
}

// Jitter changes a picture's colours as torchvision's ColorJitter does: brightness, contrast and saturation by a factor of
// 1-x (not below 0) to 1+x, and hue by -Hue to Hue of the circle, in random order. Only pictures of three channels have
// saturation and hue to change.
type Jitter struct{ Brightness, Contrast, Saturation, Hue float64 }

func (t Jitter) String() string {
	return text("jitter", t.Brightness, t.Contrast, t.Saturation, t.Hue)
}

func (t Jitter) Apply(p data.Picture, random *philox.Source) {
	factor := func(x float64) float32 { return float32(random.Uniform(max(0, 1-x), 1+x)) }
	brightness, contrast, saturation := factor(t.Brightness), factor(t.Contrast), factor(t.Saturation)
	hue := float32(random.Uniform(-t.Hue, t.Hue))
	for _, which := range random.Perm(4) {
		switch {
		case which == 0 && t.Brightness > 0:
			brighten(p, brightness)
		case which == 1 && t.Contrast > 0:
			stretch(p, contrast)
		case which == 2 && t.Saturation > 0:
			saturate(p, saturation)
		case which == 3 && t.Hue > 0:
			turnHue(p, hue)
		}
	}
}

func clip(v float32) float32 { return min(max(v, 0), 1) }

// What red, green and blue weigh in a grey, as ITU-R BT.601 has it and torchvision rounds it.
const redWeight, greenWeight, blueWeight = 0.2989, 0.587, 0.114

func grey(r, g, b float32) float32 {
	return float32(redWeight*r) + float32(greenWeight*g) + float32(blueWeight*b)
}

// colours returns the planes of a picture of red, green and blue.
func colours(p data.Picture) (r, g, b []float32, ok bool) {
	if p.C != 3 {
		return nil, nil, nil, false
	}
	return channel(p, 0), channel(p, 1), channel(p, 2), true
}

// brighten multiplies all values.
func brighten(p data.Picture, factor float32) {
	for i, v := range p.Values {
		p.Values[i] = clip(factor * v)
	}
}

// stretch multiplies how far values are from the mean of the grey picture.
func stretch(p data.Picture, factor float32) {
	sum := 0.0
	if r, g, b, ok := colours(p); ok {
		for i := range r {
			sum += float64(grey(r[i], g[i], b[i]))
		}
		sum /= float64(len(r))
	} else {
		for _, v := range p.Values {
			sum += float64(v)
		}
		sum /= float64(len(p.Values))
	}
	offset := (1 - factor) * float32(sum)
	for i, v := range p.Values {
		p.Values[i] = clip(float32(factor*v) + offset)
	}
}

// saturate multiplies how far colours are from their grey.
func saturate(p data.Picture, factor float32) {
	r, g, b, ok := colours(p)
	if !ok {
		return
	}
	g, b = g[:len(r)], b[:len(r)]
	for i := range r {
		offset := (1 - factor) * grey(r[i], g[i], b[i])
		r[i], g[i], b[i] = clip(float32(factor*r[i])+offset), clip(float32(factor*g[i])+offset), clip(float32(factor*b[i])+offset)
	}
}

// turnHue adds to the hue, which is a place on a circle of length 1: red at 0, green at 1/3, blue at 2/3.
func turnHue(p data.Picture, turn float32) {
	r, g, b, ok := colours(p)
	if !ok {
		return
	}
	g, b = g[:len(r)], b[:len(r)]
	for i := range r {
		most, least := max(r[i], g[i], b[i]), min(r[i], g[i], b[i])
		chroma := most - least
		if chroma == 0 { // grey has no hue
			continue
		}
		var h float32 // in sixths
		switch most {
		case r[i]:
			h = (g[i] - b[i]) / chroma
		case g[i]:
			h = 2 + (b[i]-r[i])/chroma
		default:
			h = 4 + (r[i]-g[i])/chroma
		}
		h += 6*turn + 12
		h -= 6 * float32(math.Floor(float64(h/6)))
		// The corners of a hexagon: between two of them one colour rises or falls while one is at its most, one at its least.
		r[i] = least + float32(chroma*share(h+5))
		g[i] = least + float32(chroma*share(h+3))
		b[i] = least + float32(chroma*share(h+1))
	}
}

// share is how much of the chroma a colour has whose place on the hexagon is h past the end of its own 0: 0 for two sixths,
// rising for one, 1 for two, falling for one.
func share(h float32) float32 {
	if h >= 6 {
		h -= 6
	}
	return 1 - max(0, min(h, 4-h, 1))
}
