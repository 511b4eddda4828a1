package winograd

import (
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

func init() {
	kernels[isa.AVX512] = &Kernel{
		Set:             isa.AVX512,
		input:           inner(amd64.WinogradInputAVX512),
		gradient:        inner(amd64.WinogradGradientAVX512),
		rimInput:        rim(amd64.WinogradRimInputAVX512),
		rimGradient:     rim(amd64.WinogradRimGradientAVX512),
		output:          output(amd64.WinogradOutputAVX512, amd64.WinogradOutputAddAVX512),
		weights:         weights(amd64.WinogradWeightsAVX512),
		weightsGradient: weightsGradient(amd64.WinogradWeightsGradientAVX512),
	}
	kernels[isa.AVX2] = &Kernel{
		Set:             isa.AVX2,
		input:           inner(amd64.WinogradInputAVX2),
		gradient:        inner(amd64.WinogradGradientAVX2),
		rimInput:        rim(amd64.WinogradRimInputAVX2),
		rimGradient:     rim(amd64.WinogradRimGradientAVX2),
		output:          output(amd64.WinogradOutputAVX2, amd64.WinogradOutputAddAVX2),
		weights:         weights(amd64.WinogradWeightsAVX2),
		weightsGradient: weightsGradient(amd64.WinogradWeightsGradientAVX2),
	}
}

// The lengths are checked by the methods of Kernel.

func inner(do func(tiles int, v *float32, stride int, x *float32, row int)) func(int, []float32, int, []float32, int) {
	return func(tiles int, v []float32, stride int, x []float32, row int) { do(tiles, &v[0], stride, &x[0], row) }
}

func rim(do func(v *float32, stride int, x *float32, offset, row int, inside *uint32)) func([]float32, int, []float32, int, int, *[12]uint32) {
	return func(v []float32, stride int, x []float32, offset, row int, inside *[12]uint32) {
		do(&v[0], stride, &x[0], offset, row, &inside[0])
	}
}

func output(do func(tiles int, y *float32, row int, m *float32, stride int, epilogue *float32),
	adding func(tiles int, y *float32, row int, m *float32, stride int, epilogue, add *float32)) func(int, []float32, int, []float32, int, *Epilogue, []float32) {
	return func(tiles int, y []float32, row int, m []float32, stride int, e *Epilogue, add []float32) {
		if add == nil {
			do(tiles, &y[0], row, &m[0], stride, &e[0])
		} else {
			adding(tiles, &y[0], row, &m[0], stride, &e[0], &add[0])
		}
	}
}

func weights(do func(count int, u *float32, stride, step int, w *float32, lane, tap, next, lanes int)) func(int, []float32, int, int, []float32, int, int, int, int, int) {
	return func(count int, u []float32, stride, step int, w []float32, first, lane, tap, next, lanes int) {
		do(count, &u[0], stride, step, &w[first], lane, tap, next, lanes)
	}
}

func weightsGradient(do func(count int, dw *float32, u *float32, stride, step int)) func(int, []float32, []float32, int, int) {
	return func(count int, dw, u []float32, stride, step int) { do(count, &dw[0], &u[0], stride, step) }
}
