package raster

import "math"

// filter says of which samples each output along one axis is made. Output o is the sum of weights[o*taps+k] times sample
// first[o]+k, over taps of them; unused weights are 0.
type filter struct {
	taps    int
	first   []int
	weights []float64
}

// at is output o's place in weights.
func (f *filter) at(o int) []float64 { return f.weights[o*f.taps : (o+1)*f.taps] }

// Span is a part of an axis: where the window begins and how long it is, in pixels, and the pixels low to high-1 that may
// be looked at.
type Span struct {
	From, Length float64
	Low, High    int
}

// set makes f the triangle filter (PIL's BILINEAR, antialiased) from the span to outputs, on an axis of size samples each
// of which stands for every pixels.
func (f *filter) set(s Span, outputs, every, size int) {
	scale := s.Length / float64(outputs)
	width := max(scale, 1)
	pixels := int(math.Ceil(width))*2 + 1
	f.taps = pixels + 1
	if every == 2 {
		f.taps = (pixels/2 + 4) &^ 1
	}
	f.taps = max(f.taps, 4)
	f.first = resize(f.first, outputs)
	f.weights = resize(f.weights, outputs*f.taps)
	clear(f.weights)
	most := 0
	for o := range outputs {
		centre := s.From + (float64(o)+0.5)*scale
		low, high := max(int(math.Floor(centre-width+0.5)), s.Low), min(int(math.Floor(centre+width+0.5)), s.High)
		if low >= high { // the window lies on the edge: the pixel beside it
			low = min(max(int(centre), s.Low), s.High-1)
			high = low + 1
		}
		total := 0.0
		for p := low; p < high; p++ {
			total += triangle(float64(p), centre, width)
		}
		w := f.at(o)
		if every == 1 {
			f.first[o] = low
			for p := low; p < high; p++ {
				w[p-low] = share(triangle(float64(p), centre, width), total, high-low)
			}
			most = max(most, high-low)
			continue
		}
		// A pixel has 3/4 of the sample it lies in and 1/4 of the sample it is near to (libjpeg's "fancy upsampling").
		first := max(low-1, 0) / 2
		f.first[o] = first
		for p := low; p < high; p++ {
			v := share(triangle(float64(p), centre, width), total, high-low)
			own := p / 2
			near := min(max(own-1+p%2*2, 0), size-1)
			w[own-first] += 0.75 * v
			w[near-first] += 0.25 * v
			most = max(most, own-first+1, near-first+1)
		}
	}
	f.narrow(max(most+most&1, 4)) // Resizer.across has ways of its own for few and even numbers
}

// narrow drops taps that no output uses.
func (f *filter) narrow(taps int) {
	if taps >= f.taps {
		return
	}
	for o := range f.first {
		copy(f.weights[o*taps:(o+1)*taps], f.weights[o*f.taps:])
	}
	f.taps, f.weights = taps, f.weights[:len(f.first)*taps]
}

func triangle(pixel, centre, width float64) float64 {
	return max(0, 1-math.Abs(pixel+0.5-centre)/width)
}

func share(v, total float64, n int) float64 {
	if total == 0 {
		return 1 / float64(n)
	}
	return v / total
}

// integers is the weights in parts of one, which those of each output add up to exactly.
func (f *filter) integers(one int, to []uint64) []uint64 {
	to = resize(to, len(f.weights))
	for o := range f.first {
		sum, given := 0.0, 0
		for k, v := range f.at(o) {
			sum += v
			n := int(math.Round(sum*float64(one))) - given
			to[o*f.taps+k] = uint64(n)
			given += n
		}
	}
	return to
}

// resize keeps memory where it is enough. What is in it is undefined.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
