package pth

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// tape is the archive that torch.save wrote before PyTorch 0.1.10: members storages, tensors and pickle, the last of which
// names the others' entries by number. (PyTorch itself reads it with code execution allowed, and not otherwise.)
type tape struct {
	file     io.ReaderAt
	storages map[int64]*storage
	tensors  map[int64]*array
}

func readTar(file io.ReaderAt, size int64) (*contents, error) {
	members, err := tarMembers(file, size)
	if err != nil {
		return nil, fmt.Errorf("tar archive: %w", err)
	}
	t := tape{file, map[int64]*storage{}, map[int64]*array{}}
	for _, step := range []struct {
		member string
		read   func(in *reader) error
	}{{"storages", t.readStorages}, {"tensors", t.readTensors}} {
		in, there := members[step.member]
		if !there {
			return nil, fmt.Errorf("tar archive: no member called %s, expected what torch.save wrote", step.member)
		}
		if err := step.read(in); err != nil {
			return nil, fmt.Errorf("tar archive: %s: %w", step.member, err)
		}
	}
	if facts, there := members["sys_info"]; there {
		said, err := unpickle(facts, t.none)
		if err != nil {
			return nil, fmt.Errorf("tar archive: sys_info: %w", err)
		}
		if err := littleEndian(said); err != nil {
			return nil, err
		}
	}
	in, there := members["pickle"]
	if !there {
		return nil, fmt.Errorf("tar archive: no member called pickle, expected what torch.save wrote")
	}
	root, err := unpickle(in, t.object)
	if err != nil {
		return nil, fmt.Errorf("tar archive: %w", err)
	}
	return &contents{root: root}, nil
}

// tarMembers finds the members' places.
func tarMembers(file io.ReaderAt, size int64) (map[string]*reader, error) {
	const most = 16
	section := io.NewSectionReader(file, 0, size)
	archive, members := tar.NewReader(section), map[string]*reader{}
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(h.Name, "./")
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if _, twice := members[name]; twice || len(members) == most {
			return nil, fmt.Errorf("member %.100q is there twice, or one too many", name)
		}
		begin, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if h.Size > size-begin {
			return nil, fmt.Errorf("cut short: member %.100q has %d bytes from byte %d on in a file of %d", name, h.Size, begin, size)
		}
		members[name] = newReader(file, begin, begin+h.Size)
	}
}

func (t *tape) none(id any) (any, error) {
	return nil, fmt.Errorf("%s stands for something outside", kind(id))
}

// integer reads a pickle of one.
func (t *tape) integer(in *reader) (int64, error) {
	value, err := unpickle(in, t.none)
	if err != nil {
		return 0, err
	}
	n, is := value.(int64)
	if !is || n < 0 {
		return 0, fmt.Errorf("%s, expected a number of entries", kind(value))
	}
	return n, nil
}

// entries reads how many there are, and hands on each, a tuple of three; what says what each is.
func (t *tape) entries(in *reader, what string, each func(said tuple) error) error {
	count, err := t.integer(in)
	if err != nil {
		return err
	}
	for range count {
		value, err := unpickle(in, t.none)
		if err != nil {
			return err
		}
		said, is := value.(tuple)
		if !is || len(said) != 3 {
			return fmt.Errorf("%s where a %s is expected", kind(value), what)
		}
		if err := each(said); err != nil {
			return err
		}
	}
	return nil
}

// readStorages reads how many there are; for each (number, device, class), its elements; and then the views of them.
func (t *tape) readStorages(in *reader) error {
	err := t.entries(in, "storage", func(said tuple) error {
		number, is := said[0].(int64)
		if _, twice := t.storages[number]; !is || twice {
			return fmt.Errorf("storage %v is there twice, or called by %s", said[0], kind(said[0]))
		}
		dtype, err := elements(said[2])
		if err != nil {
			return err
		}
		field, err := in.next(8)
		if err != nil {
			return err
		}
		s := &storage{dtype: dtype, count: int64(binary.LittleEndian.Uint64(field)), begin: in.at}
		if s.count < 0 || s.count > (in.end-in.at)/int64(dtype.Size()) {
			return fmt.Errorf("cut short: %d elements of %s at byte %d of %d", s.count, dtype, in.at, in.end)
		}
		if err := in.skip(t.file, s.count*int64(dtype.Size())); err != nil {
			return err
		}
		t.storages[number] = s
		return nil
	})
	if err != nil {
		return err
	}
	value, err := unpickle(in, t.none)
	if err != nil {
		return err
	}
	views, is := value.(*list)
	if !is {
		return fmt.Errorf("%s where the views of storages are expected", kind(value))
	}
	for _, item := range views.items {
		said, _ := item.(tuple)
		numbers, err := integers(said)
		if err != nil || len(numbers) != 4 {
			return fmt.Errorf("%s where a view of a storage is expected", kind(item))
		}
		root, known := t.storages[numbers[1]]
		if !known {
			return fmt.Errorf("a view of storage %d, which is not there", numbers[1])
		}
		if t.storages[numbers[0]], err = root.view(numbers[2], numbers[3]); err != nil {
			return err
		}
	}
	return nil
}

// readTensors reads how many there are, and for each (number, storage's number, class), its dimensions, shape, strides and
// offset.
func (t *tape) readTensors(in *reader) error {
	return t.entries(in, "tensor", func(said tuple) error {
		number, isInteger := said[0].(int64)
		of, isInteger2 := said[1].(int64)
		s, known := t.storages[of]
		if !isInteger || !isInteger2 || !known {
			return fmt.Errorf("tensor %v on storage %v, which is not there", said[0], said[1])
		}
		field, err := in.next(8) // the rank in four bytes, and four that mean nothing
		if err != nil {
			return err
		}
		rank := int64(binary.LittleEndian.Uint32(field))
		if rank > maxRank {
			return fmt.Errorf("tensor %d: %d dimensions, expected at most %d", number, rank, maxRank)
		}
		if field, err = in.next(8 * (2*rank + 1)); err != nil {
			return err
		}
		numbers := make([]int64, 2*rank+1)
		for i := range numbers {
			numbers[i] = int64(binary.LittleEndian.Uint64(field[8*i:]))
		}
		a := &array{storage: s, shape: numbers[:rank], strides: numbers[rank : 2*rank], offset: numbers[2*rank]}
		if err := a.check(); err != nil {
			return fmt.Errorf("tensor %d: %w", number, err)
		}
		t.tensors[number] = a
		return nil
	})
}

// object finds what a number stands for.
func (t *tape) object(id any) (any, error) {
	text, is := id.(string)
	number, err := strconv.ParseInt(text, 10, 64)
	if n, isInteger := id.(int64); isInteger {
		number, is, err = n, true, nil
	}
	if !is || err != nil {
		return nil, fmt.Errorf("%s stands for something outside, expected the number of a tensor", kind(id))
	}
	if a, known := t.tensors[number]; known {
		return a, nil
	}
	if s, known := t.storages[number]; known {
		return s, nil
	}
	return nil, fmt.Errorf("tensor %d is not there", number)
}
