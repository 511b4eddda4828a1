package network

import (
	"image"

	"fovea/data"
)

// Picture draws a sample as the network takes it, with the set's mean and deviation put back: of one channel in grey, else the
// first three as colours.
func Picture(info data.Info, x []float32) *image.NRGBA {
	c, h, w := info.Sample[0], info.Sample[1], info.Sample[2]
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for at := range h * w {
		for k := range 3 {
			from := min(k, c-1)
			v := x[from*h*w+at]
			if len(info.Mean) > 0 {
				v = v*info.Deviation[from] + info.Mean[from]
			}
			m.Pix[4*at+k] = uint8(255*min(max(v, 0), 1) + 0.5)
		}
		m.Pix[4*at+3] = 255
	}
	return m
}
