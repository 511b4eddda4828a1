package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// A download that broke off is in the folder as NAME.part, and the next attempt goes on behind what is there; this run's,
// or another's. Only whole files whose checksums are right get their name.

// attempts is how often one run goes on with a download that breaks off but makes progress.
const attempts = 10

func (s store) part(f file) string { return filepath.Join(s.dir, f.name+".part") }

// fetchFrom is source.fetch, through a part file where there is a folder for it.
func (s store) fetchFrom(ctx context.Context, from source, f file) ([]byte, error) {
	if from.from == nil || s.dir == "" {
		return from.fetch(ctx, f)
	}
	path := s.part(f)
	part, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return from.fetch(ctx, f) // a folder that cannot be written to: get says so when it comes to keeping the file
	}
	defer part.Close()
	for attempt := 1; ; attempt++ {
		before, err := part.Seek(0, io.SeekEnd)
		if err != nil {
			return nil, err
		}
		if before > f.size { // of something else
			if before = 0; part.Truncate(0) != nil {
				return nil, fmt.Errorf("%s is longer than %s and cannot be emptied", path, f.name)
			}
		}
		start, size, err := s.append(ctx, from, f, part, before)
		if err == nil && size >= f.size {
			content, err := s.whole(part, f)
			if err != nil && (start == 0 || attempt == attempts) {
				part.Close()
				os.Remove(path)
			}
			if err == nil || start == 0 || attempt == attempts {
				return content, err
			}
			s.log("%v; it was put together from two downloads and is fetched again from its beginning", err)
			continue // whole has emptied it
		}
		if err == nil {
			err = errors.New("the connection ended early")
		}
		if ctx.Err() != nil || size <= before || attempt == attempts {
			if size == 0 {
				part.Close()
				os.Remove(path)
				return nil, err
			}
			return nil, fmt.Errorf("broke off after %d bytes of %d (kept; the next attempt goes on there): %w", size, f.size, err)
		}
		s.log("%s: broke off after %d bytes of %d, going on there: %v", f.name, size, f.size, err)
	}
}

// append adds what source has behind the first offset bytes; size is how many there are then, start where it began.
func (s store) append(ctx context.Context, from source, f file, part *os.File, offset int64) (start, size int64, err error) {
	if offset == f.size { // whole, but its last run did not get to see that
		return offset, offset, nil
	}
	r, start, err := from.from(ctx, f.name, offset)
	if err != nil {
		return 0, offset, err
	}
	defer r.Close()
	if err := part.Truncate(start); err != nil {
		return start, offset, err
	}
	if _, err := part.Seek(start, io.SeekStart); err != nil {
		return start, offset, err
	}
	n, err := io.Copy(part, io.LimitReader(r, f.size-start+1)) // one more shows that there is too much
	return start, start + n, err
}

// whole checks a part file that has all bytes; one that is damaged is emptied, so that nobody goes on with it.
func (s store) whole(part *os.File, f file) ([]byte, error) {
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	content, err := f.read(f.name, part)
	if err != nil {
		if failed := part.Truncate(0); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return content, err
}

// openWeb asks a web server for a file from offset on.
func openWeb(ctx context.Context, client *http.Client, url string, offset int64) (r io.ReadCloser, start int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case response.StatusCode == http.StatusOK:
		return response.Body, 0, nil
	case offset > 0 && response.StatusCode == http.StatusPartialContent:
		said := response.Header.Get("Content-Range")
		if strings.HasPrefix(said, fmt.Sprintf("bytes %d-", offset)) {
			return response.Body, offset, nil
		}
		err = fmt.Errorf("answered with the range %q, expected one from byte %d", said, offset)
	case offset > 0 && response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		response.Body.Close()
		return openWeb(ctx, client, url, 0)
	default:
		err = fmt.Errorf("answered %q, expected 200 OK", response.Status)
	}
	response.Body.Close()
	return nil, 0, err
}
