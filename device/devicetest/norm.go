package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func normRows() []Row {
	defaults := device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1}
	gentle := device.BatchNormSpec{Epsilon: 0.5, Momentum: 0.3} // two values: with a small epsilon dx would be a rounding error
	shifted := shiftedCase("mean 300 times the deviation", shape{4, 3, 5, 5}, defaults)
	flat := batchNormCase("a channel without variance", shape{3, 2, 4, 4}, defaults)
	flat.Operands[0].Draw = constant(1.5)
	flat.Kink = "the slope of 1/sqrt(variance + epsilon) changes within a step"
	flat.Calls[0].Tolerance = Tolerance{Absolute: 1e-5, Why: "invStd is 300 and y is its product with a rounding error of the mean"}
	flat.Calls[1].Tolerance = Tolerance{Absolute: 1e-5, Why: "dscale is nothing but rounding errors"}
	withNaN := batchNormCase("NaN in one channel", shape{3, 2, 4, 4}, defaults)
	withNaN.Operands[0].Draw = strewn(usual, nan)
	withNaN.Kink = "NaN has no differences"
	wideShifted := shiftedCase("17 channels with a mean 300 times the deviation", shape{2, 17, 5, 13}, defaults)
	wideNaN := batchNormCase("NaN in one of 18 channels", shape{3, 18, 4, 4}, defaults)
	wideNaN.Operands[0].Draw, wideNaN.Kink = strewn(usual, nan), "NaN has no differences"
	bn := device.CheckBatchNorm
	x, v := shape{2, 3, 4, 4}, shape{3}
	return []Row{{
		Op: "batch_norm",
		Cases: []Case{
			batchNormCase("batch 1, one channel", shape{1, 1, 3, 3}, defaults),
			batchNormCase("rank 2", shape{13, 7}, defaults),
			batchNormCase("rank 3", shape{5, 3, 7}, defaults),
			batchNormCase("two values in a channel", shape{2, 3}, gentle),
			batchNormCase("33 channels of 15x17", shape{3, 33, 15, 17}, defaults),
			batchNormCase("momentum 1", shape{4, 2, 3, 3}, device.BatchNormSpec{Epsilon: 1e-3, Momentum: 1}),
			batchNormCase("momentum 0", shape{4, 2, 3, 3}, device.BatchNormSpec{Epsilon: 1e-3}),
			batchNormCase("no channels", shape{2, 0, 3, 3}, defaults),
			shifted, flat, withNaN,
			batchNormCase("17 channels of 7x7", shape{2, 17, 7, 7}, defaults),
			batchNormCase("48 channels, batch 1", shape{1, 48, 5, 3}, defaults),
			batchNormCase("16 channels of one pixel", shape{5, 16, 1, 1}, defaults),
			batchNormCase("8 channels of 27x28", shape{2, 8, 27, 28}, defaults),
			batchNormCase("32 channels, many images", shape{19, 32, 1, 2}, defaults),
			wideShifted, wideNaN,
		},
		Over: overMany(func(_ *philox.Source, x shape) Case { return batchNormCase("wide, random", x, defaults) }),
		Draw: func(src *philox.Source) Case {
			return batchNormCase("random", shape{between(src, 3, 6), between(src, 1, 33), between(src, 1, 9), between(src, 1, 9)}[:between(src, 2, 4)], defaults)
		},
		Errors: []Refusal{
			{"rank 1", bn(shape{3}, false)},
			{"vector of wrong length", bn(x, true, v, shape{4})},
			{"vector of rank 2", bn(x, true, shape{1, 3})},
			{"one value in a channel", bn(shape{1, 3}, true, v)},
			{"one pixel of one image", bn(shape{1, 3, 1, 1}, true, v)},
			{"training on no images", bn(shape{0, 3, 4, 4}, true, v)},
		},
	}, {
		Op: "batch_norm_infer",
		Cases: []Case{
			inferCase("batch 1, one channel", shape{1, 1, 3, 3}, defaults),
			inferCase("one value", shape{1, 3}, defaults),
			inferCase("rank 2", shape{13, 7}, defaults),
			inferCase("no images", shape{0, 3, 4, 4}, defaults),
			inferCase("33 channels of 15x17", shape{3, 33, 15, 17}, device.BatchNormSpec{Epsilon: 1e-2}),
			inferCase("16 channels of 7x7", shape{2, 16, 7, 7}, defaults),
			inferCase("17 channels", shape{1, 17, 5, 5}, defaults).with("x", "NaN and infinities", strewn(usual, nan, inf, -inf), "infinite values have no differences"),
		},
		Over: over(2, func(_ *philox.Source, x shape) Case { return inferCase("wide, random", x, defaults) }),
		Draw: func(src *philox.Source) Case {
			return inferCase("random", shape{between(src, 1, 6), between(src, 1, 33), between(src, 1, 9), between(src, 1, 9)}[:between(src, 2, 4)], defaults)
		},
		Errors: []Refusal{{"rank 1", bn(shape{3}, false)}, {"vector of wrong length", bn(x, false, v, v, v, shape{2})}},
	}, acrossRow("lrn", lrnCase), acrossRow("contrast_norm", contrastCase)}
}

