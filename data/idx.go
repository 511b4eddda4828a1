package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxIDX bounds the values of an IDX file; MNIST's largest has 47 million.
const maxIDX = 1 << 30

// readIDX reads an IDX file of unsigned bytes with the given number of dimensions: two zero bytes, the type 8, the rank,
// each dimension as a big-endian uint32, then the values, the last dimension varying fastest
// (http://yann.lecun.com/exdb/mnist/, "The IDX file format").
func readIDX(r io.Reader, rank int) (dims []int, values []byte, err error) {
	head := make([]byte, 4+4*rank)
	if n, err := io.ReadFull(r, head); err != nil {
		return nil, nil, fmt.Errorf("IDX header: %w", shortRead(err, int64(n), int64(len(head))))
	}
	if want := []byte{0, 0, 8, byte(rank)}; !bytes.Equal(head[:4], want) {
		return nil, nil, fmt.Errorf("IDX header: magic number %x, expected %x (unsigned bytes, %d dimensions)", head[:4], want, rank)
	}
	total := int64(1)
	for i := range rank {
		d := int64(binary.BigEndian.Uint32(head[4+4*i:]))
		if d == 0 {
			return nil, nil, fmt.Errorf("IDX header: dimension %d is 0, expected at least 1", i)
		}
		// total <= 2^30 and d < 2^32: the product cannot wrap.
		if total *= d; total > maxIDX {
			return nil, nil, fmt.Errorf("IDX header: dimensions up to %d make %d values, expected at most %d", i, total, maxIDX)
		}
		dims = append(dims, int(d))
	}
	// The buffer grows with what is really there: a header's word alone allocates at most this.
	var buffer bytes.Buffer
	buffer.Grow(int(min(total, 1<<16)))
	n, err := io.CopyN(&buffer, r, total)
	if err != nil {
		return nil, nil, fmt.Errorf("IDX values %s: %w", shapeText(dims), shortRead(err, n, total))
	}
	// The last Read is also the one that checks a gzip stream's checksum.
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return nil, nil, fmt.Errorf("IDX values %s: more follows after the expected %d bytes", shapeText(dims), total)
	case err != nil && err != io.EOF:
		return nil, nil, fmt.Errorf("IDX values %s: %w", shapeText(dims), err)
	}
	return dims, buffer.Bytes(), nil
}

// shortRead says how much of a file was there, where the error is that it ended early.
func shortRead(err error, found, expected int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut short: %d bytes, expected %d", found, expected)
	}
	return err
}
