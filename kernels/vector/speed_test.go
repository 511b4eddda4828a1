package vector

import (
	"fmt"
	"testing"

	"fovea/device/philox"
)

// BenchmarkKernels gives the speed of memory at arrays of 4 MB, which stay in caches, and of 64 MB.
func BenchmarkKernels(b *testing.B) {
	drop := NewDropout(philox.Stream{Seed: 1}, 1<<31, 2)
	for _, row := range []struct {
		name   string
		bytes  int // an element read or written
		arrays int
		do     func(k *Kernels, a [][]float32)
	}{
		{"copy", 8, 2, func(k *Kernels, a [][]float32) { copy(a[0], a[1]) }},
		{"fill", 4, 1, func(k *Kernels, a [][]float32) { k.Fill(a[0], 1) }},
		{"scale", 8, 2, func(k *Kernels, a [][]float32) { k.Scale(a[0], a[1], 2, 1) }},
		{"relu", 8, 2, func(k *Kernels, a [][]float32) { k.ReLU(a[0], a[1]) }},
		{"leaky relu", 8, 2, func(k *Kernels, a [][]float32) { k.LeakyReLU(a[0], a[1], 0.1) }},
		{"elu", 8, 2, func(k *Kernels, a [][]float32) { k.ELU(a[0], a[1], 1) }},
		{"sigmoid", 8, 2, func(k *Kernels, a [][]float32) { k.Sigmoid(a[0], a[1]) }},
		{"tanh", 8, 2, func(k *Kernels, a [][]float32) { k.Tanh(a[0], a[1]) }},
		{"exp", 8, 2, func(k *Kernels, a [][]float32) { k.Exp(a[0], a[1], 0, 1) }},
		{"add", 12, 3, func(k *Kernels, a [][]float32) { k.Add(a[0], a[1], a[2]) }},
		{"add in place", 12, 2, func(k *Kernels, a [][]float32) { k.Add(a[0], a[0], a[1]) }},
		{"div", 12, 3, func(k *Kernels, a [][]float32) { k.Div(a[0], a[1], a[2]) }},
		{"relu backward", 12, 3, func(k *Kernels, a [][]float32) { k.ReLUBackward(a[0], a[1], a[2]) }},
		{"sigmoid backward", 12, 3, func(k *Kernels, a [][]float32) { k.SigmoidBackward(a[0], a[1], a[2]) }},
		{"sum", 4, 1, func(k *Kernels, a [][]float32) { k.Sum(a[0]) }},
		{"dot", 8, 2, func(k *Kernels, a [][]float32) { k.Dot(a[0], a[1]) }},
		{"exp sum", 8, 2, func(k *Kernels, a [][]float32) { k.ExpSum(a[0], a[1], 0) }},
		{"max", 4, 1, func(k *Kernels, a [][]float32) { k.Max(a[0]) }},
		{"sum lanes", 4, 1, func(k *Kernels, a [][]float32) {
			k.SumLanes(new([Lanes]float64), a[0], len(a[0])/Lanes, Lanes, Lanes)
		}},
		{"add lanes", 8, 2, func(k *Kernels, a [][]float32) { k.AddLanes(a[0], a[1], new([Lanes]float32)) }},
		{"pack 12x12", 8, 2, func(k *Kernels, a [][]float32) { eachBlock(a, 144, func(x, y []float32) { k.Pack(x, y, Lanes) }) }},
		{"pack 56x56", 8, 2, func(k *Kernels, a [][]float32) { eachBlock(a, 56*56, func(x, y []float32) { k.Pack(x, y, Lanes) }) }},
		{"unpack 12x12", 8, 2, func(k *Kernels, a [][]float32) { eachBlock(a, 144, func(x, y []float32) { k.Unpack(x, y, Lanes) }) }},
		{"unpack 56x56", 8, 2, func(k *Kernels, a [][]float32) { eachBlock(a, 56*56, func(x, y []float32) { k.Unpack(x, y, Lanes) }) }},
		{"sgd", 12, 2, func(k *Kernels, a [][]float32) { k.SGD(a[0], a[1], &SGD{}) }},
		{"momentum", 20, 3, func(k *Kernels, a [][]float32) { k.Momentum(a[0], a[1], a[2], &SGD{}) }},
		{"rmsprop", 20, 3, func(k *Kernels, a [][]float32) { k.RMSProp(a[0], a[1], a[2], &RMSProp{Epsilon: 1}) }},
		{"adam", 28, 4, func(k *Kernels, a [][]float32) { k.Adam(a[0], a[1], a[2], a[3], &Adam{Epsilon: 1}) }},
		{"dropout", 8, 2, func(k *Kernels, a [][]float32) { k.Dropout(drop, a[0], a[1], 0) }},
		{"dropout 56x56", 8, 2, func(k *Kernels, a [][]float32) { lanewise(k, drop, a, 56*56) }},
		{"dropout 7x7", 8, 2, func(k *Kernels, a [][]float32) { lanewise(k, drop, a, 7*7) }},
	} {
		for _, size := range []int{1 << 20, 1 << 24} {
			a := make([][]float32, row.arrays)
			for i := range a {
				a[i] = make([]float32, size+1008*i)[1008*i:]
				For(0).Fill(a[i], 0.5) // pages of their own
			}
			for set, k := range kernels {
				b.Run(fmt.Sprintf("%s/%d MB/%s", row.name, size>>18, set), func(b *testing.B) {
					b.SetBytes(int64(row.bytes * size))
					for b.Loop() {
						row.do(k, a)
					}
				})
			}
		}
	}
}

func lanewise(k *Kernels, d *Dropout, a [][]float32, plane int) {
	eachBlock(a, plane, func(y, x []float32) { k.DropoutLanes(d, y, x, 0, plane) })
}

func eachBlock(a [][]float32, plane int, do func(x, y []float32)) {
	block := plane * Lanes
	for at := 0; at+block <= len(a[0]); at += block {
		do(a[0][at:at+block], a[1][at:at+block])
	}
}
