package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

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
		return decode(file, e, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) })
	}
	return nil, e.real()
}

func decode[T any](file io.ReaderAt, e entry, number func([]byte) T) ([]T, error) {
	width := int64(e.dtype.Size())
	values := make([]T, 0, (e.end-e.begin)/width)
	buffer := make([]byte, min(piece, e.end-e.begin))
	for at := e.begin; at < e.end; at += piece {
		part := buffer[:min(piece, e.end-at)]
		if err := readAt(file, part, at); err != nil {
			return nil, err
		}
		for ; len(part) > 0; part = part[width:] {
			values = append(values, number(part))
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
