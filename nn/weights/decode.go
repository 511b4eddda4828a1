package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/nlpodyssey/safetensors"

	"fovea/device"
)

// piece is how much of a tensor is in memory as bytes; a multiple of every element's width.
const piece = 64 << 10

// real says whether decode knows the elements.
func (e entry) real() error {
	switch e.dtype {
	case safetensors.F64, safetensors.F32, safetensors.F16, safetensors.BF16:
		return nil
	}
	return fmt.Errorf("%w: file has %s, expected F64, F32, F16 or BF16", device.ErrDType, e.dtype)
}

// decode reads a tensor's little-endian numbers: []float64 of F64, []float32 of all others, which it holds exactly.
func (e entry) decode(file io.ReaderAt) (any, error) {
	switch e.dtype {
	case safetensors.F64:
		return decode(file, e, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) })
	case safetensors.F32:
		return decode(file, e, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })
	case safetensors.BF16:
		return decode(file, e, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) })
	case safetensors.F16:
		return decode(file, e, func(b []byte) float32 { return Half(binary.LittleEndian.Uint16(b)) })
	}
	return nil, e.real()
}

func decode[T any](file io.ReaderAt, e entry, number func([]byte) T) ([]T, error) {
	width := int64(e.dtype.Size())
	values := make([]T, (e.end-e.begin)/width)
	err := e.parts(file, func(at int64, part []byte) {
		for ; len(part) > 0; part = part[width:] {
			values[at] = number(part)
			at++
		}
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// raw reads a tensor's bytes in the order of the indices.
func (e entry) raw(file io.ReaderAt) ([]byte, error) {
	width := int64(e.dtype.Size())
	values := make([]byte, e.end-e.begin)
	err := e.parts(file, func(at int64, part []byte) { copy(values[at*width:], part) })
	if err != nil {
		return nil, err
	}
	return values, nil
}

// parts hands the tensor's bytes out, piece by piece: elements at, at+1, ... in the order of the indices. The file is read
// in its own order.
func (e entry) parts(file io.ReaderAt, take func(at int64, part []byte)) error {
	if e.strides != nil {
		return e.scattered(file, make([]byte, piece), take)
	}
	width, buffer := int64(e.dtype.Size()), make([]byte, min(piece, e.end-e.begin))
	for at := e.begin; at < e.end; at += piece {
		part := buffer[:min(piece, e.end-at)]
		if err := readAt(file, part, at); err != nil {
			return err
		}
		take((at-e.begin)/width, part)
	}
	return nil
}

// axis is one of a tensor's whose elements do not lie in the order of the indices.
type axis struct {
	size   int64
	stride int64 // in the file, in bytes
	step   int64 // in the order of the indices
}

// scattered is parts for a tensor with strides: the axis of the largest stride is the outermost, so that the file is read
// forwards.
func (e entry) scattered(file io.ReaderAt, buffer []byte, take func(at int64, part []byte)) error {
	if slices.Contains(e.shape, 0) {
		return nil
	}
	width, step := int64(e.dtype.Size()), int64(1)
	var axes []axis
	for i := len(e.shape) - 1; i >= 0; i-- {
		if e.shape[i] > 1 {
			axes = append(axes, axis{e.shape[i], e.strides[i] * width, step})
		}
		step *= e.shape[i]
	}
	sort.Slice(axes, func(i, j int) bool { return axes[i].stride > axes[j].stride })
	last := e.begin + width // where the last element ends
	for _, x := range axes {
		last += (x.size - 1) * x.stride
	}
	from, held := int64(0), buffer[:0] // the bytes of the file that are in memory
	var walk func(axes []axis, place, at int64) error
	walk = func(axes []axis, place, at int64) error {
		if len(axes) > 0 {
			for range axes[0].size {
				if err := walk(axes[1:], place, at); err != nil {
					return err
				}
				place, at = place+axes[0].stride, at+axes[0].step
			}
			return nil
		}
		if place < from || place+width > from+int64(len(held)) {
			from, held = place, buffer[:min(int64(len(buffer)), last-place)]
			if err := readAt(file, held, from); err != nil {
				return err
			}
		}
		take(at, held[place-from:place-from+width])
		return nil
	}
	return walk(axes, e.begin, 0)
}

// Half is the number of an IEEE 754 binary16: its exponent is moved from a bias of 15 to one of 127 by a multiplication, which
// is exact for subnormal numbers too.
func Half(bits uint16) float32 {
	magnitude := uint32(bits&0x7fff) << 13
	v := math.Float32frombits(magnitude) * (1 << 112)
	if bits&0x7c00 == 0x7c00 { // infinite, or not a number
		v = math.Float32frombits(magnitude | 0xff<<23)
	}
	return math.Float32frombits(math.Float32bits(v) | uint32(bits&0x8000)<<16)
}
