package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Statistics are the mean of each channel and either 1/sqrt(variance + epsilon), or the variance itself and epsilon.
type Statistics struct {
	Mean, Spread uint64
	Epsilon      float64
	IsVariance   bool
}

// normal is struct Normal of batchnorm.cu.
type normal struct {
	mean, spread, scale, shift uint64
	epsilon                    float32
	isVariance                 int32
}

func normalOf(s Statistics, scale, shift uint64) argument {
	n := normal{s.Mean, s.Spread, scale, shift, float32(s.Epsilon), 0}
	if s.IsVariance {
		n.isVariance = 1
	}
	return arg(n)
}

// finishing is struct Finish of batchnorm.cu.
type finishing struct {
	elements, perBlock        int64
	stretches, channels       int32
	epsilon, momentum, unbias float32
}

// slopes is struct Slopes of batchnorm.cu.
type slopes struct {
	dscale, dshift uint64
	share          float32
}

// BatchNormStatistics finds mean and invStd of x and moves the running statistics (none if runningMean is 0).
func BatchNormStatistics(mean, invStd, runningMean, runningVar, x, space uint64, shape tensor.Shape, s device.BatchNormSpec, t Type) []Launch {
	outer, channels, inner := lies(shape)
	m := outer * inner
	f := finishing{elements: int64(m), channels: int32(channels), epsilon: float32(s.Epsilon), momentum: float32(s.Momentum), unbias: float32(float64(m) / float64(m-1))}
	var first Launch
	if inner == 1 {
		g, grid, pack := sumColumns(outer, channels, t)
		f.perBlock, f.stretches = g.perBlock, int32(grid[0])
		first = launch(name("batchnorm_columns", pack, t), grid, pointer(space), pointer(x), arg(g))
	} else {
		g, grid := sumRows(outer, channels, inner)
		f.perBlock, f.stretches = g.perBlock, int32(grid[0])
		first = launch(name("batchnorm_rows", "", t), grid, pointer(space), pointer(x), arg(g))
	}
	return []Launch{first, launch("batchnorm_finish", [2]int{ceil(channels, 8), 1},
		pointer(mean), pointer(invStd), pointer(runningMean), pointer(runningVar), pointer(space), arg(f))}
}

// BatchNormSpace is the workspace of BatchNormStatistics and of BatchNormGradients.
func BatchNormSpace(shape tensor.Shape, t Type) int {
	outer, channels, inner := lies(shape)
	if inner == 1 {
		_, grid, _ := sumColumns(outer, channels, t)
		return 2 * 4 * channels * grid[0]
	}
	_, grid := sumRows(outer, channels, inner)
	return 2 * 4 * channels * grid[0]
}

// BatchNormApply: y = scale*(x - mean)*invStd + shift, plus residual (or 0), with ReLU after that if wanted.
func BatchNormApply(y, x, residual uint64, s Statistics, scale, shift uint64, shape tensor.Shape, relu bool, t Type) Launch {
	outer, channels, inner := lies(shape)
	args := []argument{pointer(y), pointer(x), pointer(residual)}
	if inner == 1 {
		g, grid, pack := mapColumns(outer, channels, t)
		return launch(name("batchnorm_apply_columns", pack, t), grid, append(args, arg(g), normalOf(s, scale, shift), flag(relu))...)
	}
	n := device.Size(shape)
	return launch(name("batchnorm_apply", "", t), t.packs(n), append(args, arg(channelsOf{int64(n), int64(inner), int32(channels)}), normalOf(s, scale, shift), flag(relu))...)
}

// BatchNormGradients: dshift = sum dy, dscale = sum dy*xhat. With y given (else 0), the output after ReLU, dy counts only
// where y is above 0.
func BatchNormGradients(dscale, dshift, dy, x, y, space uint64, s Statistics, shape tensor.Shape, t Type) []Launch {
	outer, channels, inner := lies(shape)
	args := []argument{pointer(space), pointer(dy), pointer(x), pointer(y)}
	var first Launch
	if inner == 1 {
		g, grid, pack := sumColumns(outer, channels, t)
		first = launch(name("batchnorm_sums_columns", pack, t), grid, append(args, arg(g), normalOf(s, 0, 0))...)
	} else {
		g, grid := sumRows(outer, channels, inner)
		first = launch(name("batchnorm_sums_rows", "", t), grid, append(args, arg(g), normalOf(s, 0, 0))...)
	}
	return []Launch{first, launch("batchnorm_gradients", [2]int{ceil(channels, 8), 1},
		pointer(dscale), pointer(dshift), pointer(space), integer(int(first.Grid[0])), integer(channels))}
}

// BatchNormInput writes dx, given what BatchNormGradients wrote; with dscale and dshift 0 the statistics are constants. y as
// there; dresidual (or 0) receives dy where y is above 0, the gradient of what was added.
func BatchNormInput(dx, dresidual, dy, x, y uint64, s Statistics, scale, dscale, dshift uint64, shape tensor.Shape, t Type) Launch {
	outer, channels, inner := lies(shape)
	args := []argument{pointer(dx), pointer(dresidual), pointer(dy), pointer(x), pointer(y)}
	extra := []argument{normalOf(s, scale, 0), arg(slopes{dscale, dshift, 1 / float32(outer*inner)})}
	if inner == 1 {
		g, grid, pack := mapColumns(outer, channels, t)
		return launch(name("batchnorm_input_columns", pack, t), grid, append(append(args, arg(g)), extra...)...)
	}
	n := device.Size(shape)
	return launch(name("batchnorm_input", "", t), t.packs(n), append(append(args, arg(channelsOf{int64(n), int64(inner), int32(channels)})), extra...)...)
}

// BatchNormFold makes weights and bias of a convolution that is the one with w [maps, ...] and b (0 for none) and, after it, the
// normalisation with given statistics. w and b are float32, what is made of them is of type t.
func BatchNormFold(weights, bias, w, b uint64, s Statistics, scale, shift uint64, shape tensor.Shape, t Type) Launch {
	g := channelsOf{int64(device.Size(shape)), int64(device.Size(shape[1:])), int32(shape[0])}
	return launch(name("batchnorm_fold", "", t), t.packs(int(g.elements)), pointer(weights), pointer(bias), pointer(w), pointer(b), arg(g), normalOf(s, scale, shift))
}
