package weights

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"fovea/data/atomic"
	"fovea/nn"
	"fovea/nn/weights/pth"
)

// File is a file of weights whose table of contents has been read: safetensors, or what PyTorch's torch.save writes.
type File struct {
	Format  string // "safetensors" or "PyTorch"
	Tensors []Info // in the file's order

	file   *os.File
	header *header
}

// Info is what a file says of one tensor.
type Info struct {
	Name  string
	DType string // "F32", "BF16", "I64", ...: the names of safetensors
	Shape []int64
	Bytes int64
}

// Open reads a file's table of contents; which format it has, its first bytes say. Close it.
func Open(path string) (*File, error) {
	file, h, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("weights %s: %w", path, err)
	}
	f := &File{Format: "safetensors", file: file, header: h}
	if h.verify != nil {
		f.Format = "PyTorch"
	}
	for _, name := range h.names {
		e := h.tensors[name]
		f.Tensors = append(f.Tensors, Info{name, e.dtype.String(), e.shape, e.end - e.begin})
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// values reads a tensor of real numbers, as decode does.
func (f *File) values(name string) (any, error) {
	e, there := f.header.tensors[name]
	if !there {
		return nil, fmt.Errorf("weights %s: no tensor %s in it", f.file.Name(), name)
	}
	values, err := e.decode(f.file)
	if err != nil {
		return nil, fmt.Errorf("weights %s: tensor %s: %w", f.file.Name(), name, err)
	}
	return values, nil
}

// Floats reads a tensor of real numbers.
func (f *File) Floats(name string) ([]float64, error) {
	values, err := f.values(name)
	if err != nil {
		return nil, err
	}
	if wide, is := values.([]float64); is {
		return wide, nil
	}
	wide := make([]float64, 0, len(values.([]float32)))
	for _, v := range values.([]float32) {
		wide = append(wide, float64(v))
	}
	return wide, nil
}

// Match says whether Load would take the file for these tensors; they may be of a network that was only described.
func (f *File) Match(state []nn.Tensor) error {
	if m := compare(f.header, state); !m.whole() {
		return fmt.Errorf("weights %s: %w", f.file.Name(), m)
	}
	return nil
}

// Convert writes the tensors to path as safetensors, element types and all, with a card that may be nil. What PyTorch
// counts for each batch normalisation, and nothing needs, stays behind.
func (f *File) Convert(path string, card *Card) error {
	if err := f.convert(path, card); err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
}

func (f *File) convert(path string, card *Card) error {
	metadata, err := card.encode()
	if err != nil {
		return err
	}
	if err := f.header.check(); err != nil {
		return fmt.Errorf("from %s: %w", f.file.Name(), err)
	}
	views := map[string]view{}
	for name, e := range f.header.tensors {
		if strings.HasSuffix(name, pytorchCounter) {
			continue
		}
		v := view{dtype: e.dtype, shape: unsigned(e.shape)}
		if v.data, err = e.raw(f.file); err != nil {
			return fmt.Errorf("from %s: tensor %s: %w", f.file.Name(), name, err)
		}
		views[name] = v
	}
	return atomic.WriteFile(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(views, metadata, w)
	})
}

// open opens a file and reads its table of contents. Stat comes first: opening a pipe would wait.
func open(path string) (*os.File, *header, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	var pathError *fs.PathError // names the path again
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	if err != nil {
		return nil, nil, err
	}
	h, err := read(file, info.Size(), path)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, h, nil
}

// read reads the table of contents of a file of either format. The name matters only where the content is of neither.
func read(file io.ReaderAt, size int64, name string) (*header, error) {
	begin := make([]byte, min(size, 512))
	n, _ := file.ReadAt(begin, 0)
	pytorch := pth.Is(begin[:n])
	switch strings.ToLower(filepath.Ext(name)) {
	case ".pth", ".pt", ".tar": // a safetensors file of such a name has its header's brace at the ninth byte
		pytorch = pytorch || n < 9 || begin[8] != '{'
	}
	if !pytorch {
		h, err := readHeader(file, size)
		if err != nil {
			return nil, fmt.Errorf("not a whole safetensors file: %w", err)
		}
		return h, nil
	}
	f, err := pth.Read(file, size)
	if err != nil {
		return nil, fmt.Errorf("not a whole PyTorch file: %w", err)
	}
	h := &header{tensors: map[string]entry{}, verify: f.Verify}
	for _, t := range f.Tensors {
		h.names = append(h.names, t.Name)
		h.tensors[t.Name] = entry{t.DType, t.Shape, t.Strides, t.Begin, t.Begin + t.Size*int64(t.DType.Size())}
	}
	return h, nil
}
