package main

import (
	"context"
	"fmt"
	"strings"

	"fovea/nn/zoo"
)

// scaling is what more threads than one gain, in the JSON line of a network.
type scaling struct {
	One   float64 `json:"one_thread_median_images_per_s"`
	Ratio float64 `json:"ratio"` // of the medians: how many times as fast as with one thread
}

// compareThreads measures a network in turns with itself on one thread.
func (s *settings) compareThreads(ctx context.Context, many *runner, model zoo.Model, spec string) (*scaling, error) {
	o := s.options
	o.Threads = 1
	one, err := s.prepare(model, spec, o)
	if err != nil {
		return nil, err
	}
	for range s.steps {
		for _, r := range []*runner{many, one} {
			pause()
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err == nil {
				_, err = r.time()
			}
		}
	}
	if err == nil {
		err = one.check()
	}
	if closing := one.close(); err == nil {
		err = closing
	}
	batch := float64(s.batchOf(model.Name))
	if err != nil {
		return nil, err
	}
	return &scaling{batch / one.took.median(), one.took.median() / many.took.median()}, nil
}

// text says it for people.
func (c *scaling) text(l *stepLine) string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s on %s: %.2f times as fast with %d threads as with one (%.4g images/s)\n", l.Work, l.Model, l.Device, c.Ratio, l.Threads, c.One)
	return b.String()
}
