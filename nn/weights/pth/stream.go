package pth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The stream that torch.save wrote from PyTorch 0.1.10 to 1.5, and writes still when asked to: pickles of a number that marks
// the file, a version, facts of the machine, the object and the keys of its storages, then each storage's length and bytes.
const (
	magic   = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19" // 0x1950a86a20f9469cfc6c
	version = 1001
)

func readStream(file io.ReaderAt, size int64) (*contents, error) {
	in := newReader(file, 0, size)
	nothing := func(id any) (any, error) { return nil, fmt.Errorf("%s stands for something outside", kind(id)) }
	mark, err := unpickle(in, nothing)
	if err != nil {
		return nil, err
	}
	if mark != large(magic) {
		return nil, fmt.Errorf("a pickle of %s, expected what torch.save writes", kind(mark))
	}
	number, err := unpickle(in, nothing)
	if err != nil {
		return nil, err
	}
	if number != int64(version) {
		return nil, fmt.Errorf("format version %v, expected %d", number, version)
	}
	facts, err := unpickle(in, nothing)
	if err != nil {
		return nil, err
	}
	if err := littleEndian(facts); err != nil {
		return nil, err
	}
	s := stream{roots: map[string]*storage{}}
	root, err := unpickle(in, s.storage)
	if err != nil {
		return nil, err
	}
	keys, err := unpickle(in, nothing)
	if err != nil {
		return nil, err
	}
	return &contents{root: root}, s.place(file, in, keys)
}

// littleEndian checks the order of bytes that a file says it has.
func littleEndian(facts any) error {
	said, is := facts.(*dict)
	if !is {
		return fmt.Errorf("%s where the facts of the machine are expected", kind(facts))
	}
	for i, key := range said.keys {
		if key == "little_endian" && said.values[i] != true {
			return errors.New("numbers in byte order big, expected little")
		}
	}
	return nil
}

type stream struct{ roots map[string]*storage }

// storage makes what ("storage", class, key, device, elements, view) stands for; view is None or (key, offset, elements).
func (s *stream) storage(id any) (any, error) {
	said, key, dtype, count, err := described(id, 6)
	if err != nil {
		return nil, err
	}
	root, known := s.roots[key]
	if !known {
		root = &storage{dtype: dtype, count: count, begin: -1}
		s.roots[key] = root
	}
	if err := root.same(key, dtype, count); err != nil {
		return nil, err
	}
	if said[5] == nil {
		return root, nil
	}
	view, is := said[5].(tuple)
	if !is || len(view) != 3 {
		return nil, fmt.Errorf("storage %.100q: %s where a view is expected", key, kind(said[5]))
	}
	from, isInteger := view[1].(int64)
	part, isInteger2 := view[2].(int64)
	if !isInteger || !isInteger2 {
		return nil, fmt.Errorf("storage %.100q: a view of %s elements from %s on", key, kind(view[2]), kind(view[1]))
	}
	return root.view(from, part)
}

// place finds the storages' bytes, which follow in the order of the keys.
func (s *stream) place(file io.ReaderAt, in *reader, keys any) error {
	order, is := keys.(*list)
	if !is {
		return fmt.Errorf("%s where the keys of the storages are expected", kind(keys))
	}
	placed := 0
	for _, item := range order.items {
		key, is := item.(string)
		root, known := s.roots[key]
		if !is || !known {
			return fmt.Errorf("a storage called %.100q that no tensor has", fmt.Sprint(item))
		}
		if root.begin >= 0 {
			return fmt.Errorf("storage %.100q is there twice", key)
		}
		if err := root.read(file, in); err != nil {
			return fmt.Errorf("storage %.100q: %w", key, err)
		}
		placed++
	}
	if placed < len(s.roots) {
		return fmt.Errorf("%d storages follow, expected %d", placed, len(s.roots))
	}
	return nil
}

// read passes over a storage: the number of its elements, which must be the one known, and they.
func (s *storage) read(file io.ReaderAt, in *reader) error {
	field, err := in.next(8)
	if err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint64(field)); n != s.count {
		return fmt.Errorf("%d elements follow, expected %d", n, s.count)
	}
	s.begin = in.at
	if s.count > (in.end-in.at)/int64(s.dtype.Size()) {
		return fmt.Errorf("cut short: %d elements of %s at byte %d of %d", s.count, s.dtype, in.at, in.end)
	}
	return in.skip(file, s.count*int64(s.dtype.Size()))
}
