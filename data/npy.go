package data

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unsafe"

	"codeberg.org/sbinet/npyio/npy"
	"gorgonia.org/tensor"

	"fovea/data/atomic"
)

const (
	maxHeader = 64 << 10 // bytes of an npy header; NumPy writes 128 and reads no more than 10000
	maxRank   = 32       // dimensions of an array; NumPy's own limit until 2.0
	maxArray  = 8 << 30  // bytes of an array, as a file or as an entry of an npz
)

// widths are the element types understood, as npy headers write them, and their sizes in bytes.
var widths = map[string]int64{"<f4": 4, "<f8": 8, "<i8": 8, "<i4": 4, "|u1": 1}

var typeNames = map[string]string{"<f4": "float32", "<f8": "float64", "<i8": "int64", "<i4": "int32", "|u1": "uint8"}

// typeText writes an element type for a message: "float32 (<f4)", or the bare header text if it is none of ours.
func typeText(kind string) string {
	if name, known := typeNames[kind]; known {
		return name + " (" + kind + ")"
	}
	return fmt.Sprintf("%.40q", kind)
}

// npyHeader says what follows it in the stream it was read from.
type npyHeader struct {
	kind  string // element type: "<f4", "<f8", "<i8", "<i4" or "|u1"
	shape []int
	count int // number of elements: the product of shape
}

// readNpyHeader reads the header of an npy array that has size bytes, header included. The element type is one of kinds,
// and exactly the elements that the shape calls for follow: what the header says is safe to allocate for anyone who
// believes size.
func readNpyHeader(r io.Reader, size int64, kinds ...string) (npyHeader, error) {
	head := make([]byte, 8)
	if n, err := io.ReadFull(r, head); err != nil {
		return npyHeader{}, fmt.Errorf("npy header: %w", shortRead(err, int64(n), 8))
	}
	if !bytes.Equal(head[:6], npy.Magic[:]) {
		return npyHeader{}, fmt.Errorf("not an npy array: begins with %q, expected %q", head[:6], npy.Magic[:])
	}
	var field []byte // holds the length of the rest
	switch head[6] {
	case 1:
		field = make([]byte, 2)
	case 2:
		field = make([]byte, 4)
	default:
		return npyHeader{}, fmt.Errorf("npy format version %d, expected 1 or 2", head[6])
	}
	if n, err := io.ReadFull(r, field); err != nil {
		return npyHeader{}, fmt.Errorf("npy header: %w", shortRead(err, int64(n), int64(len(field))))
	}
	var length int64
	for i, b := range field {
		length |= int64(b) << (8 * i)
	}
	begin := int64(len(head) + len(field))
	if length > maxHeader || length > size-begin {
		return npyHeader{}, fmt.Errorf("npy header of %d bytes in an array of %d, expected at most %d", length, size, maxHeader)
	}
	text := make([]byte, length)
	if n, err := io.ReadFull(r, text); err != nil {
		return npyHeader{}, fmt.Errorf("npy header: %w", shortRead(err, int64(n), length))
	}
	h, err := parseNpyHeader(append(head, field...), text)
	if err != nil {
		return npyHeader{}, err
	}
	if !slices.Contains(kinds, h.kind) {
		var expected []string
		for _, k := range kinds {
			expected = append(expected, typeText(k))
		}
		return npyHeader{}, fmt.Errorf("element type: expected %s, found %s", strings.Join(expected, " or "), typeText(h.kind))
	}
	width, body := widths[h.kind], size-begin-length
	if int64(h.count) > body/width || int64(h.count)*width != body {
		return npyHeader{}, fmt.Errorf("shape %s of %s: expected %d elements of %d bytes, found %d bytes",
			shapeText(h.shape), typeText(h.kind), h.count, width, body)
	}
	return h, nil
}

