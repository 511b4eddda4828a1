package onnx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// leastApart is the least raw data of an initialiser that stays in the file until it is wanted. Nearly all of a file is that.
const leastApart = 4 << 10

// skimmer copies a model's bytes but for large raw data, of which it notes the place.
type skimmer struct {
	file     io.ReaderAt
	size, at int64
	in       *bufio.Reader // of the file from at
	number   [20]byte      // room to encode two

	// The copy is made in a second pass, when its size is known.
	count, tensors int64 // bytes and initialisers
	out            []byte
	raw            []extent // of each initialiser; zero where it is in the copy
}

// extent is a place in a file.
type extent struct{ offset, size int64 }

// skim copies a file of that many bytes. A file of another kind ends in an error soon, or in a copy that is no message.
func skim(file io.ReaderAt, size int64) (content []byte, raw []extent, err error) {
	s := &skimmer{file: file, size: size, in: bufio.NewReaderSize(nil, 16<<10)}
	s.seek(0)
	if err := s.message(size, 0); err != nil {
		return nil, nil, err
	}
	s.out, s.raw = make([]byte, 0, s.count), make([]extent, 0, s.tensors)
	s.seek(0)
	if err := s.message(size, 0); err != nil {
		return nil, nil, err
	}
	return s.out, s.raw, nil
}

// seek goes to a place in the file.
func (s *skimmer) seek(at int64) {
	s.at = at
	s.in.Reset(io.NewSectionReader(s.file, at, s.size-at))
}

// skip leaves bytes out.
func (s *skimmer) skip(n int64) {
	if buffered := int64(s.in.Buffered()); n > buffered {
		s.seek(s.at + n)
		return
	}
	s.in.Discard(int(n)) // cannot fail: it is in memory
	s.at += n
}

// message copies the fields of a message that ends there. Depth 0 is the model, 1 its graph, 2 an initialiser.
func (s *skimmer) message(end int64, depth int) error {
	for s.at < end {
		tag, err := s.varint()
		if err != nil {
			return err
		}
		number, kind := protowire.DecodeTag(tag)
		switch kind {
		case protowire.VarintType:
			var value uint64
			if value, err = s.varint(); err == nil {
				s.write(protowire.AppendVarint(protowire.AppendVarint(s.number[:0], tag), value))
			}
		case protowire.Fixed32Type:
			err = s.fixed(tag, 4, end)
		case protowire.Fixed64Type:
			err = s.fixed(tag, 8, end)
		case protowire.BytesType:
			var size uint64
			if size, err = s.varint(); err == nil && size > uint64(max(0, end-s.at)) {
				err = io.ErrUnexpectedEOF
			}
			if err == nil {
				err = s.field(number, tag, int64(size), depth)
			}
		default:
			err = fmt.Errorf("field %d of kind %d", number, kind)
		}
		if err != nil {
			return err
		}
	}
	if s.at > end {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// field copies a message, a text, or a list.
func (s *skimmer) field(number protowire.Number, tag uint64, size int64, depth int) error {
	inside := depth == 0 && number == modelGraph || depth == 1 && number == graphInitializer
	switch {
	case inside:
		if depth == 1 {
			s.tensors++
			s.note(extent{}, true)
		}
		s.write(protowire.AppendVarint(s.number[:0], tag))
		place := len(s.out)
		s.write(s.number[:longLength]) // any bytes
		if err := s.message(s.at+size, depth+1); err != nil {
			return err
		}
		if s.out != nil {
			putLength(s.out[place:], len(s.out)-place-longLength)
		}
		return nil
	case depth == 2 && number == tensorRawData: // the last such field is the one that counts
		if size >= leastApart {
			s.note(extent{s.at, size}, false)
			s.skip(size)
			return nil
		}
		s.note(extent{}, false)
	}
	s.write(protowire.AppendVarint(protowire.AppendVarint(s.number[:0], tag), uint64(size)))
	return s.copy(size, s.at+size)
}

// fixed copies a number of so many bytes, of a message that ends there.
func (s *skimmer) fixed(tag uint64, size, end int64) error {
	s.write(protowire.AppendVarint(s.number[:0], tag))
	return s.copy(size, end)
}

// note says where the raw data of the last initialiser is.
func (s *skimmer) note(raw extent, another bool) {
	switch {
	case s.out == nil:
	case another:
		s.raw = append(s.raw, raw)
	default:
		s.raw[len(s.raw)-1] = raw
	}
}

// longLength is the bytes of a length that is written before it is known. All five say less than 2^35, leading zeros too.
const longLength = 5

func putLength(to []byte, n int) {
	for i := range longLength - 1 {
		to[i] = byte(n>>(7*i)) | 0x80
	}
	to[longLength-1] = byte(n >> (7 * (longLength - 1)))
}

// ReadByte implements io.ByteReader.
func (s *skimmer) ReadByte() (byte, error) {
	b, err := s.in.ReadByte()
	if err == nil {
		s.at++
	}
	return b, err
}

func (s *skimmer) varint() (uint64, error) {
	v, err := binary.ReadUvarint(s)
	return v, unexpected(err)
}

func (s *skimmer) write(b []byte) {
	s.count += int64(len(b))
	if s.out != nil {
		s.out = append(s.out, b...)
	}
}

// copy copies bytes of a message that ends there.
func (s *skimmer) copy(n, end int64) error {
	if n > end-s.at {
		return io.ErrUnexpectedEOF
	}
	s.count += n
	if s.out == nil {
		s.skip(n)
		return nil
	}
	from := len(s.out)
	if int(n) > cap(s.out)-from {
		return errors.New("it changed while it was read")
	}
	s.out = s.out[:from+int(n)]
	_, err := io.ReadFull(s.in, s.out[from:])
	s.at += n
	return unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
