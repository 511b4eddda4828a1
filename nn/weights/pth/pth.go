package pth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nlpodyssey/safetensors"
)

// File is the table of contents of a file.
type File struct {
	Tensors []Tensor // in the file's order

	verify func() error
}

// Tensor is where the elements of a tensor lie, little-endian.
type Tensor struct {
	Name    string
	DType   safetensors.DType
	Shape   []int64
	Strides []int64 // of each axis, in elements; nil if the elements lie in the order of the indices
	Begin   int64   // place of the first element in the file, in bytes
	Size    int64   // number of elements
}

// contents is what one of the formats holds: the object that was saved, and a check of the storages' bytes (nil: none).
type contents struct {
	root   any
	verify func() error
}

// Is says whether a file that begins so is one of PyTorch's, and not one of safetensors, whose first eight bytes are a
// small number. It wants 512 bytes, or as many as there are.
func Is(begin []byte) bool { return format(begin) != nil }

// format is the reader for a file that begins so.
func format(begin []byte) func(io.ReaderAt, int64) (*contents, error) {
	const ustar = 257
	switch {
	case bytes.HasPrefix(begin, []byte("PK\x03\x04")):
		return readZip
	case len(begin) > 2 && begin[0] == 0x80 && begin[1] <= 5 && (begin[2] == 0x8a || begin[2] == 0x95): // a pickle of a long number
		return readStream
	case len(begin) >= ustar+5 && string(begin[ustar:ustar+5]) == "ustar":
		return readTar
	}
	return nil
}

// Read finds the tensors of a file of size bytes. Where several dictionaries hold tensors, as in a checkpoint, it takes the
// one called state_dict, model_state_dict or model. If all names begin with "module.", as DataParallel makes them, that is
// taken off.
//
// Its own memory is bounded by the file's size and by these: 4 MiB for each of a pickle's texts, a pickle's program (some
// hundred bytes for each of at most 2^20 instructions) and an archive's directory (some ten times as much).
func Read(file io.ReaderAt, size int64) (*File, error) {
	begin := make([]byte, min(size, 512))
	if n, err := file.ReadAt(begin, 0); n < len(begin) {
		return nil, cutShort(err, int64(len(begin)), 0)
	}
	read := format(begin)
	if read == nil {
		return nil, errors.New("neither a zip archive, nor a stream of pickles, nor a tar archive of torch.save")
	}
	found, err := read(file, size)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(found.root)
	if err != nil {
		return nil, err
	}
	f := &File{verify: found.verify}
	return f, f.list(chosen, size)
}

// Verify reads the elements of all storages, and compares them with checksums if the file has any.
func (f *File) Verify() error {
	if f.verify == nil {
		return nil
	}
	return f.verify()
}

// candidate is a dictionary with tensors, and how it is reached.
type candidate struct {
	path string
	*dict
	tensors int
}

// choose finds the dictionary of tensors.
func choose(root any) (*dict, error) {
	const depth = 4
	var found []candidate
	seen := map[*dict]bool{}
	var walk func(path string, value any, left int)
	walk = func(path string, value any, left int) {
		d, is := value.(*dict)
		if !is || seen[d] || left == 0 {
			return
		}
		seen[d] = true
		c := candidate{path, d, 0}
		for i, v := range d.values {
			name, named := d.keys[i].(string)
			if _, is := v.(*array); is && named {
				c.tensors++
			}
			walk(strings.TrimPrefix(path+"."+name, "."), v, left-1)
		}
		if c.tensors > 0 {
			found = append(found, c)
		}
	}
	walk("", root, depth)
	for _, usual := range []string{"state_dict", "model_state_dict", "model"} {
		if i := slices.IndexFunc(found, func(c candidate) bool { return c.path == usual }); i >= 0 {
			return found[i].dict, nil
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s was saved, and no dictionary of tensors in it: expected a state_dict()", kind(root))
	case 1:
		return found[0].dict, nil
	}
	const shown = 6
	var places []string
	for _, c := range found[:min(shown, len(found))] {
		places = append(places, fmt.Sprintf("%.60q with %d", c.path, c.tensors))
	}
	if len(found) > shown {
		places = append(places, fmt.Sprintf("%d more", len(found)-shown))
	}
	return nil, fmt.Errorf("several dictionaries hold tensors (%s), expected one, or one called state_dict or model", strings.Join(places, ", "))
}

// list makes the table of contents of a dictionary. What is no tensor in it (an epoch, a learning rate) is passed over.
func (f *File) list(d *dict, size int64) error {
	names := map[string]bool{}
	prefixed, total := true, int64(0)
	for i, value := range d.values {
		a, is := value.(*array)
		name, named := d.keys[i].(string)
		if !is || !named {
			continue
		}
		if names[name] {
			return fmt.Errorf("tensor %.100q is there twice", name)
		}
		names[name] = true
		prefixed = prefixed && strings.HasPrefix(name, "module.")
		t := Tensor{Name: name, DType: a.storage.dtype, Shape: a.shape, Size: a.size()}
		width := int64(t.DType.Size())
		t.Begin = a.storage.place() + a.offset*width
		if !a.ordered() {
			t.Strides = a.strides
		}
		// Tensors may share a storage, as tied weights do, but not so that a small file stands for any number of them.
		if total += t.Size * width; total > 2*size {
			return fmt.Errorf("the tensors up to %.100q have %d bytes, expected at most twice the file's %d: they share storages", name, total, size)
		}
		f.Tensors = append(f.Tensors, t)
	}
	for i := range f.Tensors {
		if prefixed {
			f.Tensors[i].Name = strings.TrimPrefix(f.Tensors[i].Name, "module.")
		}
	}
	return nil
}
