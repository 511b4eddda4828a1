package maps

// Windows is a row of windows of a map: Count of them, each Step pixels after the one before, of Rows x Cols pixels (at least
// one) whose rows are Line pixels apart. Functions are given where it lies: a copy, which is read in other widths than it was written in, would
// wait until all that the last kernel wrote has reached the cache.
type Windows struct{ Count, Rows, Cols, Line, Step int }

// pixels is how many pixels of the map the windows reach over.
func (w *Windows) pixels() int { return (w.Count-1)*w.Step + (w.Rows-1)*w.Line + w.Cols }

// pieceTaps is how many pixels of windows a call of assembly takes: at most 512 KB of each operand, less than 150 us.
const pieceTaps = 1 << 13

// pieces calls do for some of the windows at a time, with the pixel where they start in the map and in the row of windows.
// A window too large for a piece is for plain Go: whole says that it is not.
func (w *Windows) pieces(do func(w *Windows, at, number int, whole bool)) {
	taps := w.Rows * w.Cols
	if taps <= pieceTaps && w.Count > 0 && w.Count*taps <= pieceTaps { // mostly
		do(w, 0, 0, true)
		return
	}
	most, piece := max(1, pieceTaps/taps), *w
	for number := 0; number < w.Count; number += most {
		piece.Count = min(most, w.Count-number)
		do(&piece, number*w.Step, number, taps <= pieceTaps)
	}
}

// extent and row cut slices to what the windows need of a map, and of a row with a pixel for each window.
func (w *Windows) extent(x []float32) []float32 { return cut(x, w.pixels()*Lanes) }

func (w *Windows) row(y []float32) []float32 { return cut(y, w.Count*Lanes) }

// cut is x[:n], but panics if x is shorter, whatever its capacity.
func cut(x []float32, n int) []float32 { return x[:len(x):len(x)][:n] }

// Largest writes the largest pixel of each window of x to y, channel by channel; NaN if a window has one.
func (k *Kernels) Largest(y, x []float32, w *Windows) {
	k.extreme(k.largest, generic.largest, y, x, w)
}

// Smallest is its counterpart.
func (k *Kernels) Smallest(y, x []float32, w *Windows) {
	k.extreme(k.smallest, generic.smallest, y, x, w)
}

func (k *Kernels) extreme(fast, plain func(y, x []float32, w *Windows), y, x []float32, w *Windows) {
	w.pieces(func(w *Windows, at, number int, whole bool) {
		do := fast
		if !whole {
			do = plain
		}
		do(w.row(y[number*Lanes:]), w.extent(x[at*Lanes:]), w)
	})
}

// Choose is Largest that also writes where in its window each came from: the number of the pixel, row by row, the first of equals, as the
// bits of an int32.
func (k *Kernels) Choose(y, chosen, x []float32, w *Windows) {
	w.pieces(func(w *Windows, at, number int, whole bool) {
		do := k.choose
		if !whole {
			do = generic.choose
		}
		do(w.row(y[number*Lanes:]), w.row(chosen[number*Lanes:]), w.extent(x[at*Lanes:]), w)
	})
}

// Give is the gradient of Choose: each pixel of dy is added, channel by channel, to the pixel of its window in dx that was chosen.
func (k *Kernels) Give(dx, dy, chosen []float32, w *Windows) {
	w.pieces(func(w *Windows, at, number int, whole bool) {
		do := k.give
		if !whole {
			do = generic.give
		}
		do(w.extent(dx[at*Lanes:]), w.row(dy[number*Lanes:]), w.row(chosen[number*Lanes:]), w)
	})
}

// Winner is the gradient of both: each pixel of dy is added, channel by channel, to the first pixel of its window in dx, row
// by row, where x is y (or NaN, if y is).
func (k *Kernels) Winner(dx, dy, x, y []float32, w *Windows) {
	w.pieces(func(w *Windows, at, number int, whole bool) {
		do := k.winner
		if !whole {
			do = generic.winner
		}
		do(w.extent(dx[at*Lanes:]), w.row(dy[number*Lanes:]), w.extent(x[at*Lanes:]), w.row(y[number*Lanes:]), w)
	})
}

// Sum writes factor times the sum of each window of x to y.
func (k *Kernels) Sum(y, x []float32, w *Windows, factor float32) {
	w.pieces(func(w *Windows, at, number int, whole bool) {
		do := k.sum
		if !whole {
			do = generic.sum
		}
		do(w.row(y[number*Lanes:]), w.extent(x[at*Lanes:]), w, factor)
	})
}

// Spread is the gradient of Sum: factor times each pixel of dy is added to all pixels of its window in dx.
func (k *Kernels) Spread(dx, dy []float32, w *Windows, factor float32) {
	w.pieces(func(w *Windows, at, number int, whole bool) {
		do := k.spread
		if !whole {
			do = generic.spread
		}
		do(w.extent(dx[at*Lanes:]), w.row(dy[number*Lanes:]), w, factor)
	})
}
