package augment

import (
	"slices"

	"fovea/data"
)

// mapping says for each pixel of a row of the result where in the picture it comes from, in pixels: the middle of the pixel
// at the top left is 0, 0.
type mapping interface {
	row(y int, xs, ys []float32)
}

// warp makes each pixel of what lies at its place in the picture, interpolated from the four pixels around it; outside
// there are zeros. It is torchvision's grid_sample with align_corners=False and without a fill.
//
// The picture is copied into a frame of zeros, so that all four neighbours of every place are there, and the places
// themselves are moved onto the frame where they lie farther out. Neighbours and weights are the same in all channels.
func warp[M mapping](p data.Picture, from M) {
	w := p.W + 2
	size := (p.H + 2) * w
	s := borrow(p.C*size + 4*p.W)
	defer s.giveBack()
	frame, xs, ys := s.values[:p.C*size], s.values[p.C*size:][:p.W], s.values[p.C*size+p.W:][:p.W]
	right, down := s.values[p.C*size+2*p.W:][:p.W], s.values[p.C*size+3*p.W:][:p.W]
	for c := range p.C {
		to := frame[c*size:][:size]
		clear(to[:w])
		clear(to[size-w:])
		for y := range p.H {
			row := to[(y+1)*w:][:w]
			row[0], row[w-1] = 0, 0
			copy(row[1:], p.Values[(c*p.H+y)*p.W:][:p.W])
		}
	}
	s.places = slices.Grow(s.places[:0], p.W)
	places := s.places[:p.W]
	maxX, maxY := float32(p.W), float32(p.H)
	for y := range p.H {
		from.row(y, xs, ys)
		for i, x := range xs {
			x, fx := split(x, maxX)
			y, fy := split(ys[i], maxY)
			places[i], right[i], down[i] = y*int32(w)+x, fx, fy
		}
		for c := range p.C {
			plane, out := frame[c*size:][:size], p.Values[(c*p.H+y)*p.W:][:p.W]
			interpolate(out, plane, places, right, down, w)
		}
	}
}

// interpolate takes each pixel from the four whose first has its place in the frame.
func interpolate(out, plane []float32, places []int32, right, down []float32, w int) {
	right, down, places = right[:len(out)], down[:len(out)], places[:len(out)]
	for i := range out {
		above := plane[places[i]:][:2:2]
		below := plane[int(places[i])+w:][:2:2]
		fx := right[i]
		a := above[0] + float32(fx*(above[1]-above[0])) // float32(): each product is rounded on every machine
		b := below[0] + float32(fx*(below[1]-below[0]))
		out[i] = a + float32(down[i]*(b-a))
	}
}

// split cuts a place, moved onto the frame if it lies outside of it, into the pixel of the frame at or before it and how far
// it is to the next. size is that of the picture.
func split(v, size float32) (int32, float32) {
	if !(v > -1) { // NaN too
		return 0, 0
	}
	v = min(v, size) + 1
	i := min(int32(v), int32(size))
	return i, v - float32(i)
}
