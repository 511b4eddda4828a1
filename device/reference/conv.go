package reference

import "fovea/device"

// Conv implements device.Convolution.
func (d *Device) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	out := floats(y)
	for i := range out {
		out[i] = 0
		if b != nil {
			out[i] = floats(b)[i/(y.Shape[2]*y.Shape[3])%y.Shape[1]]
		}
	}
	forEachTap(y, x, w, s, func(yi, xi, wi int) { out[yi] += floats(w)[wi] * floats(x)[xi] })
	return nil
}

// ConvBackwardData implements device.Convolution.
func (d *Device) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	clear64(floats(dx))
	forEachTap(dy, dx, w, s, func(yi, xi, wi int) { floats(dx)[xi] += floats(w)[wi] * floats(dy)[yi] })
	return nil
}

// ConvBackwardWeights implements device.Convolution.
func (d *Device) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	clear64(floats(dw))
	forEachTap(dy, x, dw, s, func(yi, xi, wi int) { floats(dw)[wi] += floats(x)[xi] * floats(dy)[yi] })
	return nil
}

// forEachTap visits every product of a convolution: output element yi takes weight wi times input element xi.
func forEachTap(y, x, w *device.Tensor, s device.ConvSpec, visit func(yi, xi, wi int)) {
	perGroup := y.Shape[1] / s.Groups
	for n := range y.Shape[0] {
		for m := range y.Shape[1] {
			for p := range y.Shape[2] {
				for q := range y.Shape[3] {
					for c := range w.Shape[1] {
						for r := range w.Shape[2] {
							for t := range w.Shape[3] {
								row := p*s.Stride[0] - s.Padding.Top + r*s.Dilation[0]
								col := q*s.Stride[1] - s.Padding.Left + t*s.Dilation[1]
								if row < 0 || row >= x.Shape[2] || col < 0 || col >= x.Shape[3] {
									continue
								}
								channel := m/perGroup*w.Shape[1] + c
								visit(at(y.Shape, n, m, p, q), at(x.Shape, n, channel, row, col), at(w.Shape, m, c, r, t))
							}
						}
					}
				}
			}
		}
	}
}

// Rotate180 implements device.Convolution.
func (d *Device) Rotate180(y, w *device.Tensor) error {
	rank := len(w.Shape)
	mask := w.Shape[rank-2] * w.Shape[rank-1]
	for i, v := range floats(w) {
		floats(y)[i/mask*mask+mask-1-i%mask] = v
	}
	return nil
}
