package jpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data/internal/raster"
	"fovea/device/philox"
)

// recorded are the pictures beside the tests of data.
func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/pictures/*.jpg")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	pictures := map[string][]byte{}
	for _, f := range files {
		content, err := os.ReadFile(f)
		require.NoError(t, err)
		pictures[filepath.Base(f)] = content
	}
	return pictures
}

// unsupported are the recorded pictures that this package leaves to image/jpeg.
var unsupported = map[string]bool{"progressive.jpg": true, "cmyk.jpg": true, "rgb.jpg": true}

// encoded is a picture of random colours, as Go's encoder writes it.
func encoded(t testing.TB, w, h, quality int, random *philox.Source) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(random.Uint32())
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}))
	return b.Bytes()
}

// same compares what was decoded of a region with what image/jpeg makes of the whole picture: they may round apart.
func same(t testing.TB, name string, region image.Rectangle, p *raster.Planes, content []byte) {
	t.Helper()
	decoded, err := jpeg.Decode(bytes.NewReader(content))
	require.NoError(t, err, name)
	at := func(plane, x, y int) uint8 {
		if m, grey := decoded.(*image.Gray); grey {
			return m.GrayAt(x, y).Y
		}
		m := decoded.(*image.YCbCr)
		q := &p.Plane[plane]
		if plane == 0 {
			return m.Y[m.YOffset(x, y)]
		}
		i := m.COffset(x*q.Across, y*q.Down)
		return [][]uint8{m.Cb, m.Cr}[plane-1][i]
	}
	planes := 1
	if p.Colour {
		planes = 3
	}
	for i := range planes {
		q := &p.Plane[i]
		for y := region.Min.Y / q.Down; y < (region.Max.Y+q.Down-1)/q.Down; y++ {
			for x := region.Min.X / q.Across; x < (region.Max.X+q.Across-1)/q.Across; x++ {
				want, got := int(at(i, x, y)), int(q.At(x, y))
				require.InDelta(t, want, got, 1, "%s, region %v: plane %d at %d, %d", name, region, i, x, y)
			}
		}
	}
}

func TestRegionsAreThoseOfTheWholePicture(t *testing.T) {
	random := philox.NewSource(philox.Stream{Seed: 3})
	pictures := recorded(t)
	for _, size := range [][3]int{{1, 1, 90}, {8, 8, 50}, {16, 16, 100}, {17, 33, 95}, {15, 40, 10}, {64, 9, 100}} {
		name := image.Pt(size[0], size[1]).String()
		pictures[name] = encoded(t, size[0], size[1], size[2], random)
	}
	var d Decoder
	for name, content := range pictures {
		if unsupported[name] {
			require.ErrorIs(t, d.Header(content), ErrUnsupported, name)
			continue
		}
		require.NoError(t, d.Header(content), name)
		whole := image.Rect(0, 0, d.Width, d.Height)
		for n := range 12 {
			region := whole
			if n > 0 {
				x, y := random.Intn(d.Width), random.Intn(d.Height)
				region = image.Rect(x, y, x+1+random.Intn(d.Width-x), y+1+random.Intn(d.Height-y))
			}
			require.NoError(t, d.Header(content), name)
			p, err := d.Decode(region)
			require.NoError(t, err, "%s %v", name, region)
			require.Equal(t, []int{d.Width, d.Height}, []int{p.Width, p.Height})
			same(t, name, region, p, content)
		}
	}
}

// No damage may be more than an error, or take more memory than the planes of what the header says.
func TestDamage(t *testing.T) {
	random := philox.NewSource(philox.Stream{Seed: 4})
	var d Decoder
	for name, content := range recorded(t) {
		if unsupported[name] {
			continue
		}
		for n := range 100 {
			bad := bytes.Clone(content)
			if n%4 == 0 {
				bad = bad[:random.Intn(len(bad))]
			} else {
				for range 1 + random.Intn(4) {
					within := len(bad)
					if n%2 == 0 {
						within = min(within, 700) // the headers
					}
					bad[random.Intn(within)] = byte(random.Uint32())
				}
			}
			decode(t, &d, bad)
		}
	}
}

// decode must not panic; planes are small if the header is.
func decode(t testing.TB, d *Decoder, content []byte) {
	if d.Header(content) != nil || d.Width*d.Height > 1<<20 {
		return
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, region := range []image.Rectangle{image.Rect(0, 0, d.Width, d.Height), image.Rect(d.Width/2, d.Height/2, d.Width/2+1, d.Height/2+1)} {
		d.Decode(region)
	}
	runtime.ReadMemStats(&after)
	most := uint64(3*8*(d.Width+32)*(d.Height+32)) + 1<<16 // three planes of 16 bits, by whole MCUs, twice
	require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, most, "%d x %d", d.Width, d.Height)
}

func TestDamageIsNamed(t *testing.T) {
	content := recorded(t)["restart.jpg"]
	changed := func(change func(c []byte)) []byte {
		c := bytes.Clone(content)
		change(c)
		return c
	}
	sos := bytes.Index(content, []byte{0xff, markerSOS})
	for _, row := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"cut in the header", content[:sos-3], "cut short before the picture"},
		{"cut before the frame", content[:30], "segment"},
		{"cut in the data", content[:len(content)*2/3], "cut short"},
		{"no end", content[:len(content)-2], "cut short"},
		{"another restart marker", changed(func(c []byte) {
			at := bytes.Index(c[sos:], []byte{0xff, markerRST0 + 1}) + sos
			c[at+1] = markerRST0 + 5
		}), "marker d5, expected restart marker 1"},
		{"no Huffman table", changed(func(c []byte) { c[sos+6] = 0x33 }), "Huffman tables 3 and 3 of component 0 are not there"},
		{"width 0", changed(func(c []byte) {
			at := bytes.Index(c, []byte{0xff, markerSOF0})
			c[at+7], c[at+8] = 0, 0
		}), "width 0"},
	} {
		var d Decoder
		err := d.Header(row.content)
		if err == nil {
			_, err = d.Decode(image.Rect(0, 0, d.Width, d.Height/2+1))
		}
		if row.name == "no end" {
			require.NoError(t, d.Header(row.content))
			_, err = d.Decode(image.Rect(0, 0, 8, 8))
		}
		require.ErrorIs(t, err, ErrDamaged, row.name)
		require.ErrorContains(t, err, row.want, row.name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, content := range recorded(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) { decode(t, new(Decoder), content) })
}
