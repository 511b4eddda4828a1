package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func poolRows() []Row {
	return []Row{poolRow(device.MaxPool), poolRow(device.MinPool), poolRow(device.AveragePool)}
}

func poolRow(kind device.PoolKind) Row {
	spec := func(height, width, stride int, p device.Padding) device.PoolSpec {
		return device.PoolSpec{Kind: kind, Window: [2]int{height, width}, Stride: [2]int{stride, stride}, Padding: p}.Normal()
	}
	square := func(window, stride, padding int) device.PoolSpec {
		return spec(window, window, stride, device.Pad(padding))
	}
	ceil := func(s device.PoolSpec) device.PoolSpec { s.CeilMode = true; return s }
	counting := func(s device.PoolSpec) device.PoolSpec { s.CountPadding = true; return s }
	given := func(name string, draw Draw, x shape, s device.PoolSpec) Case {
		c := poolCase(name, x, s)
		c.Operands[0].Draw = draw
		c.Kink = "equal or infinite elements"
		return c
	}
	x := shape{2, 3, 5, 5}
	refused := func(x shape, s device.PoolSpec) error { return refuse(s.Output(x)) }
	return Row{
		Op: kind.String(),
		Cases: []Case{
			poolCase("batch 1, one channel", shape{1, 1, 4, 4}, square(2, 0, 0)),
			poolCase("overlapping, 3x3 stride 2 as in AlexNet", shape{2, 3, 13, 13}, square(3, 2, 0)),
			poolCase("window 1x1", shape{2, 2, 3, 4}, square(1, 0, 0)),
			poolCase("window as large as the map", shape{3, 5, 7, 6}, spec(7, 6, 0, device.Pad(0))),
			poolCase("last row unused", shape{1, 2, 5, 7}, square(2, 0, 0)),
			poolCase("stride larger than the window", shape{2, 2, 8, 9}, square(2, 3, 0)),
			poolCase("stride 1", shape{1, 3, 6, 5}, square(3, 1, 1)),
			poolCase("padding", shape{2, 3, 7, 8}, square(3, 2, 1)),
			poolCase("padding counts", shape{2, 3, 7, 8}, counting(square(3, 2, 1))),
			poolCase("padding larger than useful", shape{1, 2, 3, 3}, square(4, 3, 3)),
			poolCase("padding differs by side", shape{1, 2, 5, 6}, spec(3, 3, 2, device.Padding{Bottom: 1, Right: 2})),
			poolCase("padding differs by side and counts", shape{1, 2, 5, 6}, counting(spec(3, 3, 2, device.Padding{Top: 2, Left: 1, Right: 2}))),
			poolCase("ceil mode, windows hang over", shape{2, 3, 6, 8}, ceil(square(3, 2, 0))),
			poolCase("ceil mode with padding that counts", shape{2, 3, 6, 7}, ceil(counting(square(3, 2, 1)))),
			poolCase("ceil mode, last window left out", shape{1, 2, 5, 5}, ceil(square(2, 3, 1))),
			poolCase("ceil mode, map smaller than the window", shape{1, 2, 2, 3}, ceil(square(3, 2, 0))),
			poolCase("window 3x2", shape{2, 2, 7, 7}, spec(3, 2, 2, device.Pad(0))),
			poolCase("33 maps of 15x17", shape{1, 33, 15, 17}, square(3, 2, 1)),
			poolCase("no images", shape{0, 3, 4, 4}, square(2, 0, 0)),
			given("ties", ties, shape{2, 3, 7, 7}, square(3, 2, 1)),
			given("all equal", constant(-3), shape{1, 2, 5, 5}, square(3, 1, 1)),
			given("NaN and infinities", specials, shape{2, 2, 9, 9}, square(2, 0, 0)),
			given("every other element NaN", patchy, shape{2, 2, 9, 9}, square(3, 1, 1)),
			given("nothing but NaN", constant(nan), shape{1, 2, 4, 4}, square(2, 1, 1)),
			given("nothing but -Inf", constant(-inf), shape{1, 1, 4, 4}, square(3, 2, 1)),
			given("nothing but +Inf", constant(inf), shape{1, 1, 4, 4}, square(3, 2, 1)),
			given("denormal numbers", uniform(tiny, 20*tiny), shape{1, 2, 5, 5}, square(2, 0, 0)),
			poolCase("16 maps, overlapping", shape{2, 16, 13, 13}, square(3, 2, 0)),
			poolCase("17 maps, 3x3 stride 2, padding", shape{1, 17, 14, 15}, square(3, 2, 1)),
			poolCase("32 maps, 2x2", shape{2, 32, 6, 28}, square(2, 0, 0)),
			poolCase("48 maps to one pixel", shape{3, 48, 7, 7}, square(7, 0, 0)),
			poolCase("31 maps to one pixel", shape{2, 31, 3, 5}, spec(3, 5, 0, device.Pad(0))),
			poolCase("16 maps, stride 1, padding", shape{1, 16, 5, 14}, square(3, 1, 1)),
			poolCase("16 maps, padding counts", shape{2, 16, 7, 8}, counting(square(3, 2, 1))),
			poolCase("24 maps, ceil mode", shape{1, 24, 6, 8}, ceil(square(3, 2, 0))),
			poolCase("16 maps, stride larger than the window", shape{1, 16, 8, 9}, square(2, 3, 0)),
			poolCase("no images of 16 maps", shape{0, 16, 4, 4}, square(2, 0, 0)),
			given("ties in wide maps", ties, shape{2, 17, 7, 7}, square(3, 2, 1)),
			given("NaN and infinities in wide maps", strewn(specials, nan, nan, inf, -inf, nan), shape{2, 24, 5, 5}, square(2, 0, 0)),
			given("every other element of wide maps NaN", patchy, shape{1, 17, 7, 9}, square(3, 2, 1)),
			given("wide maps of nothing but NaN", constant(nan), shape{1, 16, 4, 4}, square(3, 2, 1)),
			given("wide maps of nothing but -Inf", constant(-inf), shape{1, 17, 4, 4}, square(3, 2, 1)),
			given("denormal numbers in wide maps", uniform(-20*tiny, 20*tiny), shape{1, 17, 5, 5}, square(2, 0, 0)),
		},
		Over: over(4, func(src *philox.Source, x shape) Case {
			s := device.PoolSpec{Kind: kind, CeilMode: src.Intn(2) == 0, CountPadding: src.Intn(2) == 0}
			for axis := range 2 {
				s.Window[axis] = between(src, 1, min(3, x[2+axis]))
				s.Stride[axis] = between(src, 1, 3)
			}
			s.Padding = device.Padding{Top: src.Intn(s.Window[0]), Bottom: src.Intn(s.Window[0]), Left: src.Intn(s.Window[1]), Right: src.Intn(s.Window[1])}
			return poolCase(fmt.Sprintf("wide, random %+v", s), x, s)
		}),
		Draw: func(src *philox.Source) Case {
			s := device.PoolSpec{Kind: kind, Window: [2]int{between(src, 1, 4), between(src, 1, 4)},
				Stride: [2]int{between(src, 1, 4), between(src, 1, 4)}, CeilMode: src.Intn(2) == 0, CountPadding: src.Intn(2) == 0}
			s.Padding = device.Padding{Top: src.Intn(s.Window[0]), Bottom: src.Intn(s.Window[0]), Left: src.Intn(s.Window[1]), Right: src.Intn(s.Window[1])}
			x := shape{between(src, 1, 3), between(src, 1, 17), s.Window[0] + src.Intn(9), s.Window[1] + src.Intn(9)}
			return poolCase(fmt.Sprintf("random %+v", s), x, s)
		},
		Errors: []Refusal{
			{"rank 3", refused(shape{3, 5, 5}, square(2, 2, 0))},
			{"window of nothing", refused(x, square(0, 2, 0))},
			{"stride below 1", refused(x, square(2, -1, 0))},
			{"padding below 0", refused(x, square(2, 2, -1))},
			{"padding as large as the window", refused(x, square(2, 2, 2))},
			{"window larger than the map", refused(x, spec(6, 2, 2, device.Pad(0)))},
			{"window larger than the padded map", refused(x, spec(2, 8, 2, device.Pad(1)))},
			{"ceil mode, map smaller by a stride", refused(x, ceil(square(7, 2, 0)))},
			{"maps of no rows", refused(shape{2, 3, 0, 5}, square(2, 2, 1))},
			{"maps of no columns", refused(shape{2, 3, 5, 0}, square(2, 2, 1))},
		},
	}
}

func poolCase(name string, x shape, s device.PoolSpec) Case {
	y := must(s.Output(x))
	forward := moved
	if s.Kind == device.AveragePool {
		forward = Tolerance{}
	}
	return Case{Name: name, Operands: []Operand{in("x", x, distinct), out("y", y), in("dy", y, usual), out("dx", x)}, Calls: []Call{
		{Method: "Pool", Writes: []string{"y"}, Tolerance: forward, Do: func(d device.Device, t Tensors) error {
			return d.Pool(t["y"], t["x"], s)
		}},
		{Method: "PoolBackward", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
			return d.PoolBackward(t["dx"], t["dy"], t["x"], t["y"], s)
		}},
	}}
}
