package cpu

import (
	"fovea/device"
	"fovea/kernels/gemm"
)

// convolveRowMajor is convolve on row-major maps: for each image and group, weights [maps, taps] times windows [taps, places].
func (d *Device) convolveRowMajor(y, x, w *device.Tensor, e epilogue, s device.ConvSpec) error {
	weights, kept := d.plainWeights(w, e.fold)
	defer d.doneWith(weights, kept)
	bias := e.bias
	g := newGeometry(x, w, y, s)
	products := g.images * g.Groups
	// Few images: cut the places into strips so that every worker has some.
	strips := 1
	if products > 0 {
		strips = min(max(1, 4*d.team.size/products), (g.places+d.kernel.NR-1)/d.kernel.NR)
	}
	d.team.share(products*strips, d.team.pieces(), func(worker, from, to int) {
		image := &windows{geometry: g}
		for unit := from; unit < to; unit++ {
			product, strip := unit/strips, unit%strips
			n, group := product/g.Groups, product%g.Groups
			low, high := g.places*strip/strips, g.places*(strip+1)/strips
			to := g.output(out(y), n, group)
			for m := 0; m < g.maps && bias != nil; m++ {
				d.vector.Fill(to[m*g.places+low:m*g.places+high], bias[group*g.maps+m])
			}
			image.image = g.input(floats(x), n, group)
			var right gemm.Operand = image
			if g.pointwise() {
				right = gemm.Strided{Data: image.image, Row: 1, Depth: g.places}
			}
			left := gemm.Strided{Data: g.weights(weights.data, group), Row: g.taps, Depth: 1}
			d.kernel.Multiply(d.spaces[worker], to, g.places, gemm.Block(0, g.maps, low, high), g.taps, left, right, bias != nil)
		}
	})
	if e.add != nil {
		if err := d.Binary(y, y, e.add, device.Add); err != nil {
			return err
		}
	}
	if e.relu {
		return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
	}
	return nil
}

// strip is about how many elements of a product a worker makes at a time in backwardDataRowMajor, before it adds them up.
const strip = 1 << 18

// backwardDataRowMajor is ConvBackwardData on row-major maps: the transposed weights times the gradient give each window's share
// [taps, places], which is added to the pixels that the window covered (col2im). A few channels are done at a time, so
// that the shares stay in the cache.
func (d *Device) backwardDataRowMajor(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	g := newGeometry(dx, w, dy, s)
	window, plane := g.rows*g.cols, g.height*g.width
	block := min(max(1, strip/max(window*g.places, 1)), max(g.channels, 1))
	blocks := pieces(g.channels, block)
	d.team.share(g.images*g.Groups*blocks, d.team.pieces(), func(worker, from, to int) {
		for unit := from; unit < to; unit++ {
			product, first := unit/blocks, unit%blocks*block
			n, group := product/g.Groups, product%g.Groups
			count := min(block, g.channels-first)
			pixels := g.input(out(dx), n, group)[first*plane:][:count*plane]
			shares := pixels
			if !g.pointwise() {
				shares = d.lane(worker, count*window*g.places)
			}
			left := gemm.Strided{Data: g.weights(floats(w), group)[first*window:], Row: 1, Depth: g.taps}
			right := gemm.Strided{Data: g.output(floats(dy), n, group), Row: 1, Depth: g.places}
			d.kernel.Multiply(d.spaces[worker], shares, g.places, gemm.Block(0, count*window, 0, g.places), g.maps, left, right, false)
			if !g.pointwise() {
				d.addShares(g, pixels, shares)
			}
		}
	})
	return nil
}

// addShares sets pixels to the sums of the shares that fall on them.
func (d *Device) addShares(g *geometry, pixels, shares []float32) {
	clear(pixels)
	for k := range len(shares) / max(g.places, 1) {
		channel, down, across := g.tap(k)
		plane := pixels[channel*g.height*g.width:][:g.height*g.width]
		line := shares[k*g.places:][:g.places]
		g.eachRun(0, g.places, down, across, func(at, before, n, after, start int) {
			run := line[at+before : at+n-after]
			if g.Stride[1] == 1 && len(run) > 0 {
				to := plane[start:][:len(run)]
				d.vector.Add(to, to, run)
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

// backwardWeightsRowMajor is ConvBackwardWeights on row-major maps: the gradient [maps, places of all images] times the windows'
// transpose [places of all images, taps]. Large results are cut among the workers; small ones are computed for parts of
// the images, and those added in order.
func (d *Device) backwardWeightsRowMajor(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	g := newGeometry(x, dw, dy, s)
	sum := out(dw)
	multiply := func(worker int, c []float32, low, high, group, first, images int) {
		left := &mapsOfAll{geometry: g, y: floats(dy), first: first, group: group}
		right := &windowsOfAll{geometry: g, x: floats(x), first: first, group: group}
		d.kernel.Multiply(d.spaces[worker], g.weights(c, group), g.taps, gemm.Block(0, g.maps, low, high), images*g.places, left, right, false)
	}
	parts := min(weightParts, g.images)
	if len(sum) > smallGradients || parts < 2 {
		strips := min(max(1, 4*d.team.size/g.Groups), (g.taps+d.kernel.NR-1)/d.kernel.NR)
		d.team.share(g.Groups*strips, d.team.pieces(), func(worker, from, to int) {
			for unit := from; unit < to; unit++ {
				group, at := unit/strips, unit%strips
				multiply(worker, sum, g.taps*at/strips, g.taps*(at+1)/strips, group, 0, g.images)
			}
		})
		return nil
	}
	copies := d.floats.get(parts*len(sum), &d.stats)
	defer d.floats.put(copies)
	d.team.share(parts, d.team.pieces(), func(worker, from, to int) {
		for part := from; part < to; part++ {
			first, last := g.images*part/parts, g.images*(part+1)/parts
			for group := range g.Groups {
				multiply(worker, copies.data[part*len(sum):][:len(sum)], 0, g.taps, group, first, last-first)
			}
		}
	})
	d.addParts(sum, copies.data, parts)
	return nil
}
