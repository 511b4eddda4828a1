package inference

import (
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// route is what one path answers, and to which methods.
type route struct {
	methods []string
	answer  func(s *Server, w http.ResponseWriter, r *http.Request) error
}

var reading = []string{http.MethodGet, http.MethodHead}

var routes = map[string]route{
	"/":        {reading, (*Server).help},
	"/predict": {[]string{http.MethodPost}, (*Server).predict},
	"/model":   {reading, (*Server).model},
	"/healthz": {reading, (*Server).health},
	"/readyz":  {reading, (*Server).readiness},
	"/metrics": {reading, (*Server).measured},
}

// ServeHTTP implements http.Handler. A panic is an answer with status 500 and a line in the log.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin, seen := time.Now(), &status{ResponseWriter: w}
	s.metrics.inFlight.Inc()
	known, found := routes[r.URL.Path]
	path := r.URL.Path
	if !found {
		path = "other" // clients do not make up metrics
	}
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			s.config.Log.Error("panic", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			if seen.code == 0 {
				write(seen, http.StatusInternalServerError, map[string]string{"error": "internal error; the server's log says more"})
				p = nil
			}
		} else if p != nil {
			seen.code = statusGone
		}
		s.metrics.inFlight.Dec()
		s.metrics.request(path, seen.code, time.Since(begin))
		if p != nil {
			panic(http.ErrAbortHandler)
		}
	}()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	var err error
	switch {
	case !found:
		err = failf(http.StatusNotFound, "no %.100q here, expected one of / /predict /model /healthz /readyz /metrics", r.URL.Path)
	case !slices.Contains(known.methods, r.Method):
		w.Header().Set("Allow", strings.Join(known.methods, ", "))
		err = failf(http.StatusMethodNotAllowed, "method %.20q, expected %s", r.Method, strings.Join(known.methods, " or "))
	default:
		err = known.answer(s, seen, r)
	}
	if err != nil {
		s.fail(seen, r, err)
	}
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(b []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap is how an http.ResponseController finds what it controls.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
