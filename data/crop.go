package data

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"fovea/data/internal/raster"
	"fovea/device/philox"
)

// Crop is which part of a picture becomes a sample, to whose size it is resized.
type Crop interface {
	// String is the crop as the user writes it.
	String() string
	// window is the part of a picture of w by h pixels, for a sample of width by height. random may be nil for crops that
	// draw nothing.
	window(w, h, width, height int, random *philox.Source) raster.Window
}

// Stretched takes the whole picture, whatever its shape.
type Stretched struct{}

// Centred resizes a picture so that its shorter side has that many pixels, and takes the middle.
type Centred struct{ Shorter int }

// Shifted resizes a picture so that its shorter side has that many pixels, and takes a part anywhere.
type Shifted struct{ Shorter int }

// Resized takes a part of random size, shape and place: Low to High of the area, wide as high or up to 4/3 of that or as
// little as 3/4 (Szegedy and others, "Going Deeper with Convolutions", 2014; torchvision's RandomResizedCrop).
type Resized struct{ Low, High float64 }

// CropForms are what ParseCrop understands.
const CropForms = "resized, resized:LOW:HIGH, shifted:N, centred:N or stretched"

// ParseCrop reads a crop as the user writes it: "resized" (0.08 to 1 of the area), "resized:0.3:1", "shifted:256",
// "centred:256", "stretched".
func ParseCrop(text string) (Crop, error) {
	name, argument, given := strings.Cut(text, ":")
	wrong := fmt.Errorf("crop %q, expected %s", text, CropForms)
	switch {
	case name == "stretched" && !given:
		return Stretched{}, nil
	case name == "resized" && !given:
		return Resized{0.08, 1}, nil
	case name == "resized":
		a, b, _ := strings.Cut(argument, ":")
		low, err1 := strconv.ParseFloat(a, 64)
		high, err2 := strconv.ParseFloat(b, 64)
		if err1 != nil || err2 != nil || !(0 < low && low <= high && high <= 1) {
			return nil, fmt.Errorf("%w, with 0 < LOW <= HIGH <= 1", wrong)
		}
		return Resized{low, high}, nil
	case name == "shifted" || name == "centred":
		n, err := strconv.Atoi(argument)
		if err != nil || n < 1 || n > maxSide {
			return nil, fmt.Errorf("%w, with N of 1 to %d pixels", wrong, maxSide)
		}
		if name == "shifted" {
			return Shifted{n}, nil
		}
		return Centred{n}, nil
	}
	return nil, wrong
}

func (Stretched) String() string { return "stretched" }
func (c Centred) String() string { return fmt.Sprintf("centred:%d", c.Shorter) }
func (c Shifted) String() string { return fmt.Sprintf("shifted:%d", c.Shorter) }
func (c Resized) String() string { return fmt.Sprintf("resized:%v:%v", c.Low, c.High) }

// part is a window that looks at nothing outside itself.
func part(x, y, w, h int) raster.Window {
	return raster.Window{X: raster.Span{From: float64(x), Length: float64(w), Low: x, High: x + w},
		Y: raster.Span{From: float64(y), Length: float64(h), Low: y, High: y + h}}
}

func (Stretched) window(w, h, _, _ int, _ *philox.Source) raster.Window { return part(0, 0, w, h) }

func (c Centred) window(w, h, width, height int, _ *philox.Source) raster.Window {
	return scaled(w, h, width, height, c.Shorter, func(room int) float64 { return math.RoundToEven(float64(room) / 2) })
}

func (c Shifted) window(w, h, width, height int, random *philox.Source) raster.Window {
	return scaled(w, h, width, height, c.Shorter, func(room int) float64 {
		if room <= 0 {
			return math.RoundToEven(float64(room) / 2)
		}
		return float64(random.Intn(room + 1))
	})
}

// scaled is the window of width by height pixels in the picture that has been resized to a shorter side. It is said in
// pixels of the picture itself, so that it is resized only once and only where it is needed. place chooses where it begins,
// along an axis that has so much room; a picture too small for it is enlarged until it is not.
func scaled(w, h, width, height, shorter int, place func(room int) float64) raster.Window {
	newW, newH := shorter, shorter // as torchvision rounds them
	if w < h {
		newH = max(1, int(float64(shorter)*float64(h)/float64(w)))
	} else if h < w {
		newW = max(1, int(float64(shorter)*float64(w)/float64(h)))
	}
	newW, newH = max(newW, width), max(newH, height)
	y := place(newH - height)
	x := place(newW - width)
	around := func(at float64, sample, resized, size int) raster.Span {
		scale := float64(size) / float64(resized)
		s := raster.Span{From: at * scale, Length: float64(sample) * scale}
		reach := max(scale, 1) + 1 // of the filter, beyond the window
		s.Low, s.High = max(int(s.From-reach), 0), min(int(math.Ceil(s.From+s.Length+reach)), size)
		return s
	}
	return raster.Window{X: around(x, width, newW, w), Y: around(y, height, newH, h)}
}

func (c Resized) window(w, h, width, height int, random *philox.Source) raster.Window {
	// The shape is drawn about that of the sample, which torchvision takes to be square.
	low, high, shape := math.Log(3.0/4), math.Log(4.0/3), float64(width)/float64(height)
	area := float64(w) * float64(h)
	for range 10 {
		wanted := area * random.Uniform(c.Low, c.High)
		ratio := shape * math.Exp(random.Uniform(low, high))
		cw, ch := int(math.RoundToEven(math.Sqrt(wanted*ratio))), int(math.RoundToEven(math.Sqrt(wanted/ratio)))
		if 0 < cw && cw <= w && 0 < ch && ch <= h {
			y := random.Intn(h - ch + 1)
			return part(random.Intn(w-cw+1), y, cw, ch)
		}
	}
	// The middle, as much of it as the shapes allow.
	cw, ch := w, h
	if least := shape * 3 / 4; float64(w)/float64(h) < least {
		ch = min(max(int(math.RoundToEven(float64(w)/least)), 1), h)
	} else if most := shape * 4 / 3; float64(w)/float64(h) > most {
		cw = min(max(int(math.RoundToEven(float64(h)*most)), 1), w)
	}
	return part((w-cw)/2, (h-ch)/2, cw, ch)
}
