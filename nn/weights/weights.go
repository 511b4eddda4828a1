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
	views := make(map[string]view, len(state))
	for _, s := range state {
		v, err := download(s.Tensor)
		if err != nil {
			return fmt.Errorf("weights %s: tensor %s: %w", path, s.Name, err)
		}
		views[s.Name] = v
	}
	err := atomic.WriteFile(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(views, card.encode(), w)
	})
	if err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
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
// The file may hold float64, float32, float16 or bfloat16.
func Load(path string, state []nn.Tensor) error {
	if err := load(path, state); err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
}

func load(path string, state []nn.Tensor) error {
	content, err := read(path)
	if err != nil {
		return err
	}
	file, err := safetensors.Deserialize(content)
	if err != nil {
		return fmt.Errorf("not a whole safetensors file: %w", err)
	}
	if err := sameNames(file.Names(), state); err != nil {
		return err
	}
	values := make([][]float32, len(state))
	for i, s := range state {
		t, _ := file.Tensor(s.Name)
		if !slices.EqualFunc(t.Shape(), []int(s.Tensor.Shape), func(a uint64, b int) bool { return a == uint64(b) }) {
			return fmt.Errorf("tensor %s: %w: file has %v, network expects %v", s.Name, device.ErrShape, t.Shape(), s.Tensor.Shape)
		}
		if values[i], err = decode(t); err != nil {
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

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(path)
	}
	var pathError *fs.PathError // names the path again
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return content, err
}

// sameNames says which names are missing and which are too many.
func sameNames(found []string, state []nn.Tensor) error {
	expected := make([]string, len(state))
	for i, s := range state {
		expected[i] = s.Name
	}
	missing, extra := without(expected, found), without(found, expected)
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

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	const shown = 6
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// decode reads little-endian numbers. Deserialize has checked that the bytes fit the shape.
func decode(t safetensors.TensorView) ([]float32, error) {
	data, width := t.Data(), int(t.DType().Size())
	values := make([]float32, len(data)/width)
	for i := range values {
		bytes := data[i*width:]
		switch t.DType() {
		case safetensors.F32:
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes))
		case safetensors.F64:
			values[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(bytes)))
		case safetensors.BF16:
			values[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(bytes)) << 16)
		case safetensors.F16:
			values[i] = half(binary.LittleEndian.Uint16(bytes))
		default:
			return nil, fmt.Errorf("%w: file has %s, expected F64, F32, F16 or BF16", device.ErrDType, t.DType())
		}
	}
	return values, nil
}

// half is the number of an IEEE 754 binary16.
func half(bits uint16) float32 {
	sign := 1.0
	if bits&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	switch exponent {
	case 0:
		return float32(sign * math.Ldexp(fraction, -24))
	case 0x1f:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}
