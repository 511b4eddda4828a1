package cpu

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"fovea/device"
)

// algorithm is a way to compute one pass of a convolution.
type algorithm string

const (
	direct   algorithm = "direct"
	winograd algorithm = "winograd"
	byParts  algorithm = "parts"
)

// chosen is an algorithm that was measured to be fastest, and how long each took.
type chosen struct {
	Algorithm    algorithm             `json:"algorithm"`
	Milliseconds map[algorithm]float64 `json:"milliseconds"`
}

// hasWinograd says that a convolution has Winograd's form: windows of 3x3 that move by one pixel.
func (g *geometry) hasWinograd() bool {
	p := g.Padding
	return g.rows == 3 && g.cols == 3 && g.Stride == [2]int{1, 1} && g.Dilation == [2]int{1, 1} && g.Groups == 1 && g.channels >= lanes/2 && g.maps >= lanes/2 &&
		max(p.Top, p.Bottom, p.Left, p.Right) <= 2
}

// ways are the algorithms that compute a pass of a convolution.
func (d *Device) ways(pass string, g *geometry) []algorithm {
	ways := []algorithm{direct}
	if g.hasWinograd() {
		ways = append(ways, winograd)
	}
	outputs, whole := g.maps, g.channels%lanes == 0 // whole: blocks that are read
	switch pass {
	case "backward data":
		outputs, whole = g.channels, g.maps%lanes == 0
	case "backward weights":
		whole = whole && g.maps%lanes == 0
	}
	if d.tiles.ByParts() && whole && outputs > lanes {
		ways = append(ways, byParts)
	}
	return ways
}

// worthMeasuring is the number of products from which on the choice may matter.
const worthMeasuring = 1 << 24

// measurements is how often each algorithm is timed. The best time counts: others are of a busy machine.
const measurements = 3

// choose runs one pass of a convolution by one of its algorithms, which give the same result but for rounding. Which is
// measured at the first of each shape and remembered on disk for this model of processor; the number of threads is no part of it,
// so that results do not depend on it. On a device that is to be deterministic, a rule decides. If weights w that the pass reads
// are being learnt, then what is made of them is made each time, and part of what an algorithm takes.
func (d *Device) choose(pass string, g *geometry, w *device.Tensor, run func(a algorithm)) {
	place := passOf{pass, 0, *g}
	if best, known := d.decided[place]; known {
		run(best)
		return
	}
	best, known := d.unmeasured(pass, g)
	if known {
		run(best)
	} else {
		best = d.measure(pass, g, w, run)
	}
	d.decided[place] = best
}

// unmeasured is the algorithm of a pass where nothing has to be measured for it, or was before.
func (d *Device) unmeasured(pass string, g *geometry) (a algorithm, known bool) {
	products := float64(g.images*g.places) * float64(g.maps) * float64(g.taps) * float64(g.Groups)
	ways := d.ways(pass, g)
	switch {
	case slices.Contains(ways, d.always):
		return d.always, true
	case len(ways) == 1 || products < worthMeasuring:
		return direct, true
	case d.exact:
		return d.rule(g, ways), true
	}
	found, known := d.choices.Find(g.key(pass))
	return found.Algorithm, known && slices.Contains(ways, found.Algorithm)
}

// key names a pass of a convolution on disk.
func (g *geometry) key(pass string) string {
	text := fmt.Sprintf("%s %d %dx%dx%d to %dx%dx%d, window %dx%d, stride %d %d, dilation %d %d, padding %d %d %d %d, groups %d", pass, g.images, g.channels, g.height, g.width, g.maps,
		g.outHeight, g.outWidth, g.rows, g.cols, g.Stride[0], g.Stride[1], g.Dilation[0], g.Dilation[1], g.Padding.Top, g.Padding.Bottom, g.Padding.Left, g.Padding.Right, g.Groups)
	if g.Learning {
		text += ", learning"
	}
	return text
}

// measure runs a pass by all its algorithms, and remembers the fastest.
func (d *Device) measure(pass string, g *geometry, w *device.Tensor, run func(a algorithm)) algorithm {
	ways := d.ways(pass, g)
	best := chosen{Algorithm: direct, Milliseconds: map[algorithm]float64{}}
	forget := func() { // what was made of weights
		if w != nil {
			d.dropForms(w.Handle.(*buffer[float32]))
		}
	}
	run(direct) // whatever comes first pays for the caches
	for range measurements {
		for _, a := range ways {
			if g.Learning {
				forget()
			}
			best.Milliseconds[a] = shorter(best.Milliseconds[a], func() { run(a) })
		}
	}
	for _, a := range ways {
		if best.Milliseconds[a] < best.Milliseconds[best.Algorithm] {
			best.Algorithm = a
		}
	}
	forget() // so that no memory is taken by what is of no use
	run(best.Algorithm)
	d.choices.Keep(g.key(pass), best)
	return best.Algorithm
}

// passOf is one pass of a convolution, and of that one phase.
type passOf struct {
	pass  string
	phase int
	g     geometry
}

// shorter is the shorter of a time in milliseconds (0: none yet) and that of work.
func shorter(before float64, work func()) float64 {
	start := time.Now()
	work()
	now := float64(time.Since(start)) / float64(time.Millisecond)
	if before == 0 || now < before {
		return now
	}
	return before
}

// rule is which of the ways is fastest more often than not.
func (d *Device) rule(g *geometry, ways []algorithm) algorithm {
	const many = 4 * lanes
	tiles := slices.Contains(ways, byParts) && g.images*g.places >= many
	switch {
	case g.channels < many || g.maps < many:
		return direct
	case tiles && d.precision == device.BF16:
		return byParts
	case slices.Contains(ways, winograd) && g.outHeight >= 7 && g.outWidth >= 7:
		return winograd
	case tiles:
		return byParts
	}
	return direct
}

// processor names this machine's model of processor and the instruction set in use, as far as the system tells.
func processor(set fmt.Stringer) string {
	name := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		var found []string
		first, _, _ := strings.Cut(string(text), "\n\n")
		for _, line := range strings.Split(first, "\n") {
			key, value, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(key) {
			case "model name", "cpu family", "model", "stepping":
				found = append(found, strings.TrimSpace(value))
			}
		}
		if len(found) > 0 {
			name = strings.Join(found, " ")
		}
	}
	return fmt.Sprintf("%s %v", name, set)
}
