package maps

import (
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

// assembly is the functions of one instruction set as the assembly has them.
type assembly struct {
	largest, smallest func(y, x *float32, count, rows, cols, line, step int)
	choose            func(y, chosen, x *float32, count, rows, cols, line, step int)
	winner            func(dx, dy, x, y *float32, count, rows, cols, line, step int)
	give              func(dx, dy, chosen *float32, count, rows, cols, line, step int)
	sum, spread       func(to, from *float32, count, rows, cols, line, step int, factor float32)
	moments           func(state *float64, x *float32, pixels int, share, before, weight float64)
	sums              func(state *float64, dy, x, y, mean *float32, pixels int)
	apply             func(y, x, residual, constants *float32, floor float32, pixels int)
	gradient          func(dx, dresidual, dy, x, y, constants *float32, pixels int)
}

func init() {
	kernels[isa.AVX512] = assembly{amd64.MaxPoolAVX512, amd64.MinPoolAVX512, amd64.PoolChooseAVX512, amd64.PoolWinnerAVX512, amd64.PoolGiveAVX512,
		amd64.PoolSumAVX512, amd64.PoolSpreadAVX512,
		amd64.NormMomentsAVX512, amd64.NormSumsAVX512, amd64.NormApplyAVX512, amd64.NormGradientAVX512}.kernels()
	kernels[isa.AVX2] = assembly{amd64.MaxPoolAVX2, amd64.MinPoolAVX2, amd64.PoolChooseAVX2, amd64.PoolWinnerAVX2, amd64.PoolGiveAVX2,
		amd64.PoolSumAVX2, amd64.PoolSpreadAVX2,
		amd64.NormMomentsAVX2, amd64.NormSumsAVX2, amd64.NormApplyAVX2, amd64.NormGradientAVX2}.kernels()
}

// kernels gives the assembly addresses; the lengths of all slices were checked when they were cut, and none is empty.
func (a assembly) kernels() *Kernels {
	extreme := func(do func(y, x *float32, count, rows, cols, line, step int)) func(y, x []float32, w *Windows) {
		return func(y, x []float32, w *Windows) { do(&y[0], &x[0], w.Count, w.Rows, w.Cols, w.Line, w.Step) }
	}
	return &Kernels{
		largest: extreme(a.largest), smallest: extreme(a.smallest),
		choose: func(y, chosen, x []float32, w *Windows) {
			a.choose(&y[0], &chosen[0], &x[0], w.Count, w.Rows, w.Cols, w.Line, w.Step)
		},
		winner: func(dx, dy, x, y []float32, w *Windows) {
			a.winner(&dx[0], &dy[0], &x[0], &y[0], w.Count, w.Rows, w.Cols, w.Line, w.Step)
		},
		give: func(dx, dy, chosen []float32, w *Windows) {
			a.give(&dx[0], &dy[0], &chosen[0], w.Count, w.Rows, w.Cols, w.Line, w.Step)
		},
		sum: func(y, x []float32, w *Windows, factor float32) {
			a.sum(&y[0], &x[0], w.Count, w.Rows, w.Cols, w.Line, w.Step, factor)
		},
		spread: func(dx, dy []float32, w *Windows, factor float32) {
			a.spread(&dx[0], &dy[0], w.Count, w.Rows, w.Cols, w.Line, w.Step, factor)
		},
		moments: func(state *State, count int, x []float32) {
			n, before, weight := float64(len(x)/Lanes), 0.0, 0.0
			if c := float64(count); count > 0 {
				before, weight = 1/c, c*n/(c+n)
			}
			a.moments(&state[0], &x[0], len(x)/Lanes, 1/n, before, weight)
		},
		sums: func(state *State, dy, x, y []float32, mean *[Lanes]float32) {
			a.sums(&state[0], &dy[0], &x[0], first(y), &mean[0], len(x)/Lanes)
		},
		apply: func(y, x, residual []float32, c *Affine, floor float32) {
			a.apply(&y[0], &x[0], first(residual), &c[0], floor, len(x)/Lanes)
		},
		gradient: func(dx, dresidual, dy, x, y []float32, c *Slopes) {
			a.gradient(&dx[0], first(dresidual), &dy[0], &x[0], first(y), &c[0], len(x)/Lanes)
		},
	}
}

// first is a slice's address, nil for none.
func first(x []float32) *float32 {
	if x == nil {
		return nil
	}
	return &x[0]
}