func batchNormCase(name string, x shape, s device.BatchNormSpec) Case {
	v := shape{x[1]}
	return Case{Name: name, Operands: []Operand{in("x", x, gauss(0.5, 2)), in("scale", v, uniform(0.5, 2)), in("shift", v, usual),
		out("y", x), out("mean", v), out("invStd", v), in("runningMean", v, usual), variance("runningVar", v),
		in("dy", x, lopsided), out("dx", x), out("dscale", v), out("dshift", v)},
		Calls: []Call{
			{Method: "BatchNorm", Writes: []string{"y", "mean", "invStd", "runningMean", "runningVar"}, Do: func(d device.Device, t Tensors) error {
				return d.BatchNorm(t["y"], t["mean"], t["invStd"], t["runningMean"], t["runningVar"], t["x"], t["scale"], t["shift"], s)
			}},
			{Method: "BatchNormBackward", Writes: []string{"dx", "dscale", "dshift"}, Do: func(d device.Device, t Tensors) error {
				return d.BatchNormBackward(t["dx"], t["dscale"], t["dshift"], t["dy"], t["x"], t["scale"], t["mean"], t["invStd"])
			}},
		}}
}

// shiftedCase has a mean that is large beside the deviation.
func shiftedCase(name string, x shape, s device.BatchNormSpec) Case {
	c := batchNormCase(name, x, s)
	c.Operands[0].Draw = gauss(300, 1)
	for i := range c.Calls {
		c.Calls[i].Tolerance = Tolerance{Relative: 1e-4, Why: "x - mean in float32 is off by 300 * 2^-24, about 2e-5"}
	}
	return c
}

func inferCase(name string, x shape, s device.BatchNormSpec) Case {
	v := shape{x[1]}
	return Case{Name: name, Operands: []Operand{in("x", x, gauss(0.5, 2)), in("scale", v, uniform(0.5, 2)), in("shift", v, usual),
		in("mean", v, usual), variance("variance", v), out("y", x),
		in("dy", x, lopsided), out("dx", x), out("dscale", v), out("dshift", v)},
		Calls: []Call{
			{Method: "BatchNormInfer", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
				return d.BatchNormInfer(t["y"], t["x"], t["scale"], t["shift"], t["mean"], t["variance"], s)
			}},
			{Method: "BatchNormInferBackward", Writes: []string{"dx", "dscale", "dshift"}, Do: func(d device.Device, t Tensors) error {
				return d.BatchNormInferBackward(t["dx"], t["dscale"], t["dshift"], t["dy"], t["x"], t["scale"], t["mean"], t["variance"], s)
			}},
		}}
}

