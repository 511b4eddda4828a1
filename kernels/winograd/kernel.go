package winograd

import (
	"fmt"
	"math"

	"fovea/kernels/isa"
)

const (
	// Lanes is the number of channels in a block.
	Lanes = 16
	// Coefficients is how many a tile has.
	Coefficients = 36
	// Tile is the height and width of a tile of the output; a tile of the input has 2 more.
	Tile = 4
	// Taps is the number of weights in a window.
	Taps = 9
)

// Kernel is the transforms for one instruction set. Its methods panic where a slice is too short.
type Kernel struct {
	Set isa.Set
	// The transforms to coefficients, of tiles inside of the map and of one at its rim.
	input, gradient       func(tiles int, v []float32, stride int, x []float32, row int)
	rimInput, rimGradient func(v []float32, stride int, x []float32, offset, row int, inside *[12]uint32)
	output                func(tiles int, y []float32, row int, m []float32, stride int, epilogue *Epilogue, add []float32)
	weights               func(count int, u []float32, stride, step int, w []float32, first, lane, tap, next, lanes int)
	weightsGradient       func(count int, dw, u []float32, stride, step int)

	inside [2 * (Tile + 2)]uint32 // which rows and columns of a tile are in the map
	pixels [Tile * Tile * Lanes]float32
}

var kernels = map[isa.Set]*Kernel{isa.Generic: {Set: isa.Generic, input: genericInput, gradient: genericGradient,
	rimInput: genericRimInput, rimGradient: genericRimGradient, output: genericOutput, weights: genericWeights,
	weightsGradient: genericWeightsGradient}}

// For returns the transforms for an instruction set that this machine has, for one goroutine.
func For(set isa.Set) *Kernel {
	k := *kernels[set.Vectors()]
	return &k
}

// Map is a block of channels of one image: pixel (h, w) is Data[(h*Width+w)*Lanes:][:Lanes]. Methods are given where it lies, as
// package maps says of Windows.
type Map struct {
	Data          []float32
	Height, Width int
}

// Input transforms a row of tiles of 6x6 pixels, B^T d B. Tile t begins at row top and column left+4*t, and pixels outside of
// the map are 0. Its coefficient i goes to v[i*stride+t*Lanes:].
func (k *Kernel) Input(v []float32, stride int, x *Map, top, left, tiles int) {
	x.toTiles(v, stride, top, left, tiles, Tile+2, k.input, k.rimInput, &k.inside)
}

// Gradient transforms a row of tiles of 4x4 pixels in the same way, A dy A^T: the transpose of Output.
func (k *Kernel) Gradient(v []float32, stride int, dy *Map, top, left, tiles int) {
	dy.toTiles(v, stride, top, left, tiles, Tile, k.gradient, k.rimGradient, &k.inside)
}

func (x *Map) toTiles(v []float32, stride, top, left, tiles, size int, inner func(tiles int, v []float32, stride int, x []float32, row int),
	rim func(v []float32, stride int, x []float32, offset, row int, inside *[12]uint32), inside *[12]uint32) {
	if tiles <= 0 {
		return
	}
	_, _ = v[(Coefficients-1)*stride+tiles*Lanes-1], x.Data[:x.Height*x.Width*Lanes]
	row := x.Width * Lanes
	// Tiles [first, last) lie inside.
	first := min(tiles, max(0, (Tile-1-left)/Tile))
	last := max(first, min(tiles, (x.Width-size-left+Tile)/Tile))
	if top < 0 || top+size > x.Height || x.Width-size-left < 0 {
		first, last = tiles, tiles
	}
	if first < last {
		at := (top*x.Width + left + first*Tile) * Lanes
		inner(last-first, v[first*Lanes:], stride, x.Data[at:at+((size-1)*x.Width+(last-first-1)*Tile+size)*Lanes], row)
	}
	for i := range size {
		inside[i] = all(top+i >= 0 && top+i < x.Height)
	}
	for t := range tiles {
		if t >= first && t < last {
			continue
		}
		column := left + t*Tile
		for j := range size {
			inside[6+j] = all(column+j >= 0 && column+j < x.Width)
		}
		rim(v[t*Lanes:], stride, x.Data, (top*x.Width+column)*Lanes, row, inside)
	}
}

