package fit

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
)

// partUse tells the streams of the parts of a batch from others of the same seed ("part" in ASCII).
const partUse = 0x70617274

// split cuts a batch in parts of a size, the last perhaps smaller; 0: it is one part. They share the batch's memory.
func split(batch *data.Batch, size int) []*data.Batch {
	n := batch.X.Shape()[0]
	if size == 0 || size >= n {
		return []*data.Batch{batch}
	}
	var parts []*data.Batch
	for low := 0; low < n; low += size {
		high := min(low+size, n)
		part := &data.Batch{X: rows(batch.X, low, high), Indices: batch.Indices[low:high]}
		if batch.Targets != nil {
			part.Targets = rows(batch.Targets, low, high)
		} else {
			part.Labels = batch.Labels[low:high]
		}
		if batch.Mix != nil {
			part.Mix = &data.Mix{Share: batch.Mix.Share, Labels: batch.Mix.Labels[low:high]}
		}
		parts = append(parts, part)
	}
	return parts
}

func rows(t *tensor.Dense, low, high int) *tensor.Dense {
	shape := t.Shape().Clone()
	each := shape.TotalSize() / shape[0]
	shape[0] = high - low
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(t.Data().([]float32)[low*each:high*each]))
}

// accumulate adds up the gradients of a batch in parts, each by its share of the samples: the batch's own, where no layer looks
// at more than one sample.
func (t *Trainer) accumulate(parts []*data.Batch, batch *data.Batch) error {
	samples := batch.X.Shape()[0]
	rest, err := t.targets(batch)
	if err != nil {
		return err
	}
	dev := t.Network.Device
	if err := dev.Fill(t.sum, 0); err != nil {
		return err
	}
	for i, part := range parts {
		t.tape.Reset()
		t.tape.Random = t.random(i)
		var soft []float64
		if rest != nil {
			size := len(part.Labels) * t.Network.Output[1]
			soft, rest = rest[:size], rest[size:]
		}
		output, labels, loss := forward(t.tape, t.Network, part, soft, t.Loss)
		if err := t.meter.predicted(output, labels); err != nil {
			return err
		}
		loss = autograd.Scale(loss, float64(part.X.Shape()[0])/float64(samples), 0)
		if err := t.tape.Err(); err != nil {
			return err
		}
		if err := dev.Binary(t.sum, t.sum, loss.Tensor(), device.Add); err != nil {
			return err
		}
		if err := t.tape.Backward(loss); err != nil {
			return err
		}
	}
	if err := t.meter.lost(t.sum, samples); err != nil {
		return err
	}
	return dev.Binary(t.guard, t.guard, t.sum, device.Add)
}
