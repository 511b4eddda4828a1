package inference

import (
	_ "embed"
	"errors"
	"net/http"

	"fovea/cmd/internal/cli"
	"fovea/nn/weights"
)

//go:embed help.txt
var helpText []byte

func (s *Server) help(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write(helpText)
	return err
}

// description is what /model says.
type description struct {
	*weights.Card
	Device    string `json:"device"`
	Replicas  int    `json:"replicas"`
	Pictures  bool   `json:"pictures"` // false: arrays only
	Batch     int    `json:"batch"`
	TopK      int    `json:"top_k"`
	Queue     int    `json:"max_inputs"` // of a request
	MaxBody   int64  `json:"max_body"`
	MaxPixels int    `json:"max_pixels"`
}

func (s *Server) model(w http.ResponseWriter, _ *http.Request) error {
	c, card := s.config, *s.config.Card
	card.Model = cli.ModelName(card.Model) // of a file, not where it lies
	write(w, http.StatusOK, description{Card: &card, Device: s.device, Replicas: s.replicas, Pictures: s.preparation != nil, Batch: c.Batch, TopK: c.TopK,
		Queue: c.Queue, MaxBody: c.MaxBody, MaxPixels: c.MaxPixels})
	return nil
}

// state is what /healthz and /readyz say.
type state struct {
	Status string `json:"status"`
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, state{"live"})
	return nil
}

// readiness says whether work should be sent here.
func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) error {
	switch {
	case s.stopping.Load():
		return &failure{http.StatusServiceUnavailable, errors.New("the server is stopping")}
	case s.failing.Load():
		return &failure{http.StatusServiceUnavailable, errors.New("the last batch could not be computed; the server's log says more")}
	}
	write(w, http.StatusOK, state{"ready"})
	return nil
}
