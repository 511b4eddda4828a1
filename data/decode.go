package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // registers the format
	_ "image/jpeg" // registers the format
	_ "image/png"  // registers the format
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"gorgonia.org/tensor"

	"fovea/data/internal/jpeg"
	"fovea/data/internal/raster"
	"fovea/device/philox"
)

const (
	maxPixels  = 1 << 26   // of a picture: decoding takes up to eight bytes for each
	maxSide    = 1 << 16   // of what a picture is resized to
	maxPicture = 256 << 20 // bytes of a picture's file
	keepBytes  = 4 << 20   // of a file or a picture: more memory than that is not kept for the next one
)

// pictureFormats are what pictures may be, for a message.
const pictureFormats = "PNG, JPEG or GIF"

// decoder makes samples of picture files. It keeps its memory from one to the next.
type decoder struct {
	content bytes.Buffer
	jpeg    jpeg.Decoder
	planes  raster.Planes
	resizer raster.Resizer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// CheckPicture says whether a file is a picture that ReadPicture might read, as far as its header goes.
func CheckPicture(path string) error {
	f, _, err := openRegular(path)
	if err == nil {
		defer f.Close()
		_, err = readHead(bufio.NewReader(f))
	}
	return pictureError(path, err)
}

func pictureError(path string, err error) error {
	if err == nil {
		return nil
	}
	var file *os.PathError
	if errors.As(err, &file) {
		err = file.Err
	}
	if errors.Is(err, errIrregular) { // which names it too
		err = fmt.Errorf("%w, expected a picture", errIrregular)
	}
	return &PictureError{path, err}
}

// ReadPicture makes a sample [C, H, W] of the picture in a file, values of 0 to 1, in x. C is 1 (grey, 0.299 R + 0.587 G +
// 0.114 B) or 3. An animation gives its first picture; what is transparent shows black; an orientation that a camera has
// noted (EXIF) is not heeded, as torchvision does not. random may be nil for crops that draw nothing. An error is a
// [PictureError].
func ReadPicture(path string, x []float32, sample tensor.Shape, crop Crop, random *philox.Source) error {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	return pictureError(path, d.read(path, x, sample, crop, random))
}

// DecodePicture is [ReadPicture] of a file's content, which may be of at most that many pixels; name stands in errors.
func DecodePicture(name string, content []byte, pixels int, x []float32, sample tensor.Shape, crop Crop) error {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	defer d.forget()
	return pictureError(name, d.decode(content, min(pixels, maxPixels), x, sample, crop, nil))
}

// PictureSize is how many pixels a picture has by its header, which is what decoding it takes memory for; name stands in errors.
func PictureSize(name string, content []byte) (pixels int, err error) {
	head, err := readHead(bytes.NewReader(content))
	return head.Width * head.Height, pictureError(name, err)
}

func (d *decoder) read(path string, x []float32, sample tensor.Shape, crop Crop, random *philox.Source) error {
	f, size, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if size > maxPicture {
		return fmt.Errorf("%d bytes, expected a picture of at most %d", size, int64(maxPicture))
	}
	d.content.Reset()
	d.content.Grow(int(size) + bytes.MinRead)
	if _, err := d.content.ReadFrom(io.LimitReader(f, maxPicture)); err != nil {
		return err
	}
	defer d.forget()
	return d.decode(d.content.Bytes(), maxPixels, x, sample, crop, random)
}

// forget lets memory go that an unusual picture took.
func (d *decoder) forget() {
	if d.content.Cap() > keepBytes {
		d.content = bytes.Buffer{}
	}
	if d.jpeg.Memory() > keepBytes {
		d.jpeg = jpeg.Decoder{}
	}
	if d.planes.Memory() > keepBytes {
		d.planes = raster.Planes{}
	}
}

func (d *decoder) decode(content []byte, pixels int, x []float32, sample tensor.Shape, crop Crop, random *philox.Source) error {
	size := image.Config{}
	var window raster.Window
	if err := d.jpeg.Header(content); err == nil {
		size.Width, size.Height = d.jpeg.Width, d.jpeg.Height
		if err := checkPixels(size, pixels); err != nil {
			return err
		}
		window = crop.window(size.Width, size.Height, sample[2], sample[1], random)
		if planes, err := d.jpeg.Decode(window.Region()); err == nil {
			d.resizer.Resize(planes, window, sample[0], sample[1], sample[2], x)
			return nil
		}
	}
	// Other formats; and a JPEG that is damaged, or seems so: image/jpeg has the last word.
	head, err := readHead(bytes.NewReader(content))
	if err == nil {
		err = checkPixels(head, pixels)
	}
	if err != nil {
		return err
	}
	if head.Width != size.Width || head.Height != size.Height {
		window = crop.window(head.Width, head.Height, sample[2], sample[1], random)
	}
	picture, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("damaged picture: %w", err)
	}
	if got := picture.Bounds().Size(); got != image.Pt(head.Width, head.Height) {
		return fmt.Errorf("damaged picture: %d x %d, its header says %d x %d", got.X, got.Y, head.Width, head.Height)
	}
	d.planes.Take(picture, window.Region())
	d.resizer.Resize(&d.planes, window, sample[0], sample[1], sample[2], x)
	return nil
}

