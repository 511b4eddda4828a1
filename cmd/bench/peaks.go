package main

import (
	"time"

	"gorgonia.org/tensor"

	"fovea/device"
)

// peaks are what a device did at best: not what its data sheet says, but what our own kernels reach on the easiest work.
type peaks struct {
	flops float64 // per second, in a large matrix product
	bytes float64 // per second, read and written, in a large copy
}

// The sizes of the work. Small ones are for devices that would take too long with the usual: a product of 2048 x 2048 and
// a copy of 256 MB; products grow further where those are over at once.
const (
	leastMatrix, usualMatrix, mostMatrix = 128, 2048, 8192
	leastCopy, mostCopy                  = 1 << 20, 256 << 20 // bytes of one operand
	atOnce                               = 5 * time.Millisecond
)

// patience is how long the largest product and the largest copy may take; tests have less.
var patience = 300 * time.Millisecond

func measurePeaks(d device.Device) (p peaks, err error) {
	for n := leastMatrix; ; n *= 2 {
		seconds, err := with(d, tensor.Shape{n, n}, 3, func(t []*device.Tensor) error { return d.MatMul(t[0], t[1], t[2], false, false) })
		if err != nil {
			return p, err
		}
		p.flops = max(p.flops, 2*float64(n)*float64(n)*float64(n)/seconds)
		if n == mostMatrix || 8*seconds > patience.Seconds() || n >= usualMatrix && seconds > atOnce.Seconds() {
			break
		}
	}
	width := elementSize(d.Float())
	for size := leastCopy; ; size *= 4 {
		seconds, err := with(d, tensor.Shape{size / width}, 2, func(t []*device.Tensor) error { return d.Scale(t[0], t[1], 1, 0) })
		if err != nil {
			return p, err
		}
		p.bytes = 2 * float64(size) / seconds // the largest copy counts: smaller ones may never leave the cache
		if size == mostCopy || 4*seconds > patience.Seconds() {
			break
		}
	}
	return p, nil
}

// with makes count tensors of a shape for a call and returns the seconds it takes at best.
func with(d device.Device, shape tensor.Shape, count int, call func(t []*device.Tensor) error) (float64, error) {
	t := make([]*device.Tensor, count)
	defer func() {
		for _, x := range t {
			x.Release()
		}
	}()
	for i := range t {
		var err error
		if t[i], err = d.New(shape, d.Float()); err != nil {
			return 0, err
		}
		if err := d.Fill(t[i], 0.5); err != nil {
			return 0, err
		}
	}
	run := func(n int) (float64, error) { return block(d, n, func() error { return call(t) }) }
	n, err := groupSize(run)
	if err != nil {
		return 0, err
	}
	var s samples
	for begin := time.Now(); len(s) < 3 || time.Since(begin) < patience/2 && len(s) < 50; {
		seconds, err := run(n)
		if err != nil {
			return 0, err
		}
		s = append(s, seconds/float64(n))
	}
	return s.best(), nil
}

func elementSize(t tensor.Dtype) int { return int(t.Size()) }
