package main

import (
	"fovea/cmd/internal/live"
	"fovea/nn/tensorboard"
)

// histograms are those of a look at a network as TensorBoard has them.
func histograms(parameters []string, d live.Detail) []tensorboard.Value {
	var all []tensorboard.Value
	for i, name := range parameters {
		for _, kind := range []struct {
			name string
			of   []*live.Histogram
		}{{"weights/", d.Weights}, {"gradients/", d.Gradients}} {
			if h := kind.of[i]; h != nil {
				all = append(all, tensorboard.Histogram(kind.name+name, bins(h)))
			}
		}
	}
	return all
}

// bins are of equal width; those of values that are all alike have none.
func bins(h *live.Histogram) []tensorboard.Bin {
	all := make([]tensorboard.Bin, len(h.Counts))
	width := (h.High - h.Low) / float64(len(h.Counts))
	for i, n := range h.Counts {
		all[i] = tensorboard.Bin{Low: h.Low + float64(i)*width, High: h.Low + float64(i+1)*width, Count: float64(n)}
	}
	return all
}
