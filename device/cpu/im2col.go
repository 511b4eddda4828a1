package cpu

import (
	"fovea/device"
)

// geometry is a convolution's sizes in one place. Letters as in package device: x [N, C, H, W], w [M, C/groups, R, S],
// y [N, M, P, Q].
type geometry struct {
	device.ConvSpec
	images, height, width int
	channels, maps        int // of one group: C/groups, M/groups
	rows, cols            int // of the window: R, S
	outHeight, outWidth   int // P, Q
	taps                  int // products in one output element: channels*rows*cols
	places                int // output elements in one map: P*Q
}

func newGeometry(x, w, y *device.Tensor, s device.ConvSpec) *geometry {
	g := &geometry{ConvSpec: s, images: x.Shape[0], height: x.Shape[2], width: x.Shape[3],
		channels: w.Shape[1], maps: w.Shape[0] / s.Groups, rows: w.Shape[2], cols: w.Shape[3],
		outHeight: y.Shape[2], outWidth: y.Shape[3]}
	g.taps, g.places = g.channels*g.rows*g.cols, g.outHeight*g.outWidth
	return g
}

// pointwise says that the window is one pixel that visits every pixel: then the image is its own matrix of windows.
func (g *geometry) pointwise() bool {
	return g.rows == 1 && g.cols == 1 && g.Stride == [2]int{1, 1} && g.Padding == device.Padding{}
}

// input is the part of x that belongs to an image and group, output the part of y.
func (g *geometry) input(x []float32, image, group int) []float32 {
	n := g.channels * g.height * g.width
	return x[(image*g.Groups+group)*n:][:n]
}

func (g *geometry) output(y []float32, image, group int) []float32 {
	n := g.maps * g.places
	return y[(image*g.Groups+group)*n:][:n]
}

// weights is the part of w that belongs to a group.
func (g *geometry) weights(w []float32, group int) []float32 {
	return w[group*g.maps*g.taps:][:g.maps*g.taps]
}

// tap takes number k of a window's products apart: channel, and the offset in the image from the window's place.
func (g *geometry) tap(k int) (channel, down, across int) {
	channel, k = k/(g.rows*g.cols), k%(g.rows*g.cols)
	return channel, k/g.cols*g.Dilation[0] - g.Padding.Top, k%g.cols*g.Dilation[1] - g.Padding.Left
}

// inside is the range of n output positions q whose position q*stride+offset lies in an input of that size.
func inside(offset, stride, size, n int) (from, to int) {
	if offset < 0 {
		from = (-offset + stride - 1) / stride
	}
	if last := size - 1 - offset; last >= 0 {
		to = min(last/stride+1, n)
	}
	return min(from, to), to
}

// eachRun visits places [from, to) of the output as runs within a row. A run of n places is zero in its first before and
// last after elements, and reads the plane at start, start+stride, ... between.
func (g *geometry) eachRun(from, to, down, across int, visit func(at, before, n, after, start int)) {
	low, high := inside(across, g.Stride[1], g.width, g.outWidth)
	for place := from; place < to; {
		p, q := place/g.outWidth, place%g.outWidth
		n := min(g.outWidth-q, to-place)
		row := p*g.Stride[0] + down
		a, b := min(max(low, q), q+n), max(min(high, q+n), q)
		if row < 0 || row >= g.height || a >= b {
			visit(place-from, n, n, 0, 0)
		} else {
			visit(place-from, a-q, n, q+n-b, row*g.width+a*g.Stride[1]+across)
		}
		place += n
	}
}

// windows is the matrix (im2col) of one image's windows: the product of w [maps, taps] with it [taps, places] is the
// output. It is a gemm.Operand whose rows (columns of the product) are places.
type windows struct {
	*geometry
	image []float32 // one group's channels
}

// Pack implements gemm.Operand.
func (m *windows) Pack(dst []float32, place, n, tap, depth, width int) {
	for k := range depth {
		channel, down, across := m.tap(tap + k)
		plane := m.image[channel*m.height*m.width:][:m.height*m.width]
		line := dst[k*width:][:width]
		m.eachRun(place, place+n, down, across, func(at, before, n, after, start int) {
			run := line[at:][:n]
			clear(run[:before])
			middle := run[before : n-after]
			if m.Stride[1] == 1 {
				copy(middle, plane[min(start, len(plane)):])
			} else {
				for i := range middle {
					middle[i] = plane[start+i*m.Stride[1]]
				}
			}
			clear(run[n-after:])
		})
		clear(line[n:])
	}
}

// windowsOfAll is the transpose for the gradient of the weights: rows are taps, the depth runs over the places of images
// [first, ...).
type windowsOfAll struct {
	*geometry
	x            []float32
	first, group int
}

// Pack implements gemm.Operand.
func (m *windowsOfAll) Pack(dst []float32, tap, n, place, depth, width int) {
	for j := range n {
		channel, down, across := m.tap(tap + j)
		m.eachImage(place, depth, func(at, image, from, to int) {
			plane := m.input(m.x, m.first+image, m.group)[channel*m.height*m.width:][:m.height*m.width]
			m.eachRun(from, to, down, across, func(run, before, n, after, start int) {
				column := dst[(at+run)*width+j:]
				for i := range before {
					column[i*width] = 0
				}
				for i := before; i < n-after; i++ {
					column[i*width] = plane[start]
					start += m.Stride[1]
				}
				for i := n - after; i < n; i++ {
					column[i*width] = 0
				}
			})
		})
	}
	clearRight(dst, n, depth, width)
}

// eachImage visits the places [place, place+depth), counted on from image to image, as parts of one image.
func (g *geometry) eachImage(place, depth int, visit func(at, image, from, to int)) {
	for at := 0; at < depth; {
		image, from := (place+at)/g.places, (place+at)%g.places
		n := min(g.places-from, depth-at)
		visit(at, image, from, from+n)
		at += n
	}
}

// mapsOfAll is the gradient of the output as a matrix of rows maps and depth places, of images [first, ...).
type mapsOfAll struct {
	*geometry
	y            []float32
	first, group int
}

// Pack implements gemm.Operand.
func (m *mapsOfAll) Pack(dst []float32, row, n, place, depth, width int) {
	for i := range n {
		m.eachImage(place, depth, func(at, image, from, to int) {
			column := dst[at*width+i:]
			for p, v := range m.output(m.y, m.first+image, m.group)[(row+i)*m.places:][from:to] {
				column[p*width] = v
			}
		})
	}
	clearRight(dst, n, depth, width)
}

// clearRight zeroes what a panel's lines hold beyond column n.
func clearRight(dst []float32, n, depth, width int) {
	for k := range depth {
		clear(dst[k*width+n : (k+1)*width])
	}
}
