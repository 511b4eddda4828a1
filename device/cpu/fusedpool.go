package cpu

import "fovea/device"

var _ device.FusedPooling = (*Device)(nil)

// ConvBackwardWeightsPooled implements device.FusedPooling. Where one worker has all pieces of the weights' gradient for some images, it makes
// dy of these images, which then is in its second-level cache, and never all of it.
func (d *Device) ConvBackwardWeightsPooled(dw, x, dz, y, pooled *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	if thin(x) && !blocked(dw) && y.Shape[1] <= outputsOfPiece && blocked(y) && likeBlocks(dz, pooled) && inBlocksWell(x, dw, y, s) {
		s.Learning = false // no weights are read
		g, from := newGeometry(x, dw, y, s), newPoolGradient(d, dz, y, pooled, p)
		d.correlate(&correlation{geometry: g, made: func(worker, first, images int) []float32 {
			blocks, size := images*from.x.blocks, from.x.size
			maps := d.lane(worker, blocks*size+2*lanes)
			for i := range blocks {
				from.block(maps[i*size:][:size], first*from.x.blocks+i, maps[blocks*size:])
			}
			return maps
		}}, dw, x)
		return nil
	}
	dy, err := d.NewActivation(y.Shape)
	if err != nil {
		return err
	}
	defer dy.Release()
	if err := d.PoolBackward(dy, dz, y, pooled, p); err != nil {
		return err
	}
	return d.ConvBackwardWeights(dw, x, dy, s)
}
