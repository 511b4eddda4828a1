package cpu

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// algorithm is a way to compute one pass of a convolution.
type algorithm string

const (
	direct   algorithm = "direct"
	winograd algorithm = "winograd"
)

// chosen is an algorithm that was measured to be fastest, and by how much.
type chosen struct {
	Algorithm algorithm `json:"algorithm"`
	Direct    float64   `json:"direct_ms"`
	Winograd  float64   `json:"winograd_ms"`
}

// hasWinograd says that a convolution has Winograd's form: windows of 3x3 that move by one pixel.
func (g *geometry) hasWinograd() bool {
	p := g.Padding
	return g.rows == 3 && g.cols == 3 && g.Stride == [2]int{1, 1} && g.Dilation == [2]int{1, 1} && g.Groups == 1 && g.channels >= lanes/2 && g.maps >= lanes/2 &&
		max(p.Top, p.Bottom, p.Left, p.Right) <= 2
}

// worthMeasuring is the number of products from which on the choice may matter.
const worthMeasuring = 1 << 24

// measurements is how often each algorithm is timed. The best time counts: others are of a busy machine.
const measurements = 3

// choose runs one pass of a convolution by one of its algorithms, which give the same result but for rounding. Which is
// measured at the first of each shape and remembered on disk for this model of processor; the number of threads is no part of it,
// so that results do not depend on it. On a device that is to be deterministic, a rule decides.
func (d *Device) choose(pass string, g *geometry, run func(a algorithm)) {
	products := float64(g.images*g.places) * float64(g.maps) * float64(g.taps) * float64(g.Groups)
	switch {
	case !g.hasWinograd() || products < worthMeasuring:
		run(direct)
		return
	case d.exact:
		run(g.rule())
		return
	}
	place := passOf{pass, 0, *g}
	if known, found := d.decided[place]; found {
		run(known)
		return
	}
	key := fmt.Sprintf("%s %d %dx%dx%d to %dx%dx%d, padding %d %d %d %d", pass, g.images, g.channels, g.height, g.width, g.maps, g.outHeight, g.outWidth,
		g.Padding.Top, g.Padding.Bottom, g.Padding.Left, g.Padding.Right)
	if known, found := d.choices.Find(key); found && (known.Algorithm == direct || known.Algorithm == winograd) {
		d.decided[place] = known.Algorithm
		run(known.Algorithm)
		return
	}
	best := chosen{Algorithm: direct}
	run(direct) // whatever comes first pays for the caches
	for range measurements {
		best.Direct = shorter(best.Direct, func() { run(direct) })
		best.Winograd = shorter(best.Winograd, func() { run(winograd) })
	}
	if best.Winograd < best.Direct {
		best.Algorithm = winograd
	} else {
		run(direct)
	}
	d.choices.Keep(key, best)
	d.decided[place] = best.Algorithm
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

// rule is what is fastest more often than not.
func (g *geometry) rule() algorithm {
	if g.channels >= 4*lanes && g.maps >= 4*lanes && g.outHeight >= 7 && g.outWidth >= 7 {
		return winograd
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
