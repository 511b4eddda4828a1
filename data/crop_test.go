package data

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

func TestParseCrop(t *testing.T) {
	for text, want := range map[string]Crop{
		"resized": Resized{0.08, 1}, "resized:0.25:1": Resized{0.25, 1}, "shifted:256": Shifted{256}, "centred:40": Centred{40}, "stretched": Stretched{},
	} {
		got, err := ParseCrop(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := ParseCrop(got.String())
		require.NoError(t, err, text)
		require.Equal(t, want, again, text)
	}
	for _, text := range []string{"", "crop", "resized:", "resized:1", "resized:0:1", "resized:0.5:0.2", "resized:0.5:2", "resized:nan:1", "shifted", "shifted:0", "centred:x", "centred:99999999", "stretched:1"} {
		_, err := ParseCrop(text)
		require.ErrorContains(t, err, "expected resized, resized:LOW:HIGH, shifted:N, centred:N or stretched", text)
	}
}

// Windows lie within their picture, whatever its shape, and the share of the area is even between the bounds.
func TestWindows(t *testing.T) {
	random := philox.NewSource(philox.Stream{Seed: 5})
	for _, size := range [][2]int{{500, 375}, {375, 500}, {1, 1}, {3, 1000}, {1000, 3}, {224, 224}, {2, 2}, {65535, 1}} {
		w, h := size[0], size[1]
		var areas float64
		const n = 400
		for range n {
			for _, crop := range []Crop{Resized{0.08, 1}, Shifted{40}, Centred{40}, Stretched{}} {
				win := crop.window(w, h, 32, 30, random)
				require.True(t, 0 <= win.X.Low && win.X.Low < win.X.High && win.X.High <= w, "%v of %v: %+v", crop, size, win)
				require.True(t, 0 <= win.Y.Low && win.Y.Low < win.Y.High && win.Y.High <= h, "%v of %v: %+v", crop, size, win)
				require.True(t, -1e-9 <= win.X.From && win.X.Length > 0 && win.X.From+win.X.Length <= float64(w)+1e-9, "%v of %v: %+v", crop, size, win)
				require.True(t, -1e-9 <= win.Y.From && win.Y.Length > 0 && win.Y.From+win.Y.Length <= float64(h)+1e-9, "%v of %v: %+v", crop, size, win)
				if _, is := crop.(Resized); is && w == 500 {
					share := win.X.Length * win.Y.Length / float64(w*h)
					ratio := win.X.Length / win.Y.Length
					require.True(t, 0.079 < share && share <= 1 && 0.78 < ratio && ratio < 1.45, "%v: share %v, ratio %v", win, share, ratio) // about 32/30
					areas += share
				}
			}
		}
		if w == 500 {
			// A share is uniform in 0.08 to 1, and drawn again if at its shape it is too large for the picture.
			var sum, weight float64
			for k := range 1000 {
				ratio := 32.0 / 30 * math.Exp(math.Log(3.0/4)+(float64(k)+0.5)/1000*math.Log(16.0/9))
				most := min(ratio*375/500, 500/(375*ratio))
				sum, weight = sum+(most*most-0.08*0.08)/2, weight+most-0.08
			}
			require.InDelta(t, sum/weight, areas/n, 4*0.25/math.Sqrt(n))
		}
	}
}

// The middle, as torchvision's Resize and CenterCrop take it.
func TestCentredWindow(t *testing.T) {
	win := Centred{256}.window(500, 375, 224, 224, nil)
	scale := 500.0 / 341                           // 256*500/375 = 341.3
	require.InDelta(t, 58*scale, win.X.From, 1e-9) // round half to even of 117/2
	require.InDelta(t, 224*scale, win.X.Length, 1e-9)
	require.InDelta(t, 16*375.0/256, win.Y.From, 1e-9)
}
