package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/inference"
	"fovea/cmd/internal/network"
	"fovea/nn"
	"fovea/nn/weights"
)

// serving is how requests are answered.
type serving struct {
	address             string
	latency, timeout    time.Duration
	queue, body, pixels int
	replicas            int
}

// servingFlags make sense with --serve alone, and refusedServing without it.
var (
	servingFlags   = []string{"serve", "max-latency", "queue", "max-body", "max-pixels", "replicas", "timeout"}
	refusedServing = []string{"json", "logits", "on-bad-image"}
)

const (
	mebi, million = 1 << 20, 1_000_000

	maxBody   = 1024 // MiB
	maxPixels = 67   // millions: data decodes no larger pictures

	maxReplicas = 64
)

func (s *serving) declare(f *flag.FlagSet) {
	f.StringVar(&s.address, "serve", "", "`address` at which to answer requests over HTTP: PORT, for this machine only (0: any that is free), or HOST:PORT")
	f.DurationVar(&s.latency, "max-latency", 5*time.Millisecond, "with --serve: how long a picture waits for others to be computed with")
	f.IntVar(&s.queue, "queue", 256, "with --serve: pictures that are prepared, wait or are computed, at most; requests beyond are refused (503)")
	f.IntVar(&s.body, "max-body", 32, "with --serve: `MiB` of a request, at most (413)")
	f.IntVar(&s.pixels, "max-pixels", 25, "with --serve: `millions` of pixels of a picture, at most (422), and of all that are decoded at once")
	f.IntVar(&s.replicas, "replicas", 1, "with --serve: how many copies of the network compute batches at once, each with its share of --threads;\nmore than 1 answer more requests to a small network, for more memory and later answers")
	f.DurationVar(&s.timeout, "timeout", 30*time.Second, "with --serve: how long a request may take to arrive (408), and then to be answered (503)")
}

func (s *settings) checkServing(given []string) error {
	for _, name := range refusedServing {
		if slices.Contains(given, name) {
			return cli.Usagef("--%s with --serve: expected one or the other", name)
		}
	}
	if len(s.inputs) > 0 {
		return cli.Usagef("%s with --serve: expected no inputs", s.inputs[0])
	}
	if !slices.Contains(given, "batch") {
		s.batch = 16
	}
	switch {
	case s.address == "":
		return cli.Usagef("--serve: \"\", expected PORT or HOST:PORT")
	case s.latency < 0 || s.latency > time.Minute:
		return cli.Usagef("--max-latency: %v, expected 0s to 1m", s.latency)
	case s.timeout < time.Second || s.timeout > time.Hour:
		return cli.Usagef("--timeout: %v, expected 1s to 1h", s.timeout)
	case s.body < 1 || s.body > maxBody:
		return cli.Usagef("--max-body: %d, expected 1 to %d", s.body, maxBody)
	case s.replicas < 1 || s.replicas > maxReplicas:
		return cli.Usagef("--replicas: %d, expected 1 to %d", s.replicas, maxReplicas)
	case s.pixels < 1 || s.pixels > maxPixels:
		return cli.Usagef("--max-pixels: %d, expected 1 to %d", s.pixels, maxPixels)
	}
	return cli.AtLeast("queue", s.queue, s.batch)
}

// share gives each replica its part of the threads.
func (s *settings) share() {
	if s.replicas > 1 && s.device.Options.Threads >= 0 {
		s.device.Options.Threads = max(1, cmp.Or(s.device.Options.Threads, runtime.GOMAXPROCS(0))/s.replicas)
	}
}

// serve answers requests that come to the listener until ctx ends. To be told to stop is no failure of a server. The first
// replica is there, the others are read from the same file.
func (s *settings) serve(ctx context.Context, first *nn.Network, card *weights.Card, path string, l net.Listener, where string, stderr io.Writer) (err error) {
	replicas := []*nn.Network{first}
	for len(replicas) < s.replicas {
		dev, _, failed := s.device.Open()
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, dev.Close()) }()
		replica, failed := network.Build(dev, card, path)
		if failed != nil {
			return failed
		}
		defer replica.Release()
		replicas = append(replicas, replica)
	}
	server, err := inference.NewServer(inference.Config{Card: card, TopK: s.topK, Batch: s.batch, Latency: s.latency, Queue: s.queue,
		MaxBody: int64(s.body) * mebi, MaxPixels: s.pixels * million, Workers: s.workers, Timeout: s.timeout, Log: slog.New(slog.NewTextHandler(stderr, nil))}, replicas...)
	if err != nil {
		return err
	}
	defer server.Close()
	if s.replicas > 1 {
		fmt.Fprintf(stderr, "Replicas: %d, each on a device of its own\n", s.replicas)
	}
	fmt.Fprintln(stderr, where)
	return server.Serve(ctx, l)
}
