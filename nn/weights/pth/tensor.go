package pth

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"github.com/nlpodyssey/safetensors"
)

// storage is a row of numbers in the file that tensors are views of.
type storage struct {
	dtype safetensors.DType
	count int64
	begin int64 // place in the file, once it is known; of a view, of the storage that it is of
	of    *storage
	from  int64 // of a view, its first element in the other's
}

// described reads what stands for a storage: ("storage", class, key, device, elements) and what may follow, in all at least so
// many.
func described(id any, least int) (said tuple, key string, dtype safetensors.DType, count int64, err error) {
	said, is := id.(tuple)
	if !is || len(said) < least || said[0] != "storage" {
		return nil, "", 0, 0, fmt.Errorf("%s stands for something outside, expected a storage", kind(id))
	}
	if dtype, err = elements(said[1]); err != nil {
		return nil, "", 0, 0, err
	}
	key, isText := said[2].(string)
	count, isInteger := said[4].(int64)
	if !isText || !isInteger || count < 0 {
		return nil, "", 0, 0, fmt.Errorf("a storage called %s of %s elements, expected a text and an integer", kind(said[2]), kind(said[4]))
	}
	return said, key, dtype, count, nil
}

// same refuses another description of the storage.
func (s *storage) same(key string, dtype safetensors.DType, count int64) error {
	if s.dtype != dtype || s.count != count {
		return fmt.Errorf("storage %.100q is %d elements of %s and %d of %s", key, s.count, s.dtype, count, dtype)
	}
	return nil
}

// place is where the storage begins in the file.
func (s *storage) place() int64 {
	if s.of != nil {
		return s.of.place() + s.from*int64(s.dtype.Size())
	}
	return s.begin
}

// array is a tensor on the stack of the machine.
type array struct {
	storage        *storage
	offset         int64
	shape, strides []int64
}

// view is a part of another storage that counts as one.
func (s *storage) view(from, count int64) (*storage, error) {
	if from < 0 || count < 0 || from > s.count || count > s.count-from {
		return nil, fmt.Errorf("a storage of %d elements from %d on in one of %d", count, from, s.count)
	}
	return &storage{dtype: s.dtype, count: count, of: s, from: from}, nil
}

// storages are the names that stand for element types.
var storages = map[string]safetensors.DType{
	"DoubleStorage": safetensors.F64, "FloatStorage": safetensors.F32, "HalfStorage": safetensors.F16, "BFloat16Storage": safetensors.BF16,
	"LongStorage": safetensors.I64, "IntStorage": safetensors.I32, "ShortStorage": safetensors.I16, "CharStorage": safetensors.I8,
	"ByteStorage": safetensors.U8, "BoolStorage": safetensors.BOOL,
}

// elements is the element type that a value names, as PyTorch's classes of storages do.
func elements(value any) (safetensors.DType, error) {
	name, is := value.(class)
	if !is {
		return 0, fmt.Errorf("a storage of %s, expected the class of one", kind(value))
	}
	dtype, known := storages[storageName(string(name))]
	if !known {
		return 0, fmt.Errorf("a storage of class %s", name)
	}
	return dtype, nil
}

// storageName is the class's own name if it may be one of a storage.
func storageName(full string) string {
	for _, module := range []string{"torch.", "torch.cuda."} {
		if name, is := strings.CutPrefix(full, module); is {
			return name
		}
	}
	return ""
}

// The names that a dictionary of tensors needs.
const (
	orderedDict   = "collections.OrderedDict"
	rebuildTensor = "torch._utils._rebuild_tensor"
	rebuildV2     = "torch._utils._rebuild_tensor_v2"
	rebuildParam  = "torch._utils._rebuild_parameter"
	rebuildState  = "torch._utils._rebuild_parameter_with_state"
	parameter     = "torch.nn.parameter.Parameter"
	size          = "torch.Size"
)

// global pushes a name, which must be one of those known.
func (m *machine) global(module, name string) {
	if m.err != nil {
		return
	}
	full := module + "." + name
	known := slices.Contains([]string{orderedDict, rebuildTensor, rebuildV2, rebuildParam, rebuildState, parameter, size}, full)
	if _, is := storages[storageName(full)]; is {
		known = true
	}
	if _, is := storages[strings.TrimSuffix(storageName(full), "Tensor")+"Storage"]; is && strings.HasSuffix(full, "Tensor") { // the tar archives name their tensors' types
		known = true
	}
	if !known {
		m.fail("it names %.100q, which has no place among tensors and could run anything in PyTorch: expected the state_dict() of a network, and nothing else", full)
		return
	}
	m.push(class(full))
}

