package raster

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// whole is the window of all of a picture.
func whole(w, h int) Window {
	return Window{X: Span{Length: float64(w), High: w}, Y: Span{Length: float64(h), High: h}}
}

// resized is the definition: every output is the weighted mean of all pixels of a plane, by triangles as wide as the
// window's pixels are dense, in float64.
func resized(at func(x, y int) float64, win Window, width, height int) []float64 {
	weights := func(s Span, n, o int) map[int]float64 {
		scale := s.Length / float64(n)
		centre, wide, total := s.From+(float64(o)+0.5)*scale, max(scale, 1), 0.0
		w := map[int]float64{}
		for p := s.Low; p < s.High; p++ {
			if v := 1 - math.Abs(float64(p)+0.5-centre)/wide; v > 0 {
				w[p], total = v, total+v
			}
		}
		for p := range w {
			w[p] /= total
		}
		return w
	}
	out := make([]float64, width*height)
	for y := range height {
		for x := range width {
			for py, wy := range weights(win.Y, height, y) {
				for px, wx := range weights(win.X, width, x) {
					out[y*width+x] += wy * wx * at(px, py)
				}
			}
		}
	}
	return out
}

// pictureOf has random pixels; its bounds do not begin at 0.
func pictureOf(kind string, w, h int, random *philox.Source) image.Image {
	r := image.Rect(6, 4, 6+w, 4+h)
	fill := func(m draw.Image) image.Image {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				v := random.Uint32()
				m.Set(x, y, color.NRGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), uint8(255 - v>>31*(v>>24&127))})
			}
		}
		return m
	}
	switch kind {
	case "grey":
		return fill(image.NewGray(r))
	case "grey16":
		return fill(image.NewGray16(r))
	case "nrgba":
		return fill(image.NewNRGBA(r))
	case "rgba64":
		return fill(image.NewRGBA64(r))
	case "palette":
		return fill(image.NewPaletted(r, color.Palette{color.Black, color.White, color.NRGBA{200, 10, 30, 255}, color.NRGBA{10, 20, 200, 255}}))
	}
	ratio := map[string]image.YCbCrSubsampleRatio{"444": image.YCbCrSubsampleRatio444, "422": image.YCbCrSubsampleRatio422,
		"420": image.YCbCrSubsampleRatio420, "440": image.YCbCrSubsampleRatio440, "411": image.YCbCrSubsampleRatio411}[kind]
	m := image.NewYCbCr(r, ratio)
	for i := range m.Y {
		m.Y[i] = uint8(80 + random.Intn(96)) // colours that stay within 0..255
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(116+random.Intn(24)), uint8(116+random.Intn(24))
	}
	return m
}

// Every kind of picture becomes what the definition says of its red, green and blue, at any size. Colour of a quarter of
// the resolution is first spread as libjpeg does it, so that its definition is of a spread plane.
func TestResize(t *testing.T) {
	random := philox.NewSource(philox.Stream{Seed: 6})
	var r Resizer
	var p Planes
	for _, kind := range []string{"grey", "grey16", "nrgba", "rgba64", "palette", "444", "422", "420", "440", "411"} {
		for _, size := range [][4]int{{20, 14, 8, 9}, {7, 9, 7, 9}, {5, 4, 12, 13}, {64, 31, 3, 5}, {1, 1, 4, 4}, {40, 3, 4, 1}} {
			w, h, outW, outH := size[0], size[1], size[2], size[3]
			m := pictureOf(kind, w, h, random)
			windows := []Window{whole(w, h)}
			if w > 12 && h > 12 {
				windows = append(windows, Window{X: Span{3, 9, 3, 12}, Y: Span{5, 8, 5, 13}}, Window{X: Span{2.5, 7.25, 0, 13}, Y: Span{1.75, 6.5, 0, 11}})
			}
			for _, win := range windows {
				p.Take(m, win.Region())
				got := make([]float32, 3*outW*outH)
				r.Resize(&p, win, 3, outH, outW, got)
				for c := range 3 {
					want := resized(func(x, y int) float64 { return value(m, x, y, c) }, win, outW, outH)
					for i, v := range want {
						// 8 bits of a vertical weight, of four or more of them: 0.5/256 of the difference of pixels each
						require.InDelta(t, v, 255*float64(got[c*outW*outH+i]), 1.5, "%s %v, window %+v, channel %d, output %d", kind, size, win, c, i)
					}
				}
			}
		}
	}
}

// value is red, green or blue of a pixel of a picture, on black; of YCbCr after spreading the colour.
func value(m image.Image, x, y, c int) float64 {
	b := m.Bounds()
	if ycc, is := m.(*image.YCbCr); is && ycc.SubsampleRatio != image.YCbCrSubsampleRatio411 {
		across, down, _ := sampling(ycc)
		l := float64(ycc.Y[ycc.YOffset(b.Min.X+x, b.Min.Y+y)])
		u, v := spread(ycc, ycc.Cb, x, y, across, down)-128, spread(ycc, ycc.Cr, x, y, across, down)-128
		return []float64{l + 1.402*v, l - 0.344136*u - 0.714136*v, l + 1.772*u}[c]
	}
	red, green, blue, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
	return float64([]uint32{red, green, blue}[c] >> 8)
}

// spread is a sample of colour at a pixel: 3/4 of its own and 1/4 of the near one, along each axis of half the resolution.
func spread(m *image.YCbCr, plane []uint8, x, y, across, down int) float64 {
	w, h := (m.Rect.Dx()+across-1)/across, (m.Rect.Dy()+down-1)/down
	along := func(p, every, n int) (own, near int) {
		if every == 1 {
			return p, p
		}
		return p / 2, min(max(p/2-1+p%2*2, 0), n-1)
	}
	x0, x1 := along(x, across, w)
	y0, y1 := along(y, down, h)
	at := func(x, y int) float64 { return float64(plane[y*m.CStride+x]) }
	return 0.75*(0.75*at(x0, y0)+0.25*at(x1, y0)) + 0.25*(0.75*at(x0, y1)+0.25*at(x1, y1))
}

// A sample of a picture's own size is the picture.
func TestSameSizeIsExact(t *testing.T) {
	m := pictureOf("grey", 9, 7, philox.NewSource(philox.Stream{Seed: 8})).(*image.Gray)
	var r Resizer
	var p Planes
	p.Take(m, image.Rect(0, 0, 9, 7))
	got := make([]float32, 63)
	r.Resize(&p, whole(9, 7), 1, 7, 9, got)
	for i, v := range got {
		require.InDelta(t, float64(m.Pix[i])/255, v, 1e-7, "pixel %d", i)
	}
	colour := make([]float32, 3*63)
	r.Resize(&p, whole(9, 7), 3, 7, 9, colour)
	require.Equal(t, got, colour[126:])
}
