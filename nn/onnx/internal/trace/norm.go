package trace

import (
	"fovea/device"
)

// BatchNormInfer implements device.Normalisation.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return d.node(y, "BatchNormalization", []*device.Tensor{x, scale, shift, mean, variance}, float("epsilon", s.Epsilon), float("momentum", 1-s.Momentum))
}

// LRN implements device.Normalisation.
func (d *Device) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	if s.Size%2 == 1 {
		return d.node(y, "LRN", []*device.Tensor{x}, integer("size", s.Size), float("alpha", s.Alpha), float("beta", s.Beta), float("bias", s.K))
	}
	// ONNX puts the odd map of an even window on the other side.
	maps, err := d.acrossMaps(x)
	if err != nil {
		return err
	}
	energy := d.windowSum(d.windowMean(d.add("Mul", []string{maps, maps}), s), x, s)
	d.set(y, d.reshape(d.add("Mul", []string{maps, d.damping(energy, s)}), x.Shape))
	return nil
}

// ContrastNorm implements device.Normalisation. The sum of (x_j - m)^2 over a window of n maps is n*(mean of x^2 - m^2).
func (d *Device) ContrastNorm(y, x *device.Tensor, s device.LRNSpec) error {
	maps, err := d.acrossMaps(x)
	if err != nil {
		return err
	}
	mean := d.windowMean(maps, s)
	squares := d.windowMean(d.add("Mul", []string{maps, maps}), s)
	variance := d.add("Relu", []string{d.add("Sub", []string{squares, d.add("Mul", []string{mean, mean})})}) // rounding may leave less than 0
	damping := d.damping(d.windowSum(variance, x, s), s)
	d.set(y, d.reshape(d.add("Mul", []string{d.add("Sub", []string{maps, mean}), damping}), x.Shape))
	return nil
}

// acrossMaps lays x out as [N, 1, C, H*W], so that a window of poolings reaches across maps.
func (d *Device) acrossMaps(x *device.Tensor) (string, error) {
	operand, err := d.in(x)
	return d.reshape(operand, []int{x.Shape[0], 1, x.Shape[1], x.Shape[2] * x.Shape[3]}), err
}

// windowMean is the mean over the maps of each map's window that exist.
func (d *Device) windowMean(maps string, s device.LRNSpec) string {
	return d.add("AveragePool", []string{maps}, integers("kernel_shape", s.Size, 1), integers("strides", 1, 1),
		integers("pads", s.Size/2, 0, (s.Size-1)/2, 0))
}

// windowSum turns means over windows into sums.
func (d *Device) windowSum(mean string, x *device.Tensor, s device.LRNSpec) string {
	counts := make([]float32, x.Shape[1])
	for i := range counts {
		low, high := s.Window(i, len(counts))
		counts[i] = float32(high - low)
	}
	return d.add("Mul", []string{mean, d.floats("counts", []int{1, 1, len(counts), 1}, counts)})
}

// damping is (K + Alpha/Size * energy)^-Beta.
func (d *Device) damping(energy string, s device.LRNSpec) string {
	scaled := d.add("Mul", []string{energy, d.scalar(s.Alpha / float64(s.Size))})
	return d.add("Pow", []string{d.add("Add", []string{scaled, d.scalar(s.K)}), d.scalar(-s.Beta)})
}
