package live

import (
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
)

const (
	bins = 40
	// mostValues bounds what is read of a tensor: of a larger one the first rows are counted, whose units are as good a
	// sample as any, since the order of units means nothing.
	mostValues = 1 << 18
	// mostParameters bounds a Detail for networks of very many layers; the first ones are shown.
	mostParameters = 256
)

// Histogram counts values in bins of equal width from Low to High. What is not finite is left out.
type Histogram struct {
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Counts    []int   `json:"counts"`
}

// newHistogram is nil for no values.
func newHistogram(values []float32) *Histogram {
	h := &Histogram{Low: math.Inf(1), High: math.Inf(-1)}
	n, sum, squares := 0, 0.0, 0.0
	for _, value := range values {
		v := float64(value)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		h.Low, h.High = min(h.Low, v), max(h.High, v)
		n, sum, squares = n+1, sum+v, squares+v*v
	}
	if n == 0 {
		return nil
	}
	h.Mean = sum / float64(n)
	h.Deviation = math.Sqrt(max(0, squares/float64(n)-h.Mean*h.Mean))
	if h.Low == h.High {
		h.Counts = []int{n}
		return h
	}
	h.Counts = make([]int, bins)
	perWidth := bins / (h.High - h.Low)
	for _, value := range values {
		if at := (float64(value) - h.Low) * perWidth; at >= 0 && at <= bins {
			h.Counts[min(int(at), bins-1)]++
		}
	}
	return h
}

// shown are the parameters that Details have histograms of: the weights of convolutions and linear layers.
func shown(net *nn.Network) []*autograd.Value {
	matrices := slices.DeleteFunc(slices.Clone(net.Parameters), func(p *autograd.Value) bool { return len(p.Shape()) < 2 })
	return matrices[:min(len(matrices), mostParameters)]
}

// histogramOf waits for the device. It is nil for no tensor.
func histogramOf(t *device.Tensor) (*Histogram, error) {
	if t == nil {
		return nil, nil
	}
	values, err := firstRows(t, mostValues)
	if err != nil {
		return nil, err
	}
	return newHistogram(values), nil
}

// firstRows are a tensor's elements, of a large one those of as many rows as have most elements, and at least one row.
func firstRows(t *device.Tensor, most int) ([]float32, error) {
	if t.Size() > most && t.Shape[0] > 1 {
		shape := t.Shape.Clone()
		shape[0] = max(1, most/(t.Size()/t.Shape[0]))
		part, err := t.Device.New(shape, t.DType)
		if err != nil {
			return nil, err
		}
		defer part.Release()
		zero := make(tensor.Shape, len(shape))
		if err := t.Device.CopyRegion(part, zero, t, zero, shape); err != nil {
			return nil, err
		}
		t = part
	}
	values := make([]float32, t.Size())
	return values, t.Device.Download(values, t)
}