func all(inside bool) uint32 {
	if inside {
		return ^uint32(0)
	}
	return 0
}

// Epilogue is what Output does to a block of channels: add a bias, and set what is below a floor to it.
type Epilogue [2 * Lanes]float32

// NewEpilogue takes up to 16 biases, or nil.
func NewEpilogue(bias []float32, relu bool) (e Epilogue) {
	copy(e[:Lanes], bias)
	for i := range Lanes {
		if !relu {
			e[Lanes+i] = float32(math.Inf(-1))
		}
	}
	return e
}

// Output transforms a row of tiles back, A^T m A, and adds a map laid out as y unless that is nil: coefficient i of tile t is
// m[i*stride+t*Lanes:], its pixels begin at row top and column left+4*t, and those outside of the map are left out. The map
// to add may be y.
func (k *Kernel) Output(y *Map, top, left, tiles int, m []float32, stride int, e *Epilogue, add []float32) {
	if tiles <= 0 {
		return
	}
	if top < 0 || top >= y.Height || left < 0 || left+(tiles-1)*Tile >= y.Width {
		panic(fmt.Sprintf("winograd: %d tiles from (%d, %d) on do not begin in a map of %dx%d", tiles, top, left, y.Height, y.Width))
	}
	_, _ = m[(Coefficients-1)*stride+tiles*Lanes-1], y.Data[:y.Height*y.Width*Lanes]
	if add != nil {
		_ = add[y.Height*y.Width*Lanes-1]
	}
	row := y.Width * Lanes
	whole := 0
	if top+Tile <= y.Height {
		whole = min(tiles, (y.Width-left)/Tile)
	}
	at := (top*y.Width + left) * Lanes
	if whole > 0 {
		var other []float32
		if add != nil {
			other = add[at:]
		}
		k.output(whole, y.Data[at:], row, m, stride, e, other)
	}
	pixels := k.pixels[:]
	var other []float32
	for t := whole; t < tiles; t++ {
		line := at + t*Tile*Lanes
		high, wide := min(Tile, y.Height-top), min(Tile, y.Width-left-t*Tile)*Lanes
		if add != nil {
			other = pixels
			for i := range high {
				copy(other[i*Tile*Lanes:], add[line+i*row:][:wide])
			}
		}
		k.output(1, pixels, Tile*Lanes, m[t*Lanes:], stride, e, other)
		for i := range high {
			copy(y.Data[line+i*row:][:wide], pixels[i*Tile*Lanes:])
		}
	}
}

// Windows says where the windows of 3x3 weights are that become the lanes of vectors: tap k of lane l of vector n is number
// l*Lane + k*Tap + n*Next from the first one's first tap. Lanes (1 to 16) are those there are; the others are 0.
type Windows struct {
	Lane, Tap, Next, Lanes int
}

// Weights transforms count vectors of windows, G g G^T. Coefficient i of vector n goes to u[i*stride+n*step:]. first is
// where in w the first tap of the first window is.
func (k *Kernel) Weights(u []float32, stride, step int, w []float32, first int, s Windows, count int) {
	if count <= 0 {
		return
	}
	last := first + (s.Lanes-1)*s.Lane + (count-1)*s.Next
	_, _, _, _, _ = u[(Coefficients-1)*stride+(count-1)*step+Lanes-1], w[first], w[first+(Taps-1)*s.Tap], w[last], w[last+(Taps-1)*s.Tap]
	if s.Lanes < 1 || s.Lanes > Lanes {
		panic(fmt.Sprintf("winograd: %d lanes, expected 1 to %d", s.Lanes, Lanes))
	}
	k.weights(count, u, stride, step, w, first, s.Lane, s.Tap, s.Next, s.Lanes)
}

// WeightsGradient is the transpose of Weights, G^T u G: tap k of lane l of vector n is dw[(n*Taps+k)*Lanes+l].
func (k *Kernel) WeightsGradient(dw, u []float32, stride, step, count int) {
	if count <= 0 {
		return
	}
	_, _ = dw[count*Taps*Lanes-1], u[(Coefficients-1)*stride+(count-1)*step+Lanes-1]
	k.weightsGradient(count, dw, u, stride, step)
}
