package matfile

import (
	"bytes"
	"fmt"
	"unicode/utf16"
)

// Classes of arrays (table 1-3), in the low byte of the flags.
const (
	structClass = 2
	charClass   = 4
	firstNumber = 6  // double
	lastNumber  = 15 // uint64
)

// reader takes the elements of an array one after another.
type reader struct{ rest []byte }

func (r *reader) next() (e element, err error) {
	e, r.rest, err = next(r.rest)
	return e, err
}

// start reads what every array begins with; behind it is what its class has.
func (r *reader) start() (class int, extents element, name string, err error) {
	flags, err := r.next()
	if err != nil {
		return 0, extents, "", err
	}
	if flags.kind != uint32s || len(flags.content) != 8 {
		return 0, extents, "", fmt.Errorf("an array that begins with an element of type %d, expected its flags", flags.kind)
	}
	if extents, err = r.next(); err != nil {
		return 0, extents, "", err
	}
	called, err := r.next()
	return int(flags.content[0]), extents, string(called.content), err
}

// value reads the array of a field. What has arrays in it is not looked into.
func value(content []byte) (any, error) {
	if len(content) == 0 { // an empty one, as fields may be
		return []float64{}, nil
	}
	r := reader{content}
	class, _, _, err := r.start()
	switch {
	case err != nil:
		return nil, err
	case class == charClass:
		return r.text()
	case class >= firstNumber && class <= lastNumber:
		e, err := r.next()
		if err != nil {
			return nil, err
		}
		return e.numbers()
	}
	return nil, nil
}

// structures reads the elements of a structure array: the names of the fields, then the values of the first element, ...
func (r *reader) structures(extents element) ([]map[string]any, error) {
	count, err := product(extents)
	if err != nil {
		return nil, err
	}
	width, err := r.next()
	if err != nil {
		return nil, err
	}
	size, err := width.numbers()
	if err != nil || len(size) != 1 || size[0] < 1 {
		return nil, fmt.Errorf("field names of %v bytes, expected a length", size)
	}
	names, err := r.next()
	if err != nil {
		return nil, err
	}
	var fields []string
	for at, each := 0, int(size[0]); at+each <= len(names.content); at += each {
		field, _, _ := bytes.Cut(names.content[at:at+each], []byte{0})
		fields = append(fields, string(field))
	}
	var rows []map[string]any // not made for count at once: the file may lie
	for i := 0; i < count && len(fields) > 0; i++ {
		row := make(map[string]any, len(fields))
		for _, field := range fields {
			e, err := r.next()
			if err != nil {
				return nil, fmt.Errorf("element %d, field %q: %w", i, field, err)
			}
			if e.kind != matrix {
				return nil, fmt.Errorf("element %d, field %q: an element of type %d, expected an array", i, field, e.kind)
			}
			if row[field], err = value(e.content); err != nil {
				return nil, fmt.Errorf("element %d, field %q: %w", i, field, err)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// product is how many elements an array with these extents has.
func product(extents element) (int, error) {
	sizes, err := extents.numbers()
	if err != nil {
		return 0, err
	}
	n := 1.0
	for _, size := range sizes {
		n *= size
	}
	if len(sizes) < 2 || !(n >= 0 && n <= 1<<31) {
		return 0, fmt.Errorf("extents %v, expected two or more", sizes)
	}
	return int(n), nil
}

// text reads the characters of a row. Tables have no others.
func (r *reader) text() (string, error) {
	e, err := r.next()
	if err != nil {
		return "", err
	}
	if e.kind == utf8 {
		return string(e.content), nil
	}
	values, err := e.numbers()
	if err != nil {
		return "", err
	}
	units := make([]uint16, len(values))
	for i, v := range values {
		units[i] = uint16(v)
	}
	return string(utf16.Decode(units)), nil
}
