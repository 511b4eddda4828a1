package data

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data/internal/raster"
	"fovea/device/philox"
)

// wanted is a recorded sample: what torchvision makes through PIL, as values of 0 to 1.
func wanted(t *testing.T, name string) (x []float32, w, h int) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata/pictures/want", name))
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	w, h = m.Bounds().Dx(), m.Bounds().Dy()
	x = make([]float32, 3*w*h)
	for i := range w * h {
		r, g, b, _ := m.At(i%w, i/w).RGBA()
		x[i], x[w*h+i], x[2*w*h+i] = float32(r>>8)/255, float32(g>>8)/255, float32(b>>8)/255
	}
	return x, w, h
}

// seventh is the crop that is recorded as "part".
type seventh struct{}

func (seventh) String() string { return "seventh" }
func (seventh) window(w, h, _, _ int, _ *philox.Source) raster.Window {
	return part(w/7, h/5, w/2, h/2)
}

// What is made of a picture is what torchvision makes with PIL: less than 0.6 of 255 apart on average, and 99 of 100
// values less than 3. The rest are at edges of strong colours: PIL cuts what lies outside of 0..255 before it resizes, and
// we after it. PIL's own rounding, twice on the way, is 0.3 on average.
func TestSamplesAgreeWithTorchvision(t *testing.T) {
	files, err := filepath.Glob("testdata/pictures/*.*g")
	require.NoError(t, err)
	require.Len(t, files, 18)
	for _, file := range files {
		stem := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		for how, crop := range map[string]Crop{"centred": Centred{40}, "stretched": Stretched{}, "part": seventh{}} {
			want, w, h := wanted(t, stem+"."+how+".png")
			got := make([]float32, len(want))
			require.NoError(t, ReadPicture(file, got, tensor.Shape{3, h, w}, crop, nil))
			far, sum := 0, 0.0
			for i := range want {
				off := 255 * math.Abs(float64(got[i]-want[i]))
				require.Less(t, off, 10.0, "%s %s value %d: %v, expected %v", stem, how, i, got[i], want[i])
				sum += off
				if off >= 3 {
					far++
				}
			}
			require.Less(t, sum/float64(len(want)), 0.6, "%s %s: mean difference", stem, how)
			require.LessOrEqual(t, far, len(want)/100, "%s %s: values of %d that are 3 or more apart", stem, how, len(want))
		}
	}
}

// Grey of a picture is its brightness, by whichever way it came.
func TestGreySamples(t *testing.T) {
	for _, file := range []string{"420.jpg", "rgb.jpg", "progressive.jpg", "grey.jpg", "plain.png"} {
		path := filepath.Join("testdata/pictures", file)
		grey, colour := make([]float32, 32*24), make([]float32, 3*32*24)
		require.NoError(t, ReadPicture(path, grey, tensor.Shape{1, 32, 24}, Stretched{}, nil))
		require.NoError(t, ReadPicture(path, colour, tensor.Shape{3, 32, 24}, Stretched{}, nil))
		for i, v := range grey {
			want := 0.299*colour[i] + 0.587*colour[32*24+i] + 0.114*colour[2*32*24+i]
			require.InDelta(t, want, v, 0.02, "%s pixel %d", file, i) // colours that were cut change it
		}
	}
}

// A sample does not depend on what the decoder made before it.
func TestDecodersKeepNothing(t *testing.T) {
	files, err := filepath.Glob("testdata/pictures/*.*g")
	require.NoError(t, err)
	sample := tensor.Shape{3, 20, 30}
	used := new(decoder)
	for round := range 2 {
		for _, file := range files {
			a, b := make([]float32, 1800), make([]float32, 1800)
			source := philox.Stream{Seed: uint64(round)}
			require.NoError(t, used.read(file, a, sample, Resized{0.1, 1}, philox.NewSource(source)))
			require.NoError(t, new(decoder).read(file, b, sample, Resized{0.1, 1}, philox.NewSource(source)))
			require.Equal(t, b, a, file)
		}
	}
}

func TestPicturesThatAreNone(t *testing.T) {
	good, err := os.ReadFile("testdata/pictures/420.jpg")
	require.NoError(t, err)
	huge := bytes.Clone(good)
	frame := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[frame+5:], []byte{0xff, 0xff, 0xff, 0xff})
	dir := t.TempDir()
	for _, row := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"text.jpg", []byte("hello"), "not a picture, expected PNG, JPEG or GIF"},
		{"empty.jpg", nil, "not a picture, expected PNG, JPEG or GIF"},
		{"cut.jpg", good[:len(good)*2/3], "damaged picture: invalid JPEG format: short Huffman data"},
		{"noend.jpg", good[:len(good)-2], "damaged picture: unexpected EOF"},
		{"head.jpg", good[:40], "damaged picture: unexpected EOF"},
		{"huge.jpg", huge, "a picture of 65535 x 65535, expected 1 to 67108864 pixels"},
	} {
		path := filepath.Join(dir, row.name)
		require.NoError(t, os.WriteFile(path, row.content, 0o666))
		for _, crop := range []Crop{Stretched{}, Centred{40}, top{}} {
			err := ReadPicture(path, make([]float32, 3*32*32), tensor.Shape{3, 32, 32}, crop, nil)
			require.EqualError(t, err, path+": "+row.want, "%v", crop)
			var bad *PictureError
			require.ErrorAs(t, err, &bad)
			if strings.Contains(row.want, "not a picture") || strings.HasPrefix(row.want, "a picture of") {
				_, err := PictureSize("it", row.content)
				require.EqualError(t, err, "it: "+row.want)
			}
			require.EqualError(t, DecodePicture("it", row.content, 1<<30, make([]float32, 3*32*32), tensor.Shape{3, 32, 32}, crop), "it: "+row.want, "%v", crop)
		}
	}
	for path, want := range map[string]string{"testdata/pictures/none.jpg": "no such file or directory", "testdata/pictures": "pictures: not a regular file, expected a picture"} {
		require.ErrorContains(t, ReadPicture(path, make([]float32, 3), tensor.Shape{3, 1, 1}, Stretched{}, nil), want)
	}
}

// A picture in memory is that of the file, unless it is larger than the caller wants.
func TestDecodePicture(t *testing.T) {
	sample := tensor.Shape{3, 16, 16}
	for _, row := range []struct {
		file   string
		pixels int
		want   string // the error
	}{
		{"420.jpg", 107 * 85, ""},
		{"420.jpg", 107*85 - 1, "it: a picture of 107 x 85, expected 1 to 9094 pixels"},
		{"plain.png", 70 * 61, ""},
		{"plain.png", 70*61 - 1, "it: a picture of 70 x 61, expected 1 to 4269 pixels"},
	} {
		path := filepath.Join("testdata/pictures", row.file)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		got, want := make([]float32, 768), make([]float32, 768)
		pixels, err := PictureSize("it", content)
		require.NoError(t, err)
		require.InDelta(t, pixels, row.pixels, 1)
		err = DecodePicture("it", content, row.pixels, got, sample, Centred{20})
		if row.want != "" {
			require.EqualError(t, err, row.want)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, ReadPicture(path, want, sample, Centred{20}, nil))
		require.Equal(t, want, got, row.file)
	}
}

// top is a crop that needs little of a file: what is cut behind it must be known all the same.
type top struct{}

func (top) String() string                                        { return "top" }
func (top) window(_, _, _, _ int, _ *philox.Source) raster.Window { return part(0, 0, 8, 8) }
