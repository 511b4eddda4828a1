package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sort"

	"github.com/nlpodyssey/safetensors"
)

// maxHeader bounds a header that is read. A tensor takes about a hundred bytes of it, so this is some forty thousand.
const maxHeader = 4 << 20

// maxRank bounds a tensor's dimensions, so that they cannot take many times the room of their text.
const maxRank = 32

// numbers are the dimensions or offsets of a tensor.
type numbers []int64

func (n *numbers) UnmarshalJSON(text []byte) error {
	if more := bytes.Count(text, []byte{','}); more >= maxRank {
		return fmt.Errorf("%d numbers, expected at most %d", more+1, maxRank)
	}
	return json.Unmarshal(text, (*[]int64)(n))
}

// header is the table of contents of a safetensors file: eight bytes with its length, then JSON, then the tensors' bytes.
//
// It is not read with the library's Deserialize, which wants the whole file in memory, takes thirty times its size for a
// header of long shapes, and lets a second tensor of the same name win.
type header struct {
	names    []string // in the header's order
	tensors  map[string]entry
	metadata map[string]string
	verify   func() error // that the tensors' bytes are those that were written; nil for safetensors, which cannot tell
}

// check is verify, if there is one.
func (h *header) check() error {
	if h.verify == nil {
		return nil
	}
	return h.verify()
}

// entry is one tensor: where its bytes lie in the file, and what they are. With strides they begin there, and end-begin is
// only how many there are.
type entry struct {
	dtype      safetensors.DType
	shape      []int64
	strides    []int64 // of each axis, in elements; nil for the order of the indices
	begin, end int64
}

// readHeader reads the header of a file of size bytes and checks that its tensors fill the rest without gap or overlap.
func readHeader(file io.ReaderAt, size int64) (*header, error) {
	const prefix = 8
	if size < prefix {
		return nil, fmt.Errorf("%d bytes, expected at least %d", size, prefix)
	}
	var field [prefix]byte
	if err := readAt(file, field[:], 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(field[:])
	if length > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, expected at most %d", length, maxHeader)
	}
	if int64(length) > size-prefix {
		return nil, fmt.Errorf("cut short: header of %d bytes in a file of %d", length, size)
	}
	text := make([]byte, length)
	if err := readAt(file, text, prefix); err != nil {
		return nil, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return h, h.place(prefix+int64(length), size)
}

// parseHeader reads JSON piece by piece, which finds names that are there twice.
func parseHeader(text []byte) (*header, error) {
	h := &header{tensors: map[string]entry{}}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%.200v", err)
		}
		name := token.(string) // the decoder has seen to that
		if name == "__metadata__" {
			if h.metadata != nil {
				return nil, errors.New("__metadata__ is there twice")
			}
			h.metadata = map[string]string{}
			if err := d.Decode(&h.metadata); err != nil {
				return nil, fmt.Errorf("__metadata__: %.200v", err)
			}
			continue
		}
		if _, twice := h.tensors[name]; twice {
			return nil, fmt.Errorf("tensor %.100s is there twice", name)
		}
		var said struct {
			DType   string  `json:"dtype"`
			Shape   numbers `json:"shape"`
			Offsets numbers `json:"data_offsets"`
		}
		if err := d.Decode(&said); err != nil {
			return nil, fmt.Errorf("tensor %.100s: %.200v", name, err)
		}
		dtype, err := safetensors.ParseDType(said.DType)
		if err != nil {
			return nil, fmt.Errorf("tensor %.100s: element type %.40q is not known", name, said.DType)
		}
		if said.Shape == nil {
			return nil, fmt.Errorf("tensor %.100s: no shape", name)
		}
		if len(said.Offsets) != 2 {
			return nil, fmt.Errorf("tensor %.100s: %d data offsets, expected 2", name, len(said.Offsets))
		}
		h.names = append(h.names, name)
		h.tensors[name] = entry{dtype: dtype, shape: said.Shape, begin: said.Offsets[0], end: said.Offsets[1]}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, fmt.Errorf("%.200v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more follows after the JSON object")
	}
	return h, nil
}

// place turns offsets, which count from start, into places in the file, and checks that the tensors fill [start, size).
func (h *header) place(start, size int64) error {
	order := append([]string(nil), h.names...)
	sort.Slice(order, func(i, j int) bool {
		a, b := h.tensors[order[i]], h.tensors[order[j]]
		return a.begin < b.begin || a.begin == b.begin && (a.end < b.end || a.end == b.end && order[i] < order[j])
	})
	body, next := size-start, int64(0)
	for _, name := range order {
		e := h.tensors[name]
		if e.begin != next || e.end < e.begin {
			return fmt.Errorf("tensor %.100s: bytes [%d, %d), expected to begin at %d, where the one before ends", name, e.begin, e.end, next)
		}
		if e.end > body {
			return fmt.Errorf("cut short: tensor %.100s ends at byte %d of %d", name, e.end, body)
		}
		if !e.fits() {
			return fmt.Errorf("tensor %.100s: shape %v of %s does not make the %d bytes of its offsets", name, e.shape, e.dtype, e.end-e.begin)
		}
		next = e.end
		e.begin, e.end = start+e.begin, start+e.end
		h.tensors[name] = e
	}
	if next != body {
		return fmt.Errorf("%d bytes follow the last tensor, expected none", body-next)
	}
	return nil
}

// fits says whether the shape accounts for the bytes.
func (e entry) fits() bool {
	total := e.dtype.Size()
	for _, d := range e.shape {
		high, low := bits.Mul64(total, uint64(d))
		if d < 0 || high != 0 { // or the product would wrap to a small number; not even a later 0 excuses it
			return false
		}
		total = low
	}
	return total == uint64(e.end-e.begin)
}

// readAt fills buffer, which is known to lie within the file.
func readAt(file io.ReaderAt, buffer []byte, at int64) error {
	n, err := file.ReadAt(buffer, at)
	if n == len(buffer) {
		return nil
	}
	if err == io.EOF {
		return fmt.Errorf("cut short: %d bytes at %d, expected %d", n, at, len(buffer))
	}
	return err
}
