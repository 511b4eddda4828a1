package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// reduction is struct Reduction of reduce.cu.
type reduction struct {
	kept, keptStride     [mostAxes]int64
	summed, summedStride [mostAxes]int64
	results, elements    int64
	perSegment           int64
	segments, lanes      int32
}

// reduce plans the sum of x over the axes in which y has 1 and x has more.
func reduce(y, x tensor.Shape) (g reduction, grid [2]int, kernel string, err error) {
	step := strides(x)
	var kept, summed []axis
	inner := false // the innermost axis is summed
	for _, i := range inMemory(len(x)) {
		at := axis{extent: x[i], a: step[i]}
		if x[i] == 1 {
			continue
		}
		inner = y[i] == 1
		if inner {
			summed = append(summed, at)
		} else {
			kept = append(kept, at)
		}
	}
	k, err := boxOf("reduce_sum", collapse(kept))
	if err != nil {
		return g, grid, "", err
	}
	s, err := boxOf("reduce_sum", collapse(summed))
	if err != nil {
		return g, grid, "", err
	}
	results, elements := device.Size(y), 1
	for _, at := range summed {
		elements *= at.extent
	}
	lanes, together, kernel := 8, 32, "reduce_outer" // threads on a result, results of a block
	if inner {
		lanes, together, kernel = 32, 8, "reduce_inner"
		if elements >= 1024 {
			lanes, together = threads, 1
		}
	}
	blocks := max(ceil(results, together), 1)
	segments := max(1, min(enough/blocks, elements/(8*lanes)))
	perSegment := max(ceil(elements, segments), 1)
	segments = max(ceil(elements, perSegment), 1)
	g = reduction{k.extent, k.a, s.extent, s.a, int64(results), int64(elements), int64(perSegment), int32(segments), int32(lanes)}
	return g, [2]int{ceil(results, together), segments}, kernel, nil
}

// ReduceSum: y = factor * sum of x over the axes in which y has 1 and x has more. xt is x's type and yt y's, float if they differ.
func ReduceSum(y, x, space uint64, yShape, xShape tensor.Shape, factor float64, yt, xt Type) ([]Launch, error) {
	if yt == xt && device.EqualShape(yShape, xShape) {
		return []Launch{Scale(y, x, device.Size(xShape), factor, 0, xt)}, nil
	}
	g, grid, kernel, err := reduce(yShape, xShape)
	if err != nil {
		return nil, err
	}
	kernel += "_" + xt.String()
	if yt != xt {
		kernel += "_" + yt.String()
	}
	first := launch(kernel, grid, pointer(y), pointer(space), pointer(x), arg(g), float(factor))
	if g.segments == 1 {
		return []Launch{first}, nil
	}
	return []Launch{first, finish(y, space, int(g.results), int(g.segments), factor, yt)}, nil
}

// ReduceSumSpace is the workspace of ReduceSum.
func ReduceSumSpace(yShape, xShape tensor.Shape) int {
	g, _, _, err := reduce(yShape, xShape)
	if err != nil || g.segments == 1 {
		return 0
	}
	return 4 * int(g.results) * int(g.segments)
}

// finish adds up partial sums [segments, results].
func finish(y, partial uint64, results, segments int, factor float64, t Type) Launch {
	return launch(name("reduce_finish", "", t), [2]int{ceil(results, 8), 1}, pointer(y), pointer(partial), long(results), long(segments), float(factor))
}

// sumAll adds up n partial sums to one number, or onto it.
func sumAll(y, partial uint64, n int, factor float64, accumulate bool) Launch {
	return launch("sum_all", [2]int{1, 1}, pointer(y), pointer(partial), long(n), float(factor), flag(accumulate))
}

// SumChannels: db[c] = sum over all other axes of dy[n,c,...]; db is float32.
func SumChannels(db, dy, space uint64, shape tensor.Shape, t Type) ([]Launch, error) {
	outer, channels, inner := lies(shape)
	if inner != 1 {
		return ReduceSum(db, dy, space, tensor.Shape{1, channels, 1}, tensor.Shape{outer, channels, inner}, 1, F32, t)
	}
	g, grid, pack := sumColumns(outer, channels, t)
	return []Launch{
		launch(name("sum_columns", pack, t), grid, pointer(space), pointer(dy), arg(g)),
		finish(db, space, channels, grid[0], 1, F32),
	}, nil
}

// SumChannelsSpace is the workspace of SumChannels.
func SumChannelsSpace(shape tensor.Shape, t Type) int {
	outer, channels, inner := lies(shape)
	if inner != 1 {
		return ReduceSumSpace(tensor.Shape{1, channels, 1}, tensor.Shape{outer, channels, inner})
	}
	_, grid, _ := sumColumns(outer, channels, t)
	return 4 * channels * grid[0]
}
