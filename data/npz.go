package data

import (
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"gorgonia.org/tensor"
)

func init() { Register("npz:FILE", openNPZ) }

// maxDeflate is the most that deflate can make of a byte; who claims more lies.
const maxDeflate = 1032

// openNPZ opens a NumPy archive (np.savez, np.savez_compressed):
//
//	x       float32 [N,C,H,W], or [N,D], taken as D channels of 1 by 1
//	y       int64, int32 or uint8 [N]: classes; or float32 [N] or [N,D]: regression targets
//	x_test, y_test  likewise, both or neither: the test set, of the same sample shape and the same kind
//
// Values must be finite and classes not negative.
func openNPZ(_ context.Context, path string, _ Options) (*Sets, error) {
	sets, err := readNPZFile(path)
	if err != nil {
		return nil, fmt.Errorf("npz %q: %w", path, err)
	}
	return sets, nil
}

func readNPZFile(path string) (*Sets, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readNPZ("npz:"+path, f, size)
}

func readNPZ(name string, r io.ReaderAt, size int64) (*Sets, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("not a zip archive: %w", err)
	}
	a := archive{size: size, entries: map[string]*zip.File{}}
	for _, entry := range z.File {
		key := strings.TrimSuffix(entry.Name, ".npy")
		if a.entries[key] != nil {
			return nil, fmt.Errorf("array %.40q is there twice", key)
		}
		a.entries[key] = entry
	}
	train, err := a.part(name, "x", "y")
	if err != nil {
		return nil, err
	}
	if a.entries["x_test"] == nil && a.entries["y_test"] == nil {
		return &Sets{Train: train}, nil
	}
	test, err := a.part(name+" (test)", "x_test", "y_test")
	if err != nil {
		return nil, err
	}
	if !slices.Equal(test.info.Sample, train.info.Sample) {
		return nil, fmt.Errorf("array \"x_test\": expected samples %s as in \"x\", found %s", shapeText(train.info.Sample), shapeText(test.info.Sample))
	}
	if test.info.Targets != train.info.Targets {
		return nil, fmt.Errorf("array \"y_test\": expected %s as in \"y\", found %s", answers(train.info), answers(test.info))
	}
	return &Sets{Train: train, Test: test}, nil
}

func answers(info Info) string {
	if info.Targets == 0 {
		return "class labels"
	}
	return fmt.Sprintf("%d regression targets per sample", info.Targets)
}

// archive is an npz that is being read.
type archive struct {
	size    int64
	entries map[string]*zip.File
}

// part makes a set of the samples in array xName and the labels or targets in array yName.
func (a archive) part(name, xName, yName string) (*Memory, error) {
	info := Info{Name: name}
	var x []float32
	err := a.array(xName, []string{"<f4"}, func(r io.Reader, h npyHeader) (err error) {
		switch {
		case len(h.shape) == 4:
			info.Sample = tensor.Shape(h.shape[1:])
		case len(h.shape) == 2:
			info.Sample = tensor.Shape{h.shape[1], 1, 1}
		default:
			return fmt.Errorf("expected shape [N,C,H,W] or [N,D], found %s", shapeText(h.shape))
		}
		if h.count == 0 {
			return fmt.Errorf("shape %s has no elements, expected at least one", shapeText(h.shape))
		}
		x, err = readFinite(r, h)
		return err
	})
	if err != nil {
		return nil, err
	}
	n := len(x) / info.Sample.TotalSize()
	var labels []int32
	var targets []float32
	err = a.array(yName, []string{"<i8", "<i4", "|u1", "<f4"}, func(r io.Reader, h npyHeader) (err error) {
		regression := h.kind == "<f4"
		if len(h.shape) != 1 && !(regression && len(h.shape) == 2) {
			expected := "[N]"
			if regression {
				expected = "[N] or [N,D]"
			}
			return fmt.Errorf("expected shape %s of %s, found %s", expected, typeText(h.kind), shapeText(h.shape))
		}
		if h.shape[0] != n {
			return fmt.Errorf("expected %d entries, one for each sample of %q, found %d", n, xName, h.shape[0])
		}
		switch h.kind {
		case "<i8":
			labels, err = readLabels[int64](r, h)
		case "<i4":
			labels, err = readLabels[int32](r, h)
		case "|u1":
			labels, err = readLabels[uint8](r, h)
		default:
			if info.Targets = h.count / n; info.Targets == 0 {
				return fmt.Errorf("shape %s has no elements, expected at least one", shapeText(h.shape))
			}
			targets, err = readFinite(r, h)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return NewMemory(info, x, labels, targets)
}

// array opens the named array, has read read its values, and checks that the entry ends there, checksum included.
func (a archive) array(name string, kinds []string, read func(io.Reader, npyHeader) error) error {
	entry := a.entries[name]
	if entry == nil {
		return fmt.Errorf("no array %q, found %s", name, a.names())
	}
	if err := a.readEntry(entry, kinds, read); err != nil {
		return fmt.Errorf("array %q: %w", name, err)
	}
	return nil
}

func (a archive) readEntry(entry *zip.File, kinds []string, read func(io.Reader, npyHeader) error) error {
	packed, size := entry.CompressedSize64, entry.UncompressedSize64
	if size > maxArray {
		return fmt.Errorf("%d bytes unpacked, expected at most %d", size, int64(maxArray))
	}
	if packed > uint64(a.size) || size > (packed+1)*maxDeflate {
		return fmt.Errorf("claims to unpack to %d bytes from %d, in a file of %d", size, packed, a.size)
	}
	raw, err := entry.Open()
	if err != nil {
		return err
	}
	defer raw.Close()
	r := bufio.NewReaderSize(raw, 64<<10)
	h, err := readNpyHeader(r, int64(size), kinds...)
	if err != nil {
		return err
	}
	if err := read(r, h); err != nil {
		return err
	}
	// The end is where archive/zip compares the checksum.
	if _, err := r.ReadByte(); err != io.EOF {
		if err == nil {
			err = fmt.Errorf("more follows after the expected %d bytes", size)
		}
		return err
	}
	return nil
}

// names lists the arrays that are there, for a message, and not more than a message can hold.
func (a archive) names() string {
	var names []string
	for name := range a.entries {
		names = append(names, fmt.Sprintf("%.40q", name))
	}
	if len(names) == 0 {
		return "none at all"
	}
	slices.Sort(names)
	if len(names) > 10 {
		names = append(names[:10], "...")
	}
	return strings.Join(names, ", ")
}

// readFinite reads float32 values of which none is NaN or infinite.
func readFinite(r io.Reader, h npyHeader) ([]float32, error) {
	values, err := readValues[float32](r, h.count)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		if v64 := float64(v); math.IsNaN(v64) || math.IsInf(v64, 0) {
			each := h.count / h.shape[0]
			return nil, fmt.Errorf("sample %d has %v at element %d, expected finite values", i/each, v, i%each)
		}
	}
	return values, nil
}

// readLabels reads classes, which must not be negative nor too large for an int32.
func readLabels[T int64 | int32 | uint8](r io.Reader, h npyHeader) ([]int32, error) {
	values, err := readValues[T](r, h.count)
	if err != nil {
		return nil, err
	}
	labels := make([]int32, len(values))
	for i, v := range values {
		if int64(v) < 0 || int64(v) > math.MaxInt32 {
			return nil, fmt.Errorf("sample %d has label %d, expected 0 to %d", i, v, math.MaxInt32)
		}
		labels[i] = int32(v)
	}
	return labels, nil
}
