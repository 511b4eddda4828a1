package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"fovea/data/atomic"
	"fovea/device"
	"fovea/nn"
)

// Save writes tensors to path as float32 (float64 on the reference device), replacing the file in one step or leaving it
// as it was. The same tensors make the same bytes. The card, which may be nil, says what they are the weights of.
func Save(path string, state []nn.Tensor, card *Card) error {
	if err := save(path, state, card); err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
}

func save(path string, state []nn.Tensor, card *Card) error {
	metadata, err := card.encode()
	if err != nil {
		return err
	}
	views := make(map[string]view, len(state))
	for _, s := range state {
		if _, twice := views[s.Name]; twice {
			return fmt.Errorf("tensor %s is there twice", s.Name)
		}
		if views[s.Name], err = download(s.Tensor); err != nil {
			return fmt.Errorf("tensor %s: %w", s.Name, err)
		}
	}
	return atomic.WriteFile(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(views, metadata, w)
	})
}

// view is a tensor's bytes as the library wants them.
type view struct {
	dtype safetensors.DType
	shape []uint64
	data  []byte
}

func (v view) DType() safetensors.DType { return v.dtype }
func (v view) Shape() []uint64          { return v.shape }
func (v view) Data() []byte             { return v.data }
func (v view) DataLen() uint64          { return uint64(len(v.data)) }

func download(t *device.Tensor) (view, error) {
	v := view{dtype: safetensors.F32, shape: make([]uint64, len(t.Shape))}
	for i, d := range t.Shape {
		v.shape[i] = uint64(d)
	}
	if t.DType == tensor.Float64 {
		values, err := t.Floats()
		if err != nil {
			return v, err
		}
		v.dtype, v.data = safetensors.F64, make([]byte, 0, 8*len(values))
		for _, x := range values {
			v.data = binary.LittleEndian.AppendUint64(v.data, math.Float64bits(x))
		}
		return v, nil
	}
	values := make([]float32, t.Size())
	if err := t.Device.Download(values, t); err != nil {
		return v, err
	}
	v.data = make([]byte, 0, 4*len(values))
	for _, x := range values {
		v.data = binary.LittleEndian.AppendUint32(v.data, math.Float32bits(x))
	}
	return v, nil
}

// Load reads path into tensors that must match it name by name and shape by shape; nothing is changed unless all do.
// The file may hold float64, float32, float16 or bfloat16. It takes at most twice the file's size of memory, and what
// a header of 4 MiB takes.
func Load(path string, state []nn.Tensor) error {
	if err := load(path, state); err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
}

func load(path string, state []nn.Tensor) error {
	file, h, err := open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := sameNames(h.names, state); err != nil {
		return err
	}
	for _, s := range state {
		e := h.tensors[s.Name]
		if !slices.EqualFunc(e.shape, []int(s.Tensor.Shape), func(a int64, b int) bool { return a == int64(b) }) {
			return fmt.Errorf("tensor %s: %w: file has %v, network expects %v", s.Name, device.ErrShape, e.shape, []int(s.Tensor.Shape))
		}
		if err := e.real(); err != nil {
			return fmt.Errorf("tensor %s: %w", s.Name, err)
		}
		if float := s.Tensor.Device.Float(); s.Tensor.DType != float {
			return fmt.Errorf("tensor %s: %w: network has %v, expected %v", s.Name, device.ErrDType, s.Tensor.DType, float)
		}
	}
	values := make([]any, len(state))
	for i, s := range state {
		if values[i], err = h.tensors[s.Name].decode(file); err != nil {
			return fmt.Errorf("tensor %s: %w", s.Name, err)
		}
	}
	for i, s := range state {
		if err := s.Tensor.Device.Upload(s.Tensor, values[i]); err != nil {
			return fmt.Errorf("tensor %s: %w", s.Name, err)
		}
	}
	return nil
}

// open opens a file and reads its header. Stat comes first: opening a pipe would wait.
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
	h, err := readHeader(file, info.Size())
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("not a whole safetensors file: %w", err)
	}
	return file, h, nil
}

// pytorchCounter ends the name of a count that PyTorch keeps with every batch normalisation and that nothing here needs.
const pytorchCounter = ".num_batches_tracked"

// sameNames says which names are missing and which are too many.
func sameNames(found []string, state []nn.Tensor) error {
	expected := make([]string, len(state))
	for i, s := range state {
		expected[i] = s.Name
	}
	missing, extra := without(expected, found), without(found, expected)
	extra = slices.DeleteFunc(extra, func(name string) bool { return strings.HasSuffix(name, pytorchCounter) })
	if len(missing) == 0 && len(extra) == 0 {
		return nil
	}
	return fmt.Errorf("tensors do not match the network: missing %s; not expected %s", list(missing), list(extra))
}

func without(all, some []string) []string {
	known := make(map[string]bool, len(some))
	for _, s := range some {
		known[s] = true
	}
	var rest []string
	for _, s := range all {
		if !known[s] {
			rest = append(rest, s)
		}
	}
	sort.Strings(rest)
	return rest
}

// list names not more than a message can hold.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	const shown = 6
	words := make([]string, min(shown, len(names)))
	for i := range words {
		words[i] = fmt.Sprintf("%.100s", names[i])
	}
	text := strings.Join(words, ", ")
	if len(names) > shown {
		text += fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return text
}
