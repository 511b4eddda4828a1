package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func rearrangeRows() []Row {
	reshape := func(x, to shape) error { return refuse(device.ReshapeShape(x, to)) }
	slice := func(start, end []int) error { return refuse(device.SliceOutput(shape{2, 5}, start, end)) }
	concat := func(axis int, s ...shape) error { return refuse(device.ConcatOutput(s, axis)) }
	rows := []Row{{
		Op: "reshape",
		Cases: []Case{
			reshapeCase(shape{2, 3, 4, 5}, shape{2, 60}), reshapeCase(shape{2, 60}, shape{2, 3, 4, 5}), reshapeCase(shape{6}, shape{6}),
			reshapeCase(shape{1, 1}, shape{}), reshapeCase(shape{}, shape{1, 1, 1, 1}), reshapeCase(shape{0, 3}, shape{3, 0, 2}),
			reshapeCase(shape{2, 17, 3, 5}, shape{5, 34, 3}), reshapeCase(shape{33, 15, 17}, shape{17, 33, 5, 3}),
			reshapeCase(shape{2, 32, 3, 5}, shape{2, 480}), reshapeCase(shape{2, 480}, shape{2, 32, 3, 5}), reshapeCase(shape{2, 32, 3, 5}, shape{2, 16, 6, 5}),
			reshapeCase(shape{1, 16, 4, 4}, shape{1, 16, 2, 8}), reshapeCase(shape{3, 17, 1, 1}, shape{3, 17}), reshapeCase(shape{3, 17, 1, 2}, shape{3, 17, 2, 1}),
		},
		Over: over(2, func(src *philox.Source, x shape) Case {
			if len(x) == 2 {
				side := divisor(src, x[1], 2, 3, 4)
				return reshapeCase(x, shape{x[0], x[1] / side, side, 1})
			}
			return reshapeCase(x, shape{x[0], device.Size(x[1:])})
		}),
		Errors: []Refusal{
			{"another size", reshape(shape{2, 3}, shape{2, 4})}, {"two free sizes", reshape(shape{2, 3}, shape{-1, -1})},
			{"a size below -1", reshape(shape{2, 3}, shape{-2, 3})}, {"a free size that does not divide", reshape(shape{2, 3}, shape{4, -1})},
			{"a free size beside nothing", reshape(shape{0, 3}, shape{0, -1})},
		},
	}, {
		Op: "copy_region",
		Cases: []Case{
			regionCase(shape{4, 5}, shape{4, 5}, []int{0, 0}, []int{0, 0}, []int{4, 5}),
			regionCase(shape{4, 5}, shape{3, 4}, []int{1, 1}, []int{0, 0}, []int{3, 4}),
			regionCase(shape{3, 4}, shape{5, 6}, []int{0, 0}, []int{2, 1}, []int{3, 4}),
			regionCase(shape{2, 5, 7, 7}, shape{2, 3, 5, 5}, []int{0, 1, 2, 1}, []int{0, 0, 0, 0}, []int{2, 3, 5, 5}),
			regionCase(shape{2, 7, 3, 3}, shape{2, 9, 3, 3}, []int{0, 2, 0, 0}, []int{0, 4, 0, 0}, []int{2, 5, 3, 3}),
			regionCase(shape{9}, shape{5}, []int{3}, []int{1}, []int{4}),
			regionCase(shape{}, shape{}, []int{}, []int{}, []int{}),
			regionCase(shape{3, 4}, shape{3, 4}, []int{0, 0}, []int{0, 0}, []int{0, 4}),
			regionCase(shape{3, 4}, shape{3, 0}, []int{0, 4}, []int{0, 0}, []int{3, 0}),
			regionCase(shape{2, 2, 2, 2, 3}, shape{2, 3, 2, 2, 4}, []int{0, 0, 1, 0, 1}, []int{1, 1, 0, 0, 2}, []int{1, 2, 1, 2, 2}),
			regionCase(shape{1, 40, 25, 25}, shape{1, 33, 23, 25}, []int{0, 5, 1, 0}, []int{0, 0, 0, 0}, []int{1, 33, 23, 25}),
			regionCase(shape{2, 48, 3, 5}, shape{2, 16, 3, 5}, []int{0, 16, 0, 0}, []int{0, 0, 0, 0}, []int{2, 16, 3, 5}),
			regionCase(shape{2, 48, 3, 5}, shape{2, 31, 3, 5}, []int{0, 16, 0, 0}, []int{0, 0, 0, 0}, []int{2, 31, 3, 5}),
			regionCase(shape{2, 33, 3, 5}, shape{2, 17, 3, 5}, []int{0, 16, 0, 0}, []int{0, 0, 0, 0}, []int{2, 17, 3, 5}),
			regionCase(shape{2, 16, 3, 5}, shape{2, 48, 3, 5}, []int{0, 0, 0, 0}, []int{0, 32, 0, 0}, []int{2, 16, 3, 5}),
			regionCase(shape{2, 40, 3, 5}, shape{2, 16, 3, 5}, []int{0, 8, 0, 0}, []int{0, 0, 0, 0}, []int{2, 16, 3, 5}),
			regionCase(shape{2, 16, 3, 5}, shape{2, 48, 3, 5}, []int{0, 0, 0, 0}, []int{0, 17, 0, 0}, []int{2, 16, 3, 5}),
			regionCase(shape{2, 32, 5, 7}, shape{2, 32, 3, 5}, []int{0, 0, 1, 1}, []int{0, 0, 0, 0}, []int{2, 32, 3, 5}),
			regionCase(shape{3, 16, 3, 4}, shape{3, 32, 5, 6}, []int{1, 0, 0, 1}, []int{0, 16, 2, 3}, []int{2, 16, 3, 3}),
		},
		Over: over(4, func(src *philox.Source, from shape) Case {
			dst := wide(src)
			dst[1] = 16 * between(src, 1, 3)
			step := 1
			if from[1]%16 == 0 {
				step = pick(src, 16, 16, 1) // cuts between blocks, mostly
			}
			to, at, extent := make([]int, 4), make([]int, 4), make([]int, 4)
			for axis := range 4 {
				unit := 1
				if axis == 1 {
					unit = step
				}
				extent[axis] = unit * between(src, 1, min(from[axis], dst[axis])/unit)
				at[axis] = unit * src.Intn((from[axis]-extent[axis])/unit+1)
				to[axis] = unit * src.Intn((dst[axis]-extent[axis])/unit+1)
			}
			return regionCase(dst, from, to, at, extent)
		}),
		Draw: func(src *philox.Source) Case {
			var dst, from shape
			var toAt, fromAt, extent []int
			for range between(src, 1, 4) {
				n, low, skip := between(src, 1, 6), src.Intn(4), src.Intn(4)
				dst, from = append(dst, low+n+src.Intn(3)), append(from, skip+n+src.Intn(3))
				toAt, fromAt, extent = append(toAt, low), append(fromAt, skip), append(extent, n)
			}
			return regionCase(dst, from, toAt, fromAt, extent)
		},
		Errors: []Refusal{
			{"slice, rank of start", slice([]int{0}, []int{2, 5})}, {"slice, rank of end", slice([]int{0, 0}, []int{2})},
			{"slice, start below 0", slice([]int{0, -1}, []int{2, 5})}, {"slice, end beyond the size", slice([]int{0, 0}, []int{3, 5})},
			{"slice, end before start", slice([]int{0, 3}, []int{2, 2})},
			{"pad, rank 2", refuse(device.PadOutput(shape{2, 3}, device.Pad(1)))},
			{"pad, below 0", refuse(device.PadOutput(shape{2, 3, 4, 4}, device.Padding{Left: -1}))},
			{"concat, nothing", concat(0)}, {"concat, axis beyond the rank", concat(2, shape{2, 3})}, {"concat, axis below 0", concat(-1, shape{2, 3})},
			{"concat, another axis differs", concat(1, shape{2, 3}, shape{3, 3})}, {"concat, ranks that differ", concat(0, shape{2, 3}, shape{2})},
			{"concat, a later operand of higher rank", concat(0, shape{2}, shape{2, 3})},
		},
	}}
	for _, s := range []device.UpsampleSpec{{}, {Bilinear: true}, {Bilinear: true, AlignCorners: true}} {
		rows = append(rows, upsampleRow(s))
	}
	return rows
}

