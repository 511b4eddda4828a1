package weights

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"fovea/device"
	"fovea/nn"
)

// Load reads path into tensors that must match it name by name and shape by shape; nothing is changed unless all do, and
// the error names all that do not. The file is safetensors or PyTorch's, of float64, float32, float16 or bfloat16.
//
// It takes at most twice the file's size of memory, and what the table of contents takes: a header of up to 4 MiB, or what
// package pth states.
func Load(path string, state []nn.Tensor) error {
	_, err := load(path, state, false)
	return err
}

// Partial is what LoadPartial did.
type Partial struct {
	Loaded  int      // tensors
	Left    []string // tensors of the network that stay as they were, and why
	Skipped []string // tensors of the file that the network does not have
}

// LoadPartial is Load for a network that differs, as one with another head does: tensors of the same name and shape are
// loaded, the others left as they are. It fails if none fits.
func LoadPartial(path string, state []nn.Tensor) (Partial, error) { return load(path, state, true) }

// String is a line for the user.
func (p Partial) String() string {
	return fmt.Sprintf("%d of %d tensors loaded; as they were: %s; in the file and not used: %s", p.Loaded, p.Loaded+len(p.Left), list(p.Left), list(p.Skipped))
}

func load(path string, state []nn.Tensor, partial bool) (Partial, error) {
	done, err := loadFile(path, state, partial)
	if err != nil {
		return Partial{}, fmt.Errorf("weights %s: %w", path, err)
	}
	return done, nil
}

func loadFile(path string, state []nn.Tensor, partial bool) (done Partial, err error) {
	file, h, err := open(path)
	if err != nil {
		return done, err
	}
	defer file.Close()
	for _, s := range state {
		if float := s.Tensor.Device.Float(); s.Tensor.DType != float {
			return done, fmt.Errorf("tensor %s: %w: network has %v, expected %v", s.Name, device.ErrDType, s.Tensor.DType, float)
		}
	}
	m := compare(h, state)
	if !m.whole() && (!partial || len(m.fit) == 0) {
		return done, m
	}
	if err := h.check(); err != nil {
		return done, err
	}
	values := make([]any, len(m.fit))
	for i, s := range m.fit {
		if values[i], err = h.tensors[s.Name].decode(file); err != nil {
			return done, fmt.Errorf("tensor %s: %w", s.Name, err)
		}
	}
	for i, s := range m.fit {
		if err := s.Tensor.Device.Upload(s.Tensor, values[i]); err != nil {
			return done, fmt.Errorf("tensor %s: %w", s.Name, err)
		}
	}
	done = Partial{Loaded: len(m.fit), Left: slices.Concat(m.missing, m.shapes, m.types), Skipped: m.extra}
	return done, nil
}

// match is how a file and a network compare: what fits, and, in order, what does not. It is the error that says so.
type match struct {
	fit            []nn.Tensor
	missing, extra []string // names
	shapes, types  []string // names, and what differs
}

// pytorchCounter ends the name of a count that PyTorch keeps with every batch normalisation and that nothing here needs.
const pytorchCounter = ".num_batches_tracked"

func compare(h *header, state []nn.Tensor) *match {
	m, expected := &match{}, map[string]bool{}
	for _, s := range state {
		expected[s.Name] = true
		e, there := h.tensors[s.Name]
		switch {
		case !there:
			m.missing = append(m.missing, s.Name)
		case !slices.EqualFunc(e.shape, []int(s.Tensor.Shape), func(a int64, b int) bool { return a == int64(b) }):
			m.shapes = append(m.shapes, fmt.Sprintf("%s (file has %v, network expects %v)", s.Name, e.shape, []int(s.Tensor.Shape)))
		case e.real() != nil:
			m.types = append(m.types, fmt.Sprintf("%s (file has %s, expected F64, F32, F16 or BF16)", s.Name, e.dtype))
		default:
			m.fit = append(m.fit, s)
		}
	}
	for _, name := range h.names {
		if !expected[name] && !strings.HasSuffix(name, pytorchCounter) {
			m.extra = append(m.extra, name)
		}
	}
	for _, names := range [][]string{m.missing, m.extra, m.shapes, m.types} {
		sort.Strings(names)
	}
	return m
}

func (m *match) whole() bool {
	return len(m.missing)+len(m.extra)+len(m.shapes)+len(m.types) == 0
}

func (m *match) Error() string {
	text := fmt.Sprintf("tensors do not match the network: missing %s; not expected %s; %v %s", list(m.missing), list(m.extra), device.ErrShape, list(m.shapes))
	if len(m.types) > 0 {
		text += fmt.Sprintf("; %v %s", device.ErrDType, list(m.types))
	}
	return text
}

func (m *match) Unwrap() (kinds []error) {
	if len(m.shapes) > 0 {
		kinds = append(kinds, device.ErrShape)
	}
	if len(m.types) > 0 {
		kinds = append(kinds, device.ErrDType)
	}
	return kinds
}

// list names not more than a message can hold.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	const shown = 6
	words := make([]string, min(shown, len(names)))
	for i := range words {
		words[i] = fmt.Sprintf("%.200s", names[i])
	}
	text := strings.Join(words, ", ")
	if len(names) > shown {
		text += fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return text
}
