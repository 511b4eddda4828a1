package inference

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"fovea/data"
	"fovea/nn/infer"
)

// answer is the body of what /predict answers.
type answer struct {
	Predictions []Prediction `json:"predictions"`
}

// predict answers a request for predictions: all of its inputs, or an error.
func (s *Server) predict(w http.ResponseWriter, r *http.Request) error {
	topK, err := s.topK(r)
	if err != nil {
		return err
	}
	body, release, err := s.body(w, r)
	if release != nil {
		defer release()
	}
	if err != nil {
		return err
	}
	inputs, err := parse(r.Header.Get("Content-Type"), body, s.config.Card.Sample, s.config.Queue)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.config.Timeout, errLate)
	defer cancel()
	outputs, err := s.compute(ctx, inputs)
	if err != nil {
		return err
	}
	result := answer{make([]Prediction, len(inputs))}
	width := s.config.Card.Outputs
	for i, in := range inputs {
		own := outputs[i*width : (i+1)*width]
		if err := infer.CheckFinite(own); err != nil {
			return failf(http.StatusUnprocessableEntity, "%s: %w", Title(in.name, in.row), err)
		}
		result.Predictions[i] = Predict(s.config.Card, topK, in.name, in.row, own)
	}
	write(w, http.StatusOK, result)
	return nil
}

// topK is how many classes a request wants to know of.
func (s *Server) topK(r *http.Request) (int, error) {
	if r.URL.RawQuery == "" {
		return s.config.TopK, nil
	}
	number, is := strings.CutPrefix(r.URL.RawQuery, "top_k=")
	n, err := strconv.Atoi(number)
	if !is || err != nil || n < 1 {
		return 0, failf(http.StatusBadRequest, "%.100q in the address, expected ?top_k=N with a number from 1 on, or nothing", r.URL.RawQuery)
	}
	return n, nil
}

// compute prepares the inputs and has the network computed on them.
func (s *Server) compute(ctx context.Context, inputs []input) ([]float64, error) {
	room, err := s.batcher.Reserve(len(inputs))
	if err != nil {
		return nil, err
	}
	defer room.Release()
	x := together(inputs)
	if x == nil {
		x = make([]float32, len(inputs)*s.config.Card.Sample.TotalSize())
		if err := s.prepare(ctx, inputs, x); err != nil {
			return nil, err
		}
	}
	return room.Compute(ctx, x)
}

// together is the memory of samples that lie one after another already, as those of an array do; else nil.
func together(inputs []input) []float32 {
	all := inputs[0].values
	for _, in := range inputs[1:] {
		n := len(all)
		if in.values == nil || n == cap(all) || &all[:n+1][n] != &in.values[0] {
			return nil
		}
		all = all[:n+len(in.values)]
	}
	return all
}

// prepare makes samples of the inputs, of some at once.
func (s *Server) prepare(ctx context.Context, inputs []input, x []float32) error {
	size := len(x) / len(inputs)
	errs := make([]error, len(inputs))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(inputs); i = int(next.Add(1)) - 1 {
			errs[i] = s.sample(ctx, &inputs[i], x[i*size:(i+1)*size])
		}
	}
	var others sync.WaitGroup
	for range min(s.config.Workers, len(inputs)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// sample makes one sample.
func (s *Server) sample(ctx context.Context, in *input, x []float32) (err error) {
	if in.values != nil {
		copy(x, in.values)
		return nil
	}
	if s.preparation == nil {
		return &failure{http.StatusUnprocessableEntity, s.unready}
	}
	defer func() { // a picture that makes a decoder panic does so to no other request
		if p := recover(); p != nil {
			err = fmt.Errorf("decoding a picture: panic: %v\n%s", p, debug.Stack())
		}
	}()
	name := in.name
	if name == "" {
		name = "the body"
	}
	pixels, err := data.PictureSize(name, in.picture)
	if err != nil {
		return err
	}
	share := s.share(pixels)
	if s.decoding.Acquire(ctx, share) != nil {
		return context.Cause(ctx)
	}
	defer s.decoding.Release(share)
	return s.preparation.Decode(name, in.picture, s.config.MaxPixels, x)
}

// share is what a picture takes of the pixels that are decoded at once: its own, or a worker's share of them. So neither the
// processors nor the memory that decoding takes depend on what clients send. One that is too large is refused without decoding.
func (s *Server) share(pixels int) int64 {
	if pixels > s.config.MaxPixels {
		return 0
	}
	return int64(max(pixels, (s.config.MaxPixels+s.config.Workers-1)/s.config.Workers))
}
