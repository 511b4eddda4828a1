package cpu

import (
	"fovea/device"
	"fovea/kernels/gemm"
)

// Conv implements device.Convolution: for each image and group, weights [maps, taps] times windows [taps, places].
func (d *Device) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	if blocked(y, x, w, b) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Conv(t[0], t[1], t[2], t[3], s) }, y, x, w, b)
	}
	g := newGeometry(x, w, y, s)
	bias := floats(b)
	products := g.images * g.Groups
	// Few images: cut the places into strips so that every worker has some.
	strips := 1
	if products > 0 {
		strips = min(max(1, 4*d.team.size/products), (g.places+d.kernel.NR-1)/d.kernel.NR)
	}
	d.team.split(products*strips, func(worker, from, to int) {
		image := &windows{geometry: g}
		for unit := from; unit < to; unit++ {
			product, strip := unit/strips, unit%strips
			n, group := product/g.Groups, product%g.Groups
			low, high := g.places*strip/strips, g.places*(strip+1)/strips
			out := g.output(floats(y), n, group)
			for m := 0; m < g.maps && b != nil; m++ {
				fill(out[m*g.places+low:m*g.places+high], bias[group*g.maps+m])
			}
			image.image = g.input(floats(x), n, group)
			var right gemm.Operand = image
			if g.pointwise() {
				right = gemm.Strided{Data: image.image, Row: 1, Depth: g.places}
			}
			left := gemm.Strided{Data: g.weights(floats(w), group), Row: g.taps, Depth: 1}
			d.kernel.Multiply(d.spaces[worker], out, g.places, 0, g.maps, low, high, g.taps, left, right, b != nil)
		}
	})
	return nil
}

// strip is about how many elements of a product a worker makes at a time in ConvBackwardData, before it adds them up.
const strip = 1 << 18

// ConvBackwardData implements device.Convolution: the transposed weights times the gradient give each window's share
// [taps, places], which is added to the pixels that the window covered (col2im). A few channels are done at a time, so
// that the shares stay in the cache.
func (d *Device) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	if blocked(dx, dy, w) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ConvBackwardData(t[0], t[1], t[2], s) }, dx, dy, w)
	}
	g := newGeometry(dx, w, dy, s)
	window, plane := g.rows*g.cols, g.height*g.width
	block := min(max(1, strip/max(window*g.places, 1)), max(g.channels, 1))
	blocks := (g.channels + block - 1) / block
	d.team.split(g.images*g.Groups*blocks, func(worker, from, to int) {
		for unit := from; unit < to; unit++ {
			product, first := unit/blocks, unit%blocks*block
			n, group := product/g.Groups, product%g.Groups
			count := min(block, g.channels-first)
			pixels := g.input(floats(dx), n, group)[first*plane:][:count*plane]
			shares := pixels
			if !g.pointwise() {
				shares = d.lane(worker, count*window*g.places)
			}
			left := gemm.Strided{Data: g.weights(floats(w), group)[first*window:], Row: 1, Depth: g.taps}
			right := gemm.Strided{Data: g.output(floats(dy), n, group), Row: 1, Depth: g.places}
			d.kernel.Multiply(d.spaces[worker], shares, g.places, 0, count*window, 0, g.places, g.maps, left, right, false)
			if !g.pointwise() {
				g.addShares(pixels, shares)
			}
		}
	})
	return nil
}

// addShares sets pixels to the sums of the shares that fall on them.
func (g *geometry) addShares(pixels, shares []float32) {
	clear(pixels)
	for k := range len(shares) / max(g.places, 1) {
		channel, down, across := g.tap(k)
		plane := pixels[channel*g.height*g.width:][:g.height*g.width]
		line := shares[k*g.places:][:g.places]
		g.eachRun(0, g.places, down, across, func(at, before, n, after, start int) {
			run := line[at+before : at+n-after]
			if g.Stride[1] == 1 && len(run) > 0 {
				addTo(plane[start:][:len(run)], run)
				return
			}
			for i, v := range run {
				plane[start+i*g.Stride[1]] += v
			}
		})
	}
}

// Private copies of the weights' gradient, when they are small: this many, whatever the number of threads.
const (
	weightParts    = 16
	smallGradients = 1 << 15
)

// ConvBackwardWeights implements device.Convolution: the gradient [maps, places of all images] times the windows'
// transpose [places of all images, taps]. Large results are cut among the workers; small ones are computed for parts of
// the images, and those added in order.
func (d *Device) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	if blocked(dw, x, dy) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ConvBackwardWeights(t[0], t[1], t[2], s) }, dw, x, dy)
	}
	g := newGeometry(x, dw, dy, s)
	out := floats(dw)
	multiply := func(worker int, c []float32, low, high, group, first, images int) {
		left := &mapsOfAll{geometry: g, y: floats(dy), first: first, group: group}
		right := &windowsOfAll{geometry: g, x: floats(x), first: first, group: group}
		d.kernel.Multiply(d.spaces[worker], g.weights(c, group), g.taps, 0, g.maps, low, high, images*g.places, left, right, false)
	}
	parts := min(weightParts, g.images)
	if len(out) > smallGradients || parts < 2 {
		strips := min(max(1, 4*d.team.size/g.Groups), (g.taps+d.kernel.NR-1)/d.kernel.NR)
		d.team.split(g.Groups*strips, func(worker, from, to int) {
			for unit := from; unit < to; unit++ {
				group, at := unit/strips, unit%strips
				multiply(worker, out, g.taps*at/strips, g.taps*(at+1)/strips, group, 0, g.images)
			}
		})
		return nil
	}
	copies := d.floats.get(parts*len(out), &d.stats)
	defer d.floats.put(copies)
	d.team.split(parts, func(worker, from, to int) {
		for part := from; part < to; part++ {
			first, last := g.images*part/parts, g.images*(part+1)/parts
			for group := range g.Groups {
				multiply(worker, copies.data[part*len(out):][:len(out)], 0, g.taps, group, first, last-first)
			}
		}
	})
	d.divide(len(out), parts, func(_, from, to int) {
		copy(out[from:to], copies.data[from:to])
		for part := 1; part < parts; part++ {
			addTo(out[from:to], copies.data[part*len(out):][from:to])
		}
	})
	return nil
}

// Rotate180 implements device.Convolution.
func (d *Device) Rotate180(y, w *device.Tensor) error {
	if blocked(y, w) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Rotate180(t[0], t[1]) }, y, w)
	}
	rank := len(w.Shape)
	mask := w.Shape[rank-2] * w.Shape[rank-1]
	from, to := floats(w), floats(y)
	for i, v := range from {
		to[i/mask*mask+mask-1-i%mask] = v
	}
	return nil
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

func addTo(x, y []float32) {
	y = y[:len(x)]
	for i := range x {
		x[i] += y[i]
	}
}
