//go:build linux && amd64

package amd64_test

import (
	"fmt"
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
	"fovea/kernels/isa"
	"fovea/kernels/winograd"
)

// winogradCall is a transform: how long what it reads is and what it writes, and how it is called.
type winogradCall struct {
	name        string
	read, write int
	do          func(k *winograd.Kernel, write, read []float32)
}

// winogradCalls lists the transforms with every way to lie at a rim, and with strides that leave room between results.
func winogradCalls() []winogradCall {
	const lanes, all = winograd.Lanes, winograd.Coefficients
	var calls []winogradCall
	for _, m := range []struct{ height, width, top, left, tiles int }{{6, 6, 0, 0, 1}, {6, 14, 0, 0, 3}, {7, 7, -1, -1, 2}, {7, 7, 3, 3, 1}, {4, 4, -2, -2, 2},
		{1, 5, -1, -1, 2}, {1, 1, -2, -2, 1}, {9, 10, -1, 1, 3}, {14, 14, 11, -1, 4}} {
		for _, spare := range []int{0, 3} {
			stride := (m.tiles + spare) * lanes
			write := (all-1)*stride + m.tiles*lanes
			name := fmt.Sprintf("%d tiles from (%d, %d) on of a map of %dx%d, spare %d", m.tiles, m.top, m.left, m.height, m.width, spare)
			calls = append(calls, winogradCall{"input, " + name, m.height * m.width * lanes, write, func(k *winograd.Kernel, v, x []float32) {
				k.Input(v, stride, &winograd.Map{Data: x, Height: m.height, Width: m.width}, m.top, m.left, m.tiles)
			}}, winogradCall{"gradient, " + name, m.height * m.width * lanes, write, func(k *winograd.Kernel, v, x []float32) {
				k.Gradient(v, stride, &winograd.Map{Data: x, Height: m.height, Width: m.width}, m.top, m.left, m.tiles)
			}})
			if m.top < 0 || m.left < 0 || m.left+(m.tiles-1)*winograd.Tile >= m.width {
				continue
			}
			for _, adding := range []bool{false, true} {
				calls = append(calls, winogradCall{fmt.Sprintf("output, %s, adding %t", name, adding), write, m.height * m.width * lanes, func(k *winograd.Kernel, y, v []float32) {
					e := winograd.NewEpilogue(nil, true)
					var add []float32
					if adding {
						add = y
					}
					k.Output(&winograd.Map{Data: y, Height: m.height, Width: m.width}, m.top, m.left, m.tiles, v, stride, &e, add)
				}})
			}
		}
	}
	for _, count := range []int{1, 2, 5} {
		for _, l := range []int{1, 7, 8, 9, 16} {
			for _, turned := range []bool{false, true} {
				s, first := winograd.Windows{Lane: count * winograd.Taps, Tap: 1, Next: winograd.Taps, Lanes: l}, 0
				if turned {
					s, first = winograd.Windows{Lane: winograd.Taps, Tap: -1, Next: l * winograd.Taps, Lanes: l}, winograd.Taps-1
				}
				calls = append(calls, winogradCall{fmt.Sprintf("%d x %d windows, turned %t", count, l, turned), count * l * winograd.Taps,
					(all-1)*count*2*lanes + (count-1)*2*lanes + lanes, func(k *winograd.Kernel, u, w []float32) {
						k.Weights(u, count*2*lanes, 2*lanes, w, first, s, count)
					}})
			}
		}
		calls = append(calls, winogradCall{fmt.Sprintf("gradient of %d windows", count), (all-1)*count*2*lanes + (count-1)*2*lanes + lanes,
			count * winograd.Taps * lanes, func(k *winograd.Kernel, dw, u []float32) { k.WeightsGradient(dw, u, count*2*lanes, 2*lanes, count) }})
	}
	return calls
}

// The transforms must read and write what they are given, and nothing beside it, and agree with plain Go.
func TestWinogradStaysInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	const unwritten = 5.5
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			for _, c := range winogradCalls() {
				for _, atEnd := range []bool{true, false} {
					read, write := fenced(t, c.read, atEnd), fenced(t, c.write, atEnd)
					want := make([]float32, c.write)
					src := philox.NewSource(philox.Stream{Seed: uint64(c.read)})
					for i := range read {
						read[i] = float32(src.Normal(0, 1))
					}
					for i := range write {
						write[i], want[i] = unwritten, unwritten
					}
					before := append([]float32(nil), read...)
					c.do(winograd.For(isa.Generic), want, read)
					require.NotPanics(t, func() { c.do(winograd.For(set), write, read) }, "%s, fence at the end %t", c.name, atEnd)
					require.Equal(t, before, read, "%s", c.name)
					for i, v := range want {
						if v == unwritten && v != write[i] || !(math.Abs(float64(v-write[i])) < 2e-4) {
							t.Fatalf("%s, fence at the end %t: element %d is %v, expected %v", c.name, atEnd, i, write[i], v)
						}
					}
				}
			}
		})
	}
}