// parseNpyHeader has the library read a whole header. It slices by what the header says, so it may panic on a bad one.
func parseNpyHeader(preamble, text []byte) (h npyHeader, err error) {
	defer func() {
		if p := recover(); p != nil {
			h, err = npyHeader{}, fmt.Errorf("npy header is malformed: %.200v", p)
		}
	}()
	// The library cuts two bytes before the brace off, NumPy's ", ", which the format does not ask for: [4, 1] without
	// it would be read as [4].
	if end := bytes.IndexByte(text, '}'); end < 2 || string(text[end-2:end]) != ", " {
		return npyHeader{}, errors.New("npy header is malformed: expected it to end in \", }\", as NumPy writes it")
	}
	r, err := npy.NewReader(io.MultiReader(bytes.NewReader(preamble), bytes.NewReader(text)))
	if err != nil {
		return npyHeader{}, fmt.Errorf("npy header is malformed: %.200v", err)
	}
	d := r.Header.Descr
	if d.Fortran {
		return npyHeader{}, errors.New("array in Fortran order, expected C order (np.ascontiguousarray)")
	}
	if len(d.Shape) > maxRank {
		return npyHeader{}, fmt.Errorf("array of %d dimensions, expected at most %d", len(d.Shape), maxRank)
	}
	h = npyHeader{kind: strings.Trim(d.Type, `'"`), shape: d.Shape}
	if h.count, err = product(d.Shape); err != nil {
		return npyHeader{}, fmt.Errorf("shape %s: %w", shapeText(d.Shape), err)
	}
	return h, nil
}

// number is the type of an element.
type number interface {
	float32 | float64 | int64 | int32 | uint8
}

// atOnce is how many values are made room for on the word of a header alone, which in an archive may lie.
const atOnce = 16 << 20

// readValues reads count little-endian values, in pieces so that memory grows with what is really there.
func readValues[T number](r io.Reader, count int) ([]T, error) {
	const piece = 16 << 10
	values := make([]T, 0, min(count, atOnce))
	for at := 0; at < count; at += piece {
		if at == cap(values) {
			grown := make([]T, at, min(count, 2*at))
			copy(grown, values)
			values = grown
		}
		values = values[:min(at+piece, count)]
		if err := readInto(r, values[at:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, fmt.Errorf("cut short after element %d, expected %d elements", at, count)
			}
			return nil, err
		}
	}
	return values, nil
}

// readInto fills values, which are little-endian in r, without a copy of the bytes.
func readInto[T number](r io.Reader, values []T) error {
	size := int(unsafe.Sizeof(values[0]))
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return err
	}
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		for value := range slices.Chunk(raw, size) {
			slices.Reverse(value)
		}
	}
	return nil
}

// ReadNpy reads a NumPy .npy file of float32, float64 or int64 in C order. The tensor has the file's shape and a backing
// of that type. Other element types, Fortran order, arrays without elements, and files that are longer or shorter than
// their header says are errors.
func ReadNpy(path string) (*tensor.Dense, error) {
	d, err := readNpyFile(path)
	if err != nil {
		return nil, fmt.Errorf("npy %q: %w", path, err)
	}
	return d, nil
}

// DecodeNpy is [ReadNpy] of a file's content; name stands in errors.
func DecodeNpy(name string, content []byte) (*tensor.Dense, error) {
	d, err := readNpy(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, fmt.Errorf("npy %q: %w", name, err)
	}
	return d, nil
}

// IsNpy says whether content begins as an npy array does.
func IsNpy(content []byte) bool { return bytes.HasPrefix(content, npy.Magic[:]) }

func readNpyFile(path string) (*tensor.Dense, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readNpy(bufio.NewReaderSize(f, 64<<10), size)
}

var errIrregular = errors.New("not a regular file")

// openRegular opens a file whose size bounds what its content may claim. Stat comes first: opening a pipe would wait.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is %w", path, errIrregular)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

