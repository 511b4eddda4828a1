package inference

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/semaphore"

	"fovea/cmd/internal/network"
	"fovea/nn"
	"fovea/nn/infer"
	"fovea/nn/weights"
)

// Config is what a server answers with, and what it bears.
type Config struct {
	Card *weights.Card
	TopK int // classes in an answer, where the request does not say

	Batch     int           // samples computed at once, at most
	Latency   time.Duration // how long a sample waits for others to be computed with
	Queue     int           // samples that are prepared, wait or are computed, at most
	MaxBody   int64         // bytes of a request
	MaxPixels int           // of a picture, and of all that are decoded at once
	Workers   int           // pictures decoded at once; 0: as many as Go uses processors
	Timeout   time.Duration // for a request to arrive, and again for its answer
	Log       *slog.Logger
}

const (
	maxConnections = 1024
	maxHeader      = 16 << 10         // bytes
	headerTimeout  = 10 * time.Second // for a request's header to arrive
	idleTimeout    = time.Minute      // between requests
	writeTimeout   = 10 * time.Second // for an answer to be taken
	stopTimeout    = 25 * time.Second // for what is in flight when the server is to stop: orchestrators kill after 30
	bodies         = 8                // of the largest size, that may be in memory at once
)

// Server answers requests with a network's predictions. It is an http.Handler.
type Server struct {
	config      Config
	device      string // of the first replica
	replicas    int
	preparation *network.Preparation // nil for a network that does not take pictures, of which unready is why
	unready     error
	batcher     *infer.Batcher
	decoding    *semaphore.Weighted // pixels of the pictures that are being decoded
	memory      budget              // for bodies
	bodies      sync.Pool           // of *[]byte, memory of earlier ones
	metrics     *metrics
	failing     atomic.Bool // the last batch could not be computed
	stopping    atomic.Bool
}

// NewServer makes the replicas of a network ready to answer, of which there are one or more, each on a device of its own. Close
// it; until then nobody else may use the devices.
func NewServer(c Config, replicas ...*nn.Network) (*Server, error) {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	s := &Server{config: c, decoding: semaphore.NewWeighted(int64(c.MaxPixels)), memory: budget{most: bodies * c.MaxBody}}
	s.preparation, s.unready = network.NewPreparation(c.Card)
	var err error
	if s.batcher, err = infer.Start(infer.Config{Batch: c.Batch, Delay: c.Latency, Capacity: c.Queue, Observe: s.observe}, replicas...); err != nil {
		return nil, err
	}
	s.device, s.replicas = replicas[0].Device.Describe(), len(replicas)
	s.metrics = newMetrics(s.batcher.Waiting, s.batcher.Memory)
	return s, nil
}

// observe is told of every batch.
func (s *Server) observe(r infer.Report) {
	s.metrics.batch(r)
	s.failing.Store(r.Err != nil)
	if r.Err != nil {
		s.config.Log.Error("batch failed", "samples", r.Samples, "error", r.Err)
	}
}

// Close lets go of the network, once what waits is computed.
func (s *Server) Close() { s.batcher.Close() }

// Serve answers the requests that come to l until ctx ends. What is in flight then is still answered, for a while.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       s.config.Timeout,
		WriteTimeout:      2*s.config.Timeout + writeTimeout, // it runs from a request's header on
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(netutil.LimitListener(l, maxConnections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.config.Log.Info("stopping", "in flight", s.metrics.inFlight.count())
	grace, cancel := context.WithTimeout(base, stopTimeout)
	defer cancel()
	err := server.Shutdown(grace)
	<-ended
	if errors.Is(err, context.DeadlineExceeded) {
		s.config.Log.Warn("requests cut off", "in flight", s.metrics.inFlight.count(), "after", stopTimeout)
		return server.Close()
	}
	return err
}
