package blocked

import (
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

func init() {
	kernels[isa.AVX512] = &Kernel{Set: isa.AVX512, Run: 7, Blocks: 2, product: productAVX512, sum: sumAVX512, gather: gatherAVX512}
	kernels[isa.AVX2] = &Kernel{Set: isa.AVX2, Run: 3, Blocks: 1, product: productAVX2, sum: sumAVX2, gather: gatherAVX2}
	amx := *kernels[isa.AVX512]
	amx.Set, amx.parts = isa.AMX, &parts{3, splitPixels(amd64.SplitRowsAVX512), splitWeights(amd64.SplitLinesAVX512), splitPlaces(amd64.SplitPlacesAVX512), turn, productAMX(amd64.ProductPartsAMX)}
	rounded := amx
	rounded.parts = &parts{1, splitPixels(amd64.RoundRowsAVX512), splitWeights(amd64.RoundLinesAVX512), splitPlaces(amd64.RoundPlacesAVX512), turn, productAMX(amd64.ProductRoundedAMX)}
	amx.rounded = &rounded
	kernels[isa.AMX] = &amx
}

// The assembly by blocks and length of run.
var (
	productsAVX512 = [3][8]func(*byte){
		1: {1: amd64.ProductAVX512x1x1, 2: amd64.ProductAVX512x2x1, 3: amd64.ProductAVX512x3x1, 4: amd64.ProductAVX512x4x1,
			5: amd64.ProductAVX512x5x1, 6: amd64.ProductAVX512x6x1, 7: amd64.ProductAVX512x7x1},
		2: {1: amd64.ProductAVX512x1x2, 2: amd64.ProductAVX512x2x2, 3: amd64.ProductAVX512x3x2, 4: amd64.ProductAVX512x4x2,
			5: amd64.ProductAVX512x5x2, 6: amd64.ProductAVX512x6x2, 7: amd64.ProductAVX512x7x2},
	}
	productsAVX2 = [4]func(*byte){1: amd64.ProductAVX2x1x1, 2: amd64.ProductAVX2x2x1, 3: amd64.ProductAVX2x3x1}
)

func productAVX512(p *Product, run int) { productsAVX512[p.Blocks][run](p.fill(run)) }

func productAVX2(p *Product, run int) { productsAVX2[run](p.fill(run)) }

func sumAVX512(g *Gradient, rows, blocks int) int {
	switch {
	case blocks == 2:
		amd64.GradientAVX512x8x2(g.fill())
		return 8
	case rows < 16:
		amd64.GradientAVX512x8x1(g.fill())
		return 8
	}
	amd64.GradientAVX512x16x1(g.fill())
	return 16
}

func sumAVX2(g *Gradient, _, _ int) int {
	amd64.GradientAVX2x4x1(g.fill())
	return 4
}

func gatherAVX512(dst []float32, step int, src []float32, offsets *[Lanes]int32, places []int) {
	amd64.GatherAVX512(&dst[0], step, &src[0], &offsets[0], &places[0], len(places))
}

func gatherAVX2(dst []float32, step int, src []float32, offsets *[Lanes]int32, places []int) {
	amd64.GatherAVX2(&dst[0], step, &src[0], &offsets[0], &places[0], len(places))
}
