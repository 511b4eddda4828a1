package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// between is the least time between two events of a stream, so that very short epochs cost no more than long ones.
	between = 100 * time.Millisecond
	// heartbeat is how often something is written to a stream, which shows whether somebody still reads.
	heartbeat = 15 * time.Second
	// retry is how long a browser waits before it comes back, in milliseconds.
	retry = 2000
)

// events is a stream of Changes, the first of which is all that there is: whoever lost the connection begins anew. A stream
// asks the board what has changed since it wrote last; a reader that is slow gets fewer and larger changes, nothing waits
// for it, and nothing is kept for it.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, fmt.Sprintf("more than %d pages are open", maxStreams), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	out := stream{w: w, control: http.NewResponseController(w)}
	out.printf("retry: %d\n\n", retry)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	cursors := map[int]cursor{}
	for out.err == nil {
		changes, more := s.board.since(cursors)
		if len(changes) > 0 {
			out.event("change", changes)
		}
		select {
		case <-more:
			select { // more of it may come
			case <-time.After(between):
			case <-s.ending:
			case <-r.Context().Done():
			}
		case <-beat.C:
			out.printf(": still here\n\n")
		case <-r.Context().Done():
			return
		case <-s.ending:
			if changes, _ := s.board.since(cursors); len(changes) > 0 {
				out.event("change", changes)
			}
			out.event("bye", struct{}{})
			return
		}
	}
}

// stream writes events until that fails.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (s *stream) event(name string, value any) {
	var text bytes.Buffer
	if s.err == nil {
		s.err = json.NewEncoder(&text).Encode(value) // one line
	}
	s.printf("event: %s\ndata: %s\n", name, &text)
}

func (s *stream) printf(format string, values ...any) {
	if s.err == nil {
		s.err = s.control.SetWriteDeadline(time.Now().Add(requestTimeout))
	}
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, values...)
	}
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
