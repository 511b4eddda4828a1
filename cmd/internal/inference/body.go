package inference

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	firstRead = 64 << 10 // bytes that a body gets on the word of its header alone
	keptBody  = 4 << 20  // the largest body whose memory is used again
)

// body reads a request's body whole. The memory for it, which grows with what has really come, is taken from what all bodies
// share; give it back with release, after which the next body may be written there.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (content []byte, release func(), err error) {
	most := s.config.MaxBody
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, nil, failf(http.StatusUnsupportedMediaType, "Content-Encoding %.40q, expected none", encoding)
	}
	if r.ContentLength > most {
		return nil, nil, failf(http.StatusRequestEntityTooLarge, "a body of %d bytes, expected at most %d", r.ContentLength, most)
	}
	taken := int64(0)
	release = func() {
		s.memory.give(taken)
		if firstRead < cap(content) && cap(content) <= keptBody {
			s.bodies.Put(&content)
		}
	}
	grow := func(size int64) error {
		larger := s.earlier(size)
		size = max(size, int64(cap(larger)))
		if !s.memory.take(size - taken) {
			return failf(http.StatusServiceUnavailable, "too many requests are arriving, expected fewer or smaller ones")
		}
		taken = size
		if larger == nil {
			larger = make([]byte, 0, size)
		}
		content = append(larger, content...)
		return nil
	}
	if err = grow(min(max(r.ContentLength+1, 512), firstRead)); err != nil { // one more, to meet the end without another piece
		return nil, release, err
	}
	from := http.MaxBytesReader(w, r.Body, most)
	for {
		n, err := from.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		if err == io.EOF {
			// The deadline was for the body. It would end the connection while the answer is computed.
			err = http.NewResponseController(w).SetReadDeadline(time.Time{})
			if errors.Is(err, http.ErrNotSupported) { // then there is none
				err = nil
			}
			return content, release, err
		}
		if err != nil {
			return nil, release, readFailure(err)
		}
		if len(content) < cap(content) {
			continue
		}
		size := min(4*int64(cap(content)), most+1)
		if r.ContentLength >= 0 {
			size = min(size, r.ContentLength+1)
		}
		if err := grow(size); err != nil {
			return nil, release, err
		}
	}
}

// earlier is the memory of an earlier body, of that size or more; nil if there is none, or the size is not worth it.
func (s *Server) earlier(size int64) []byte {
	if size <= firstRead {
		return nil
	}
	if b, _ := s.bodies.Get().(*[]byte); b != nil && int64(cap(*b)) >= size {
		return (*b)[:0]
	}
	return nil
}

// readFailure says whose fault it is that a body could not be read.
func readFailure(err error) error {
	var large *http.MaxBytesError
	var broken *net.OpError
	switch {
	case errors.As(err, &large):
		return failf(http.StatusRequestEntityTooLarge, "a body of more than %d bytes, expected at most that", large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failf(http.StatusRequestTimeout, "the request took too long to arrive")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return failf(statusGone, "the client left: %w", err)
	}
	return failf(http.StatusBadRequest, "malformed body: %w", err)
}