// acrossRow is a normalisation across maps.
func acrossRow(op string, try func(name string, x shape, s device.LRNSpec) Case) Row {
	spec := func(size int, alpha, beta, k float64) device.LRNSpec {
		return device.LRNSpec{Size: size, Alpha: alpha, Beta: beta, K: k}
	}
	withNaN := try("NaN in one map", shape{2, 9, 3, 3}, spec(3, 0.5, 0.75, 1))
	withNaN.Operands[0].Draw = strewn(usual, nan)
	withNaN.Kink = "NaN has no differences"
	return Row{
		Op: op,
		Cases: []Case{
			try("batch 1, one map", shape{1, 1, 2, 2}, spec(5, 0.5, 0.75, 2)),
			try("one place", shape{2, 7, 1, 1}, spec(3, 0.5, 0.75, 1)),
			try("as in AlexNet", shape{2, 13, 5, 6}, spec(5, 1e-4, 0.75, 2)),
			try("strong", shape{2, 13, 5, 6}, spec(5, 2, 0.75, 1)),
			try("window 1", shape{2, 5, 3, 3}, spec(1, 0.5, 0.75, 2)),
			try("even window", shape{2, 9, 3, 3}, spec(4, 0.5, 0.5, 1)),
			try("window of 2 maps", shape{1, 6, 3, 3}, spec(2, 1, 1, 1)),
			try("window wider than the maps", shape{2, 4, 3, 3}, spec(9, 1, 0.75, 1)),
			try("beta 2", shape{1, 7, 4, 3}, spec(3, 0.3, 2, 1.5)),
			try("33 maps of 15x17", shape{2, 33, 15, 17}, spec(5, 0.1, 0.75, 2)),
			try("no images", shape{0, 5, 3, 3}, spec(5, 0.5, 0.75, 2)),
			withNaN,
		},
		Over: over(4, func(src *philox.Source, x shape) Case {
			s := spec(between(src, 1, 8), src.Uniform(0.01, 1), src.Uniform(0.3, 1.5), src.Uniform(0.5, 2))
			return try(fmt.Sprintf("wide, random %+v", s), x, s)
		}),
		Draw: func(src *philox.Source) Case {
			s := spec(between(src, 1, 8), src.Uniform(0.01, 1), src.Uniform(0.3, 1.5), src.Uniform(0.5, 2))
			return try(fmt.Sprintf("random %+v", s), shape{between(src, 1, 3), between(src, 1, 17), between(src, 1, 6), between(src, 1, 6)}, s)
		},
		Errors: []Refusal{
			{"rank 2", spec(5, 1, 1, 1).Check(op, shape{2, 3})},
			{"window of no maps", spec(0, 1, 1, 1).Check(op, shape{2, 3, 4, 4})},
		},
	}
}

func lrnCase(name string, x shape, s device.LRNSpec) Case {
	return acrossCase(name, x,
		Call{Method: "LRN", Do: func(d device.Device, t Tensors) error { return d.LRN(t["y"], t["x"], s) }},
		Call{Method: "LRNBackward", Do: func(d device.Device, t Tensors) error { return d.LRNBackward(t["dx"], t["dy"], t["x"], t["y"], s) }})
}

func contrastCase(name string, x shape, s device.LRNSpec) Case {
	c := acrossCase(name, x,
		Call{Method: "ContrastNorm", Do: func(d device.Device, t Tensors) error { return d.ContrastNorm(t["y"], t["x"], s) }},
		Call{Method: "ContrastNormBackward", Do: func(d device.Device, t Tensors) error { return d.ContrastNormBackward(t["dx"], t["dy"], t["x"], s) }})
	if x[1] == 1 || s.Size == 1 {
		for i := range c.Calls {
			c.Calls[i].Tolerance = Tolerance{Absolute: 1e-5, Why: "a window of one map is its own mean: nothing is left but rounding errors"}
		}
	}
	return c
}

func acrossCase(name string, x shape, forward, backward Call) Case {
	forward.Writes, backward.Writes = []string{"y"}, []string{"dx"}
	return Case{Name: name, Operands: []Operand{in("x", x, usual), out("y", x), in("dy", x, usual), out("dx", x)}, Calls: []Call{forward, backward}}
}