// call makes what a function of Python would return: [function, tuple of arguments].
func (m *machine) call(call []any) {
	if m.err != nil {
		return
	}
	function, isClass := call[0].(class)
	arguments, isTuple := call[1].(tuple)
	if !isClass || !isTuple {
		m.fail("a call of %s with %s", kind(call[0]), kind(call[1]))
		return
	}
	var value any
	var err error
	switch {
	case function == orderedDict:
		value, err = m.newDict(arguments)
	case function == rebuildTensor && len(arguments) == 4, function == rebuildV2 && (len(arguments) == 6 || len(arguments) == 7):
		value, err = newArray(arguments)
	case (function == rebuildParam || function == rebuildState || function == parameter) && len(arguments) > 0:
		wrapped, is := arguments[0].(*array)
		if !is {
			err = fmt.Errorf("a parameter of %s, expected a tensor", kind(arguments[0]))
		}
		value = wrapped
	case function == size && len(arguments) == 1:
		value = arguments[0]
	default:
		err = fmt.Errorf("a call of %s with %d arguments", function, len(arguments))
	}
	if err != nil {
		m.err = err
		return
	}
	m.push(value)
}

// newDict is OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], ...]).
func (m *machine) newDict(arguments tuple) (*dict, error) {
	made := &dict{}
	if len(arguments) == 0 {
		return made, nil
	}
	entries, is := arguments[0].(*list)
	if !is || len(arguments) > 1 {
		return nil, fmt.Errorf("a dictionary of %s, expected a list", kind(arguments[0]))
	}
	if m.spend(len(entries.items)); m.err != nil {
		return nil, m.err
	}
	for _, e := range entries.items {
		var pair []any
		switch e := e.(type) {
		case *list:
			pair = e.items
		case tuple:
			pair = e
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("an entry of %s, expected a key and a value", kind(e))
		}
		made.keys, made.values = append(made.keys, pair[0]), append(made.values, pair[1])
	}
	return made, nil
}

// newArray is _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata); all but the first four may
// be left out.
func newArray(a tuple) (*array, error) {
	s, is := a[0].(*storage)
	if !is {
		return nil, fmt.Errorf("a tensor on %s, expected a storage", kind(a[0]))
	}
	offset, is := a[1].(int64)
	if !is {
		return nil, fmt.Errorf("a tensor from element %s on, expected an integer", kind(a[1]))
	}
	shape, err := integers(a[2])
	if err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	strides, err := integers(a[3])
	if err != nil {
		return nil, fmt.Errorf("strides: %w", err)
	}
	if len(a) > 6 {
		if said, is := a[6].(*dict); a[6] != nil && (!is || len(said.keys) > 0) {
			return nil, fmt.Errorf("a tensor with metadata (conjugated or negated numbers), expected a plain one")
		}
	}
	made := &array{storage: s, offset: offset, shape: shape, strides: strides}
	return made, made.check()
}

// maxRank bounds a tensor's dimensions.
const maxRank = 32

func integers(value any) ([]int64, error) {
	items, is := value.(tuple)
	if !is {
		return nil, fmt.Errorf("%s, expected a tuple", kind(value))
	}
	if len(items) > maxRank {
		return nil, fmt.Errorf("%d dimensions, expected at most %d", len(items), maxRank)
	}
	made := make([]int64, len(items))
	for i, item := range items {
		if made[i], is = item.(int64); !is {
			return nil, fmt.Errorf("%s, expected an integer", kind(item))
		}
	}
	return made, nil
}

// check refuses a tensor that reaches out of its storage, or whose elements are the same ones more than once: then a few
// bytes could stand for any number of elements.
func (a *array) check() error {
	if len(a.shape) != len(a.strides) {
		return fmt.Errorf("shape %v with %d strides", a.shape, len(a.strides))
	}
	type axis struct{ size, stride int64 }
	var axes []axis
	for i, d := range a.shape {
		if d < 0 || a.strides[i] < 0 {
			return fmt.Errorf("shape %v with strides %v, expected none below 0", a.shape, a.strides)
		}
		if d > 1 {
			axes = append(axes, axis{d, a.strides[i]})
		}
	}
	if a.offset < 0 || a.offset > a.storage.count {
		return fmt.Errorf("a tensor from element %d on in a storage of %d", a.offset, a.storage.count)
	}
	if slices.Contains(a.shape, 0) {
		return nil
	}
	sort.Slice(axes, func(i, j int) bool { return axes[i].stride < axes[j].stride })
	last := int64(0) // the farthest element, counted from the first
	for _, x := range axes {
		if x.stride <= last {
			return fmt.Errorf("shape %v with strides %v: elements overlap", a.shape, a.strides)
		}
		high, reach := bits.Mul64(uint64(x.size-1), uint64(x.stride))
		if high != 0 || reach > uint64(a.storage.count) {
			last = a.storage.count
			break
		}
		last += int64(reach)
	}
	if last >= a.storage.count-a.offset {
		return fmt.Errorf("shape %v with strides %v from element %d on does not fit in a storage of %d", a.shape, a.strides, a.offset, a.storage.count)
	}
	return nil
}

// size is the number of elements, which check has found to be no more than the storage's.
func (a *array) size() int64 {
	n := int64(1)
	for _, d := range a.shape {
		n *= d
	}
	return n
}

// ordered says whether the elements lie in the order of the indices, without gaps.
func (a *array) ordered() bool {
	next := int64(1)
	for i := len(a.shape) - 1; i >= 0; i-- {
		if a.shape[i] > 1 && a.strides[i] != next {
			return false
		}
		next *= a.shape[i]
	}
	return true
}
