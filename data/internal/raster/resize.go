package raster

import "image"

// Window is the part of a picture that becomes a sample.
type Window struct{ X, Y Span }

// Region is all pixels that a window looks at.
func (w Window) Region() image.Rectangle {
	return image.Rect(w.X.Low, w.Y.Low, w.X.High, w.Y.High)
}

// Resizer keeps its memory from one picture to the next.
type Resizer struct {
	filters [4]filter   // across and down, for samples of one pixel and of two
	weights [4][]uint64 // of those, as integers
	sums    [2][]uint64 // weighted sums of rows, as planes have them: 16 bits each, of which 8 are the fraction
	pairs   []uint64    // of two sums: in both halves of a word
	out     [3][]float32
}

const (
	oneDown   = 1 << 8  // 255 times this fits 16 bits
	oneAcross = 1 << 14 // and that times this 32
)

// Resize makes a sample of channels (1 or 3) by height by width, of 0 to 1, from the window of p.
func (r *Resizer) Resize(p *Planes, window Window, channels, height, width int, to []float32) {
	planes := 1
	if p.Colour {
		planes = 3
	}
	for i := range planes {
		r.out[i] = resize(r.out[i], height*width)
	}
	var ready [4]bool
	for i := 0; i < planes; {
		plane := &p.Plane[i]
		across, down := plane.Across-1, 2+plane.Down-1
		if !ready[across] {
			ready[across] = true
			r.filters[across].set(window.X, width, plane.Across, plane.Width)
			r.weights[across] = r.filters[across].integers(oneAcross, r.weights[across])
		}
		if !ready[down] {
			ready[down] = true
			r.filters[down].set(window.Y, height, plane.Down, plane.Height)
			r.weights[down] = r.filters[down].integers(oneDown, r.weights[down])
		}
		// The two planes of colour go together, a plane of its own by two rows.
		if i == 1 && p.Plane[2].Across == plane.Across && p.Plane[2].Down == plane.Down {
			for y := range height {
				r.sum(0, plane, down, y)
				r.sum(1, &p.Plane[2], down, y)
				r.across(plane, across, r.out[1][y*width:(y+1)*width], r.out[2][y*width:(y+1)*width])
			}
			i += 2
			continue
		}
		for y := 0; y < height; y += 2 {
			next := min(y+1, height-1)
			r.sum(0, plane, down, y)
			r.sum(1, plane, down, next)
			r.across(plane, across, r.out[i][y*width:(y+1)*width], r.out[i][next*width:(next+1)*width])
		}
		i++
	}
	r.colours(p, channels, height*width, to)
}

// sum adds up the rows that output y is made of.
func (r *Resizer) sum(which int, p *Plane, down, y int) {
	f := &r.filters[down]
	r.sums[which] = resize(r.sums[which], p.Stride)
	sum := r.sums[which]
	w := r.weights[down][y*f.taps : (y+1)*f.taps]
	first := f.first[y] - p.Y
	for len(w) > 1 && w[len(w)-1] == 0 {
		w = w[:len(w)-1]
	}
	row := func(k int) []uint64 { return p.Words[(first+k)*p.Stride:][:len(sum)] }
	switch len(w) {
	case 1:
		a, wa := row(0), w[0]
		for i := range sum {
			sum[i] = a[i] * wa
		}
		return
	case 2:
		a, b, wa, wb := row(0), row(1), w[0], w[1]
		for i := range sum {
			sum[i] = a[i]*wa + b[i]*wb
		}
		return
	case 3:
		a, b, c, wa, wb, wc := row(0), row(1), row(2), w[0], w[1], w[2]
		for i := range sum {
			sum[i] = a[i]*wa + b[i]*wb + c[i]*wc
		}
		return
	}
	a, b, c, d, wa, wb, wc, wd := row(0), row(1), row(2), row(3), w[0], w[1], w[2], w[3]
	for i := range sum {
		sum[i] = a[i]*wa + b[i]*wb + c[i]*wc + d[i]*wd
	}
	k := 4
	for ; k+1 < len(w); k += 2 {
		a, b, wa, wb := row(k), row(k+1), w[k], w[k+1]
		for i := range sum {
			sum[i] += a[i]*wa + b[i]*wb
		}
	}
	if k < len(w) {
		a, wa := row(k), w[k]
		for i := range sum {
			sum[i] += a[i] * wa
		}
	}
}

