package live

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	requestTimeout = 10 * time.Second // to read a request's header, and to write a part of an answer
	idleTimeout    = time.Minute
	maxHeader      = 16 << 10
	maxStreams     = 32 // pages at once; a request more is refused
	// lastWords is how long Close waits for pages to be told the end.
	lastWords = 2 * time.Second
)

// Server shows a board to browsers.
type Server struct {
	board    *Board
	local    bool // only for this machine
	http     http.Server
	streams  chan struct{} // a place for each
	ending   chan struct{} // closed when streams shall end
	end      sync.Once
	finished chan error // what Serve returned
}

// Serve shows a board on a listener until Close.
func Serve(l net.Listener, b *Board) *Server {
	s := &Server{board: b, streams: make(chan struct{}, maxStreams), ending: make(chan struct{}), finished: make(chan error, 1)}
	if at, ok := l.Addr().(*net.TCPAddr); ok {
		s.local = at.IP.IsLoopback()
	}
	// What clients do wrong is theirs: nothing of it is printed over a training's progress.
	s.http = http.Server{Handler: s.guard(s.routes()), ReadHeaderTimeout: requestTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0)}
	go func() { s.finished <- s.http.Serve(l) }()
	return s
}

// Failed gets what ended the server if that was not Close.
func (s *Server) Failed() <-chan error { return s.finished }

// Close tells open pages the last changes and that there will be no more, and ends the server. Nothing of it keeps running.
func (s *Server) Close() error {
	s.end.Do(func() { close(s.ending) })
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // pages that do not read; they lose nothing that is not in the file
		err = s.http.Close()
	}
	return err
}

// routes are all that there is: no request names a file.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, "index.html") })
	mux.HandleFunc("GET /page/{file}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, r.PathValue("file")) })
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /runs/{number}", s.look)
	return mux
}

// guard refuses what no page of ours asks, and forbids browsers what our page does not need.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		control := http.NewResponseController(w)
		control.SetWriteDeadline(time.Now().Add(requestTimeout))
		// A page of another site can have its name resolved to this machine and ask us under that name.
		if s.local && !localName(r.Host) {
			http.Error(w, "this server answers to localhost only", http.StatusForbidden)
			return
		}
		// A page of another site may show our address as its picture, which is no way to read it but would take a place.
		if !slices.Contains([]string{"", "same-origin", "none"}, r.Header.Get("Sec-Fetch-Site")) && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "this server answers to its own page only", http.StatusForbidden)
			return
		}
		if r.ContentLength != 0 { // none of it is read
			control.SetReadDeadline(time.Now())
			h.Set("Connection", "close")
			http.Error(w, "expected a request without a body", http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localName says whether a Host header names this machine's loopback.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// look answers with what is shown of one run only.
func (s *Server) look(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		number = -1
	}
	look := s.board.look(number)
	if look == nil {
		http.Error(w, "no such run", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(look) // fails only for want of a reader
}
