package winograd

import (
	"testing"

	"fovea/kernels/isa"
)

// BenchmarkTransforms reports nanoseconds for a tile of 16 channels, or 16 windows; the coefficients do not fit the first-level
// cache.
func BenchmarkTransforms(b *testing.B) {
	const tiles, stride = 14, 29 * Lanes
	for _, set := range isa.Available() {
		k := For(set)
		x := &Map{make([]float32, 58*58*Lanes), 58, 58}
		v := make([]float32, Coefficients*stride)
		w := make([]float32, 64*64*9)
		dw := make([]float32, 64*9*16)
		e := NewEpilogue(nil, false)
		each := func(name string, units int, do func()) {
			b.Run(set.String()+"/"+name, func(b *testing.B) {
				for b.Loop() {
					do()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(units), "ns/unit")
			})
		}
		each("input", tiles, func() { k.Input(v, stride, x, 4, 0, tiles) })
		each("input at the rim", tiles, func() { k.Input(v, stride, x, -1, 0, tiles) })
		each("gradient", tiles, func() { k.Gradient(v, stride, x, 4, 0, tiles) })
		each("gradient at the rim", tiles, func() { k.Gradient(v, stride, x, 55, 0, tiles) })
		each("output", tiles, func() { k.Output(x, 4, 0, tiles, v, stride, &e, nil) })
		each("output at the rim", tiles, func() { k.Output(x, 55, 0, tiles, v, stride, &e, nil) })
		each("weights", 28, func() { k.Weights(v, stride, Lanes, w, 0, Windows{64 * 9, 1, 9, 16}, 28) })
		each("turned weights", 28, func() { k.Weights(v, stride, Lanes, w, 8, Windows{9, -1, 64 * 9, 16}, 28) })
		each("weights' gradient", 28, func() { k.WeightsGradient(dw, v, stride, Lanes, 28) })
	}
}