func readNpy(r io.Reader, size int64) (*tensor.Dense, error) {
	if size > maxArray {
		return nil, fmt.Errorf("%d bytes, expected at most %d", size, int64(maxArray))
	}
	h, err := readNpyHeader(r, size, "<f4", "<f8", "<i8")
	if err != nil {
		return nil, err
	}
	if h.count == 0 {
		return nil, fmt.Errorf("shape %s has no elements, expected at least one", shapeText(h.shape))
	}
	switch h.kind {
	case "<f4":
		return readDense[float32](r, h)
	case "<f8":
		return readDense[float64](r, h)
	default:
		return readDense[int64](r, h)
	}
}

func readDense[T number](r io.Reader, h npyHeader) (*tensor.Dense, error) {
	values, err := readValues[T](r, h.count)
	if err != nil {
		return nil, err
	}
	if len(h.shape) == 0 {
		return tensor.New(tensor.FromScalar(values[0])), nil
	}
	return tensor.New(tensor.WithShape(h.shape...), tensor.WithBacking(values)), nil
}

// WriteNpy writes d, which holds float32 or float64, to a NumPy .npy file in C order. Views and transposed tensors are
// written as they look, not as they lie in memory. The file appears whole or not at all.
func WriteNpy(path string, d *tensor.Dense) error {
	err := errors.New("no tensor")
	if d != nil {
		switch d.Dtype() {
		case tensor.Float32:
			err = writeNpy[float32](path, "<f4", d)
		case tensor.Float64:
			err = writeNpy[float64](path, "<f8", d)
		default:
			err = fmt.Errorf("tensor of %v, expected float32 or float64", d.Dtype())
		}
	}
	if err != nil {
		return fmt.Errorf("npy %q: %w", path, err)
	}
	return nil
}

func writeNpy[T float32 | float64](path, kind string, d *tensor.Dense) error {
	values, err := rowMajor[T](d)
	if err != nil {
		return err
	}
	shape := strings.ReplaceAll(strings.Trim(shapeText(d.Shape()), "[]"), ",", ", ")
	if d.Dims() == 1 {
		shape += "," // a tuple of one, in Python
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", kind, shape)
	// The format wants the values to begin at a multiple of 64, the header to end in a newline, and spaces between.
	const fixed = 10
	text += strings.Repeat(" ", 63-(fixed+len(text))%64) + "\n"
	if len(text) > math.MaxUint16 {
		return fmt.Errorf("tensor of %d dimensions, expected at most %d", d.Dims(), maxRank)
	}
	return atomic.WriteFile(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		b.Write(npy.Magic[:])
		b.Write([]byte{1, 0, byte(len(text)), byte(len(text) >> 8)})
		b.WriteString(text)
		const piece = 16 << 10
		for at := 0; at < len(values); at += piece {
			if err := binary.Write(b, binary.LittleEndian, values[at:min(at+piece, len(values))]); err != nil {
				return err
			}
		}
		return b.Flush() // reports the first error of any write above
	})
}

// rowMajor returns the elements of d in row-major order; it shares d's memory where they lie so already.
func rowMajor[T float32 | float64](d *tensor.Dense) ([]T, error) {
	if d.IsMasked() {
		return nil, errors.New("masked tensor, expected one without a mask")
	}
	count := d.Shape().TotalSize()
	switch values := d.Data().(type) {
	case T:
		return []T{values}, nil
	case []T:
		if len(values) == count && !d.RequiresIterator() && !d.DataOrder().IsColMajor() {
			return values, nil
		}
	default:
		return nil, fmt.Errorf("tensor backed by %T, expected a slice", values)
	}
	values := make([]T, 0, count)
	at := make([]int, d.Dims())
	for range count {
		v, err := d.At(at...)
		if err != nil {
			return nil, err
		}
		values = append(values, v.(T))
		for axis := len(at) - 1; axis >= 0; axis-- {
			if at[axis]++; at[axis] < d.Shape()[axis] {
				break
			}
			at[axis] = 0
		}
	}
	return values, nil
}
