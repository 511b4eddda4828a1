package matfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Table is the structure array of a name: for each of its elements the value of each field. A value is a string, a []float64 in
// MATLAB's order (columns first), or nil for anything else.
func Table(content []byte, name string) ([]map[string]any, error) {
	if len(content) < headerSize || binary.LittleEndian.Uint16(content[124:]) != level5 || string(content[126:128]) != littleEndian {
		return nil, errors.New("expected a MATLAB file of level 5, little-endian")
	}
	budget := maxInflated
	rest := content[headerSize:]
	for len(rest) > 0 {
		e, after, err := next(rest)
		if err != nil {
			return nil, err
		}
		rest = after
		if e.kind == compressed {
			if e, err = inflate(e.content, &budget); err != nil {
				return nil, err
			}
		}
		if e.kind != matrix {
			return nil, fmt.Errorf("an element of type %d, expected a variable", e.kind)
		}
		r := reader{e.content}
		class, extents, called, err := r.start()
		if err != nil {
			return nil, err
		}
		if called != name {
			continue
		}
		if class != structClass {
			return nil, fmt.Errorf("variable %q is of class %d, expected structures", name, class)
		}
		return r.structures(extents)
	}
	return nil, fmt.Errorf("no variable %q", name)
}
