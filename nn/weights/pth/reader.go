package pth

import (
	"bufio"
	"fmt"
	"io"
)

// reader reads a part of a file from its beginning on.
type reader struct {
	from    *bufio.Reader
	at, end int64 // places in the file
	scratch []byte
}

func newReader(file io.ReaderAt, begin, end int64) *reader {
	return &reader{from: bufio.NewReader(io.NewSectionReader(file, begin, end-begin)), at: begin, end: end}
}

// next returns n bytes, which are valid until the next call.
func (r *reader) next(n int64) ([]byte, error) {
	if n < 0 || n > r.end-r.at {
		return nil, fmt.Errorf("cut short: %d bytes at byte %d of %d", uint64(n), r.at, r.end)
	}
	if int64(cap(r.scratch)) < n {
		r.scratch = make([]byte, n)
	}
	b := r.scratch[:n]
	if _, err := io.ReadFull(r.from, b); err != nil {
		return nil, cutShort(err, n, r.at)
	}
	r.at += n
	return b, nil
}

// skip passes n bytes over.
func (r *reader) skip(file io.ReaderAt, n int64) error {
	if n < 0 || n > r.end-r.at {
		return fmt.Errorf("cut short: %d bytes at byte %d of %d", uint64(n), r.at, r.end)
	}
	if n <= int64(r.from.Buffered()) {
		r.from.Discard(int(n))
		r.at += n
		return nil
	}
	r.at += n
	r.from.Reset(io.NewSectionReader(file, r.at, r.end-r.at))
	return nil
}

// cutShort explains why n bytes could not be read that should be there.
func cutShort(err error, n, at int64) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("cut short: fewer than %d bytes at byte %d", n, at)
	}
	return err
}