// readHead reads the size of a picture, which bounds what decoding it may allocate.
func readHead(r io.Reader) (image.Config, error) {
	head, _, err := image.DecodeConfig(r)
	if errors.Is(err, image.ErrFormat) {
		return head, errors.New("not a picture, expected " + pictureFormats)
	}
	if err != nil {
		return head, fmt.Errorf("damaged picture: %w", err)
	}
	return head, checkPixels(head, maxPixels)
}

func checkPixels(head image.Config, most int) error {
	if head.Width < 1 || head.Height < 1 || head.Width > most/head.Height {
		return fmt.Errorf("a picture of %d x %d, expected 1 to %d pixels", head.Width, head.Height, most)
	}
	return nil
}

// pictures are files of one picture each.
type pictures struct {
	info    Info
	dir     string
	files   []string  // in dir
	labels  []int32   // one for each file, or
	targets []float32 // info.Targets for each
}

func (p *pictures) Info() Info { return p.info }
func (p *pictures) Len() int   { return len(p.files) }

func (p *pictures) Read(i int, x []float32) error {
	return p.ReadCrop(i, x, p.info.Crop(), nil)
}

// Crop is how samples are made of pictures where nothing is random.
func (i Info) Crop() Crop {
	if i.Resize == 0 {
		return Stretched{}
	}
	return Centred{i.Resize}
}

func (p *pictures) ReadCrop(i int, x []float32, crop Crop, random *philox.Source) error {
	if err := checkRead(p.info, len(p.files), p.info.Sample.TotalSize(), i, x); err != nil {
		return err
	}
	return ReadPicture(filepath.Join(p.dir, p.files[i]), x, p.info.Sample, crop, random)
}

func (p *pictures) Label(i int) int {
	if i < 0 || i >= len(p.labels) {
		return -1
	}
	return int(p.labels[i])
}

func (p *pictures) Target(i int, y []float32) {
	if n := p.info.Targets; n > 0 && i >= 0 && i < len(p.files) {
		copy(y, p.targets[i*n:(i+1)*n])
	}
}

// Samples of pictures, where the user does not say.
var (
	usualSample = tensor.Shape{3, 224, 224}
	usualResize = 256.0 / 224 // of the shorter side, to the sample's
)

// PictureInfo describes samples made of pictures of any size, as opts and the usual ways have it: those that torchvision's
// networks were trained with.
func PictureInfo(name string, opts Options) (Info, error) {
	sample := opts.Sample
	if sample == nil {
		sample = usualSample
	}
	if len(sample) != 3 || sample[0] != 1 && sample[0] != 3 || min(sample[1], sample[2]) < 1 || max(sample[1], sample[2]) > maxSide {
		return Info{}, fmt.Errorf("%w: samples %s of pictures, expected 1 or 3 channels and sides of 1 to %d", ErrUsage, shapeText(sample), maxSide)
	}
	if sample[1]*sample[2] > maxPixels {
		return Info{}, fmt.Errorf("%w: samples %s of pictures, expected at most %d pixels", ErrUsage, shapeText(sample), maxPixels)
	}
	info := Info{Name: name, Sample: slices.Clone(sample), Scale: 1.0 / 255, Resize: opts.Resize}
	short := min(sample[1], sample[2])
	if info.Resize == 0 {
		info.Resize = int(math.Round(float64(short) * usualResize))
	}
	if info.Resize < short || info.Resize > maxSide {
		return Info{}, fmt.Errorf("%w: pictures resized to a shorter side of %d, expected %d (the sample's) to %d", ErrUsage, info.Resize, short, maxSide)
	}
	info.Mean, info.Deviation = worldNormal(sample[0])
	return info, nil
}