// across resizes the two sums.
func (r *Resizer) across(p *Plane, across int, a, b []float32) {
	f := &r.filters[across]
	taps := f.taps
	r.pairs = resize(r.pairs, 4*p.Stride+taps)
	pairs := r.pairs
	clear(pairs[4*p.Stride:]) // where weights are 0
	second := r.sums[1][:len(r.sums[0])]
	for i, low := range r.sums[0] {
		high := second[i]
		four := pairs[4*i:][:4]
		four[0] = low&0xffff | high&0xffff<<32
		four[1] = low>>16&0xffff | high>>16&0xffff<<32
		four[2] = low>>32&0xffff | high>>32&0xffff<<32
		four[3] = low>>48 | high>>48<<32
	}
	const unit = 1.0 / (oneDown * oneAcross)
	weights, first := r.weights[across], f.first
	a, b = a[:len(first)], b[:len(first)]
	switch taps { // as most often, without loops
	case 4:
		for o, at := range first {
			x, w := (*[4]uint64)(pairs[at-p.X:]), (*[4]uint64)(weights[4*o:])
			sum := x[0]*w[0] + x[1]*w[1] + x[2]*w[2] + x[3]*w[3]
			a[o], b[o] = float32(uint32(sum))*unit, float32(uint32(sum>>32))*unit
		}
	case 6:
		for o, at := range first {
			x, w := (*[6]uint64)(pairs[at-p.X:]), (*[6]uint64)(weights[6*o:])
			sum := x[0]*w[0] + x[1]*w[1] + x[2]*w[2] + x[3]*w[3] + x[4]*w[4] + x[5]*w[5]
			a[o], b[o] = float32(uint32(sum))*unit, float32(uint32(sum>>32))*unit
		}
	default:
		for o, at := range first {
			w := weights[o*taps:][:taps]
			x := pairs[at-p.X:][:len(w)]
			var sum uint64
			for k, v := range w {
				sum += x[k] * v
			}
			a[o], b[o] = float32(uint32(sum))*unit, float32(uint32(sum>>32))*unit
		}
	}
}

// colours turns the resized planes into the sample.
func (r *Resizer) colours(p *Planes, channels, n int, to []float32) {
	const scale = 1.0 / 255
	switch {
	case !p.Colour:
		for c := range channels {
			for i, v := range r.out[0][:n] {
				to[c*n+i] = v * scale
			}
		}
	case p.RGB && channels == 3:
		for c := range 3 {
			for i, v := range r.out[c][:n] {
				to[c*n+i] = v * scale
			}
		}
	case p.RGB:
		red, green, blue := r.out[0][:n], r.out[1][:n], r.out[2][:n]
		for i := range to[:n] {
			to[i] = (0.299*red[i] + 0.587*green[i] + 0.114*blue[i]) * scale
		}
	case channels == 3:
		y, cb, cr := r.out[0][:n], r.out[1][:n], r.out[2][:n]
		red, green, blue := to[:n], to[n:2*n], to[2*n:3*n]
		for i, l := range y {
			u, v := cb[i]-128, cr[i]-128
			red[i] = unit(l+1.402*v) * scale
			green[i] = unit(l-0.344136*u-0.714136*v) * scale
			blue[i] = unit(l+1.772*u) * scale
		}
	default: // brightness is the grey that the weights above give
		for i, v := range r.out[0][:n] {
			to[i] = v * scale
		}
	}
}

func unit(v float32) float32 {
	if v < 0 {
		return 0
	}
	if v > 255 {
		return 255
	}
	return v
}
