package reference

import "fovea/device"

// Linear implements device.FullyConnected.
func (d *Device) Linear(y, x, w, b *device.Tensor) error {
	if err := d.MatMul(y, x, w, false, true); err != nil || b == nil {
		return err
	}
	return d.AddBias(y, y, b)
}

// MatMul implements device.FullyConnected.
func (d *Device) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	rows, cols := c.Shape[0], c.Shape[1]
	inner := a.Shape[1]
	if transposeA {
		inner = a.Shape[0]
	}
	for i := range rows {
		for j := range cols {
			sum := 0.0
			for k := range inner {
				ai, bi := i*inner+k, k*cols+j
				if transposeA {
					ai = k*rows + i
				}
				if transposeB {
					bi = j*inner + k
				}
				sum += floats(a)[ai] * floats(b)[bi]
			}
			floats(c)[i*cols+j] = sum
		}
	}
	return nil
}

// AddBias implements device.FullyConnected.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	_, channels, inner := device.Channels(x.Shape)
	for i, v := range floats(x) {
		floats(y)[i] = v + floats(b)[i/inner%channels]
	}
	return nil
}

// SumChannels implements device.FullyConnected.
func (d *Device) SumChannels(db, dy *device.Tensor) error {
	clear64(floats(db))
	_, channels, inner := device.Channels(dy.Shape)
	for i, v := range floats(dy) {
		floats(db)[i/inner%channels] += v
	}
	return nil
}
