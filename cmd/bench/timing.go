package main

import (
	"math"
	"slices"
	"time"

	"fovea/device"
)

// leastSample is how long a sample lasts at least; what is shorter is timed in groups, so that neither the clock nor the
// wait at the end weighs in; tests have less.
var leastSample = 250 * time.Millisecond

// block is n calls and a wait for the device; it returns the seconds.
func block(d device.Memory, n int, call func() error) (float64, error) {
	begin := time.Now()
	for range n {
		if err := call(); err != nil {
			return 0, err
		}
	}
	err := d.Synchronize()
	return max(time.Since(begin), time.Nanosecond).Seconds(), err
}

// groupSize finds how many calls make a sample, given a block of one. The first blocks of anything are slow, so it asks
// twice.
func groupSize(block func(n int) (float64, error)) (int, error) {
	n := 1
	for range 2 {
		seconds, err := block(n)
		if err != nil {
			return 0, err
		}
		n = max(1, int(math.Ceil(float64(n)*leastSample.Seconds()/seconds)))
	}
	return n, nil
}

// samples are the seconds of one call, measured several times.
type samples []float64

func (s samples) best() float64 { return slices.Min(s) }

func (s samples) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