// reshapeCase copies what Reshape gives, all of it, so that its result is read as the new shape.
func reshapeCase(x, to shape) Case {
	return Case{Name: fmt.Sprintf("%v to %v", x, to), Operands: []Operand{in("x", x, specials), out("y", to)}, Calls: []Call{
		{Method: "Reshape", Writes: []string{"y"}, Tolerance: moved, Do: func(d device.Device, t Tensors) error {
			view, err := d.Reshape(t["x"], to)
			if err != nil {
				return err
			}
			defer view.Release()
			if !device.EqualShape(view.Shape, to) {
				return fmt.Errorf("the result has shape %v", view.Shape)
			}
			start := make([]int, len(to))
			return d.CopyRegion(t["y"], start, view, start, to)
		}},
	}}
}

func regionCase(dst, src shape, to, from, extent []int) Case {
	return Case{Name: fmt.Sprintf("%v from %v to %v", extent, from, to),
		Operands: []Operand{in("dst", dst, usual), in("src", src, specials)}, Calls: []Call{
			{Method: "CopyRegion", Writes: []string{"dst"}, Tolerance: moved, Do: func(d device.Device, t Tensors) error {
				return d.CopyRegion(t["dst"], to, t["src"], from, extent)
			}},
		}}
}

func upsampleRow(s device.UpsampleSpec) Row {
	op := "upsample nearest"
	if s.Bilinear {
		op = "upsample bilinear"
	}
	if s.AlignCorners {
		op += ", corners aligned"
	}
	refused := func(x shape, height, width int) error { return refuse(s.Output(x, [2]int{height, width})) }
	cases := []Case{
		upsampleCase("twice", shape{2, 3, 4, 5}, [2]int{8, 10}, s),
		upsampleCase("same size", shape{1, 2, 3, 4}, [2]int{3, 4}, s),
		upsampleCase("odd factors", shape{1, 1, 3, 5}, [2]int{7, 8}, s),
		upsampleCase("smaller", shape{2, 2, 9, 7}, [2]int{4, 3}, s),
		upsampleCase("to one pixel", shape{1, 2, 4, 5}, [2]int{1, 1}, s),
		upsampleCase("from one pixel", shape{1, 2, 1, 1}, [2]int{3, 4}, s),
		upsampleCase("higher but narrower", shape{1, 13, 3, 9}, [2]int{10, 4}, s),
		upsampleCase("17 maps of 13x15", shape{1, 17, 13, 15}, [2]int{31, 33}, s),
		upsampleCase("no images", shape{0, 2, 3, 3}, [2]int{6, 6}, s),
		upsampleCase("16 maps, twice", shape{2, 16, 3, 5}, [2]int{6, 10}, s),
	}
	if !s.Bilinear {
		c := upsampleCase("NaN and infinities", shape{1, 2, 5, 5}, [2]int{9, 9}, s)
		c.Operands[0].Draw, c.Operands[2].Draw = specials, strewn(usual, nan, inf)
		c.Kink = "infinite values have no differences"
		cases = append(cases, c)
	}
	return Row{
		Op:    op,
		Cases: cases,
		Over: over(4, func(src *philox.Source, x shape) Case {
			return upsampleCase("wide, random", x, [2]int{between(src, 1, 13), between(src, 1, 13)}, s)
		}),
		Draw: func(src *philox.Source) Case {
			return upsampleCase("random", shape{between(src, 1, 3), between(src, 1, 9), between(src, 1, 9), between(src, 1, 9)}, [2]int{between(src, 1, 19), between(src, 1, 19)}, s)
		},
		Errors: []Refusal{
			{"rank 3", refused(shape{3, 4, 4}, 8, 8)}, {"to nothing", refused(shape{1, 3, 4, 4}, 0, 8)},
			{"from nothing", refused(shape{1, 3, 4, 0}, 8, 8)}, {"to a size below 0", refused(shape{1, 3, 4, 4}, 8, -1)},
		},
	}
}

func upsampleCase(name string, x shape, size [2]int, s device.UpsampleSpec) Case {
	y := must(s.Output(x, size))
	forward := moved
	if s.Bilinear {
		forward = Tolerance{}
	}
	return Case{Name: fmt.Sprintf("%s, to %v", name, size), Operands: []Operand{in("x", x, usual), out("y", y), in("dy", y, usual), out("dx", x)}, Calls: []Call{
		{Method: "Upsample", Writes: []string{"y"}, Tolerance: forward, Do: func(d device.Device, t Tensors) error {
			return d.Upsample(t["y"], t["x"], s)
		}},
		{Method: "UpsampleBackward", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
			return d.UpsampleBackward(t["dx"], t["dy"], s)
		}},
	}}
}
