package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"fovea/data"
	"fovea/nn/infer"
)

// failure is an error with the status that tells a client what kind it is of.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(code int, format string, args ...any) error {
	return &failure{code, fmt.Errorf(format, args...)}
}

// statusGone is what logs and metrics call a request whose client did not wait for its end; nobody gets it. (nginx's number)
const statusGone = 499

// errLate is the cause of a request's context that ends with its time.
var errLate = errors.New("the answer took too long")

// retryAfter is in how many seconds a client may ask again, which comes too early for what is computed now.
const retryAfter = "1"

// statusOf is the status for an error.
func statusOf(err error) int {
	var f *failure
	var picture *data.PictureError
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &picture):
		return http.StatusUnprocessableEntity
	case errors.Is(err, infer.ErrFull), errors.Is(err, infer.ErrClosed), errors.Is(err, errLate):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		return statusGone
	}
	return http.StatusInternalServerError
}

// fail answers with an error. What went wrong inside is for the log, not for strangers.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, text := statusOf(err), err.Error()
	switch code {
	case statusGone:
		panic(http.ErrAbortHandler) // whoever might still listen gets no half of an answer
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusInternalServerError:
		s.config.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr, "error", err)
		text = "internal error; the server's log says more"
	}
	write(w, code, map[string]string{"error": text})
}

// write answers with JSON.
func write(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // a number that is none: nothing else here can fail
		code, text = http.StatusUnprocessableEntity, []byte(`{"error":"the network's outputs are no finite numbers"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(text, '\n'))
}
