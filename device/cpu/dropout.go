package cpu

import (
	"fovea/device"
	"fovea/device/philox"
	"fovea/kernels/vector"
)

// Dropout implements device.Activation. In blocks, each lane has the numbers of its channel's map.
func (d *Device) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	if blocked(y, x) && !alike(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Dropout(t[0], t[1], rate, stream) }, y, x)
	}
	from, to := floats(x), out(y)
	drop := vector.NewDropout(stream, device.DropThreshold(rate), float32(1/(1-rate)))
	if !blocked(x) {
		d.divide((len(from)+3)/4, 4, func(_, first, last int) {
			low, high := 4*first, min(4*last, len(from))
			d.vector.Dropout(drop, to[low:high], from[low:high], low)
		})
		return nil
	}
	outer, channels, plane := device.Channels(x.Shape)
	blocks := blocksOf(channels)
	d.divide(outer*blocks, lanes*plane, func(_, first, last int) {
		for unit := first; unit < last; unit++ {
			n, block := unit/blocks, unit%blocks
			at := unit * plane * lanes
			d.vector.DropoutLanes(drop, to[at:][:plane*lanes], from[at:], (n*channels+block*lanes)*plane, plane)
		}
	})
	return nil
}
