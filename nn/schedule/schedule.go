package schedule

import (
	"math"
)

// Schedule is the course of the learning rate. The zero value is a constant one.
type Schedule struct {
	Kind string // one of Kinds, or "" for a constant rate
	// Gamma is what step and exponential multiply by, and plateau; of cosine, the last rate's share of the first.
	Gamma float64
	// Every is after how many epochs step multiplies; of plateau, how many epochs without a better loss it bears.
	Every int
	// Peak is one-cycle's largest rate; 0: the optimiser's.
	Peak   float64
	Warmup Warmup
}

// Warmup is how long the rate grows before the schedule has its full height; at most one is above 0.
type Warmup struct {
	Steps  int
	Epochs float64
}

// Place is where in a training an update is.
type Place struct {
	Step     int       // updates made before
	PerEpoch int       // updates of an epoch
	Total    int       // updates of the whole training
	Losses   []float64 // validation losses of the epochs before
}

// Constants of one-cycle, as PyTorch's OneCycleLR has them.
const (
	rising      = 0.3  // share of the cycle in which the rate grows
	startBelow  = 25.0 // peak over the first rate
	finishBelow = 1e4  // first rate over the last
)

// better is the share by which a loss must fall for plateau to count it, ReduceLROnPlateau's threshold.
const better = 1e-4

// smallest is the least change of a rate that plateau makes, ReduceLROnPlateau's eps.
const smallest = 1e-8

// NeedsValidation says that the rate depends on validation losses.
func (s Schedule) NeedsValidation() bool { return s.Kind == "plateau" }

// NeedsLength says that the rate depends on how long the training is to be.
func (s Schedule) NeedsLength() bool { return s.Kind == "cosine" || s.Kind == "one-cycle" }

// Rate is the learning rate of one update, rate being the optimiser's. With t updates made, T in all, after e whole epochs
// and with W updates of warm-up:
//
//	step         rate * Gamma^(e/Every), rounded down
//	exponential  rate * Gamma^e
//	cosine       rate * (Gamma + (1-Gamma) * (1 + cos(pi*(t-W)/(T-W)))/2)    Loshchilov and Hutter 2017, no restarts
//	one-cycle    by half a cosine from Peak/25 up to Peak in 0.3 of T-W, and down to Peak/250000 in the rest    Smith 2018
//	plateau      times Gamma whenever more than Every epochs in a row brought no loss better by 1e-4 of it
//
// In the warm-up (Goyal et al. 2017), t < W, it is (t+1)/(W+1) of what the schedule says; cosine and one-cycle begin after it.
func (s Schedule) Rate(rate float64, at Place) float64 {
	warm, steps := 1.0, s.Warmup.updates(at.PerEpoch)
	if at.Step < steps {
		warm = float64(at.Step+1) / float64(steps+1)
	}
	epochs := 0
	if at.PerEpoch > 0 {
		epochs = at.Step / at.PerEpoch
	}
	since, length := max(at.Step-steps, 0), at.Total-steps
	switch s.Kind {
	case "step":
		rate *= math.Pow(s.Gamma, float64(epochs/s.Every))
	case "exponential":
		rate *= math.Pow(s.Gamma, float64(epochs))
	case "cosine":
		rate = between(rate, s.Gamma*rate, share(float64(since), float64(length)))
	case "one-cycle":
		rate = s.cycle(rate, since, length)
	case "plateau":
		rate = s.plateau(rate, at.Losses)
	}
	return warm * rate
}

func (w Warmup) updates(perEpoch int) int {
	return w.Steps + int(math.Round(w.Epochs*float64(perEpoch)))
}

// between goes from a to b on half a wave of a cosine as part goes from 0 to 1.
func between(a, b, part float64) float64 { return b + (a-b)*(1+math.Cos(math.Pi*part))/2 }

// share is a part of a whole, from 0 to 1; all of a whole that has no length.
func share(part, whole float64) float64 {
	if part >= whole {
		return 1
	}
	return part / whole
}

func (s Schedule) cycle(peak float64, since, length int) float64 {
	if s.Peak > 0 {
		peak = s.Peak
	}
	first, t, last := peak/startBelow, float64(since), float64(length-1)
	top := rising*float64(length) - 1
	if t <= top {
		return between(first, peak, t/top)
	}
	return between(peak, first/finishBelow, share(t-top, last-top))
}

// plateau replays what the losses have led to.
func (s Schedule) plateau(rate float64, losses []float64) float64 {
	best, bad := math.Inf(1), 0
	for _, loss := range losses {
		if loss < best*(1-better) {
			best, bad = loss, 0
		} else {
			bad++
		}
		if bad > s.Every {
			if lower := rate * s.Gamma; rate-lower > smallest {
				rate = lower
			}
			bad = 0
		}
	}
	return rate
}
