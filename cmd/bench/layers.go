package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/device"
)

// layer is one distinct call of the networks measured.
type layer struct {
	call
	batch int
	count map[string]int // times a step of each network makes it
}

// distinct finds the calls that differ, in the order in which the networks make them.
func (s *settings) distinct(o offers) ([]*layer, error) {
	var all []*layer
	found := map[string]*layer{}
	for _, model := range s.models {
		batch := s.batchOf(model.Name)
		calls, err := trace(model, batch, s.training, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", model.Name, err)
		}
		for _, c := range calls {
			key := fmt.Sprint(c.layer, "|", c.pass, c.operand)
			for _, t := range c.tensors {
				key += fmt.Sprint(t.Shape)
			}
			l := found[key]
			if l == nil {
				l = &layer{call: c, batch: batch, count: map[string]int{}}
				found[key] = l
				all = append(all, l)
			}
			l.count[model.Name]++
		}
	}
	return all, nil
}

// measureLayers measures each distinct layer on each device.
func (s *settings) measureLayers(ctx context.Context, machines []machine, r *report, stderr io.Writer) error {
	for _, m := range machines {
		layers, err := s.distinct(m.offers)
		if err != nil {
			return err
		}
		fmt.Fprintf(stderr, "%s, %d distinct layers on %s\n", s.work(), len(layers), m.name)
		dev, _, err := s.open(m.spec)
		if err != nil {
			return err
		}
		for _, l := range layers {
			if err = s.measureLayer(ctx, dev, m, l, r); err != nil {
				err = fmt.Errorf("%s (%s) on %s: %w", l.layer, l.pass, m.name, err)
				break
			}
		}
		if err = errors.Join(cli.Interrupted(ctx, err), dev.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) measureLayer(ctx context.Context, dev device.Device, m machine, l *layer, r *report) error {
	took, err := l.time(ctx, dev, s.steps)
	if err != nil {
		return err
	}
	bytes := l.traffic(elementSize(dev.Float()), s.options.Precision)
	line := &layerLine{Layer: l.layer, Pass: l.pass, Models: l.count, Device: m.name, Batch: l.batch, Threads: s.options.Threads, Precision: s.options.Precision.String(),
		MS: took.best() * 1e3, Median: took.median() * 1e3, GFLOPS: l.flops / took.best() / 1e9, GBs: bytes / took.best() / 1e9,
		flops: l.flops, bytes: bytes}
	line.PeakFraction = line.GFLOPS * 1e9 / m.peaks.flops
	line.BandwidthFraction = line.GBs * 1e9 / m.peaks.bytes
	return r.addLayer(line)
}

// time makes the call on operands of its own.
func (c *call) time(ctx context.Context, dev device.Device, steps int) (samples, error) {
	t, release, err := c.operands(dev)
	if err != nil {
		return nil, err
	}
	defer release()
	run := func(n int) (float64, error) { return block(dev, n, func() error { return c.run(dev, t) }) }
	group, err := groupSize(run)
	if err != nil {
		return nil, err
	}
	var took samples
	for range steps {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		seconds, err := run(group)
		if err != nil {
			return nil, err
		}
		took = append(took, seconds/float64(group))
	}
	return took, nil
}

// operands makes the call's operands on a device, nil for those left out.
func (c *call) operands(dev device.Device) (t []*device.Tensor, release func(), err error) {
	made := make([]*device.Tensor, len(c.tensors))
	release = func() {
		for _, x := range made {
			x.Release()
		}
	}
	for i, like := range c.tensors {
		if made[i], err = operand(dev, like); err != nil {
			release()
			return nil, nil, err
		}
	}
	t = make([]*device.Tensor, len(c.operand))
	for i, n := range c.operand {
		if n >= 0 {
			t[i] = made[n]
		}
	}
	return t, release, nil
}

// operand makes a tensor like one that was described: labels of class 0, random numbers, and above 0 if it is a vector,
// which may be of variances.
func operand(dev device.Device, like *device.Tensor) (*device.Tensor, error) {
	if like.DType == tensor.Int32 {
		return device.FromSlice(dev, like.Shape, make([]int32, like.Size()))
	}
	values := noise(like.Size())
	if len(like.Shape) == 1 {
		for i, v := range values {
			values[i] = 0.5 + max(v, -v)
		}
	}
	compact, offers := dev.(device.Compact)
	if _, few := like.Handle.(activation); !few || !offers {
		return device.FromSlice(dev, like.Shape, values)
	}
	t, err := compact.NewActivation(like.Shape)
	if err != nil {
		return nil, err
	}
	if err := dev.Upload(t, values); err != nil {
		t.Release()
		return nil, err
	}
	return t, nil
}
