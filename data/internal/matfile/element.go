package matfile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The header: text, then the version and which end of a number comes first.
const (
	headerSize   = 128
	level5       = 0x0100
	littleEndian = "IM"
)

// Types of data elements (table 1-1 of the format's description).
const (
	int8s      = 1
	uint8s     = 2
	int16s     = 3
	uint16s    = 4
	int32s     = 5
	uint32s    = 6
	float32s   = 7
	float64s   = 9
	int64s     = 12
	uint64s    = 13
	matrix     = 14
	compressed = 15
	utf8       = 16
)

// maxInflated is how many bytes the compressed variables of one file may have together.
const maxInflated = 256 << 20

// element is a data element.
type element struct {
	kind    int
	content []byte
}

var errShort = errors.New("cut short")

// next is the first element of b and what comes behind it.
func next(b []byte) (e element, rest []byte, err error) {
	if len(b) < 8 {
		return e, nil, errShort
	}
	first := binary.LittleEndian.Uint32(b)
	if size := first >> 16; size != 0 { // the small form: type and size in four bytes, the content in the next four
		if size > 4 {
			return e, nil, fmt.Errorf("a small element of %d bytes, expected at most 4", size)
		}
		return element{int(first & 0xffff), b[4 : 4+size]}, b[8:], nil
	}
	size := uint64(binary.LittleEndian.Uint32(b[4:]))
	if size > uint64(len(b)-8) {
		return e, nil, errShort
	}
	e = element{int(first), b[8 : 8+size]}
	if e.kind != compressed {
		size = min((size+7)/8*8, uint64(len(b)-8)) // the last one's padding may be missing
	}
	return e, b[8+size:], nil
}

// inflate is the one element that a compressed one has in it. Its bytes are taken from the budget.
func inflate(content []byte, budget *int) (element, error) {
	r, err := zlib.NewReader(bytes.NewReader(content))
	if err != nil {
		return element{}, err
	}
	all, err := io.ReadAll(io.LimitReader(r, int64(*budget)+1))
	if err != nil {
		return element{}, err
	}
	if *budget -= len(all); *budget < 0 {
		return element{}, fmt.Errorf("more than %d bytes when unpacked, expected at most that", maxInflated)
	}
	e, _, err := next(all)
	return e, err
}

// widths are the bytes of a number of each type.
var widths = map[int]int{int8s: 1, uint8s: 1, int16s: 2, uint16s: 2, int32s: 4, uint32s: 4, float32s: 4, float64s: 8, int64s: 8, uint64s: 8, utf8: 1}

// numbers are what an element has; whole numbers beyond 2^53 are rounded.
func (e element) numbers() ([]float64, error) {
	width := widths[e.kind]
	if width == 0 {
		return nil, fmt.Errorf("an element of type %d, expected numbers", e.kind)
	}
	if len(e.content)%width != 0 {
		return nil, fmt.Errorf("%d bytes, expected numbers of %d", len(e.content), width)
	}
	values := make([]float64, len(e.content)/width)
	for i := range values {
		values[i] = number(e.kind, e.content[i*width:])
	}
	return values, nil
}

func number(kind int, b []byte) float64 {
	little := binary.LittleEndian
	switch kind {
	case int8s:
		return float64(int8(b[0]))
	case int16s:
		return float64(int16(little.Uint16(b)))
	case uint16s:
		return float64(little.Uint16(b))
	case int32s:
		return float64(int32(little.Uint32(b)))
	case uint32s:
		return float64(little.Uint32(b))
	case float32s:
		return float64(math.Float32frombits(little.Uint32(b)))
	case float64s:
		return math.Float64frombits(little.Uint64(b))
	case int64s:
		return float64(int64(little.Uint64(b)))
	case uint64s:
		return float64(little.Uint64(b))
	}
	return float64(b[0]) // uint8s, utf8
}
