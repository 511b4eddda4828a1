package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

// The fused primitives are a device's offer. Their definition is that of their parts, which is what the reference computes
// here.

func fusedRows() []Row {
	return []Row{convReLURow(), convPooledRow(), linearReLURow(), normReLURow(), normReLUInferRow(), convNormRow()}
}

var relu = device.ActivationSpec{Kind: device.ReLU}

// offers says whether a device has what the interface O asks for.
func offers[O any](d device.Device) bool {
	_, has := d.(O)
	return has
}

// then makes the second call if the first did not fail.
func then(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

// through makes room for what one part hands to the next.
func through(d device.Device, s shape, use func(t *device.Tensor) error) error {
	t, err := d.New(s, d.Float())
	return using(t, err, use)
}

// using is use of a tensor, if it could be made, which is then released.
func using(t *device.Tensor, err error, use func(t *device.Tensor) error) error {
	if err != nil {
		return err
	}
	defer t.Release()
	return use(t)
}

// addReLU is what follows a normalisation; residual may be nil.
func addReLU(d device.Device, y, residual *device.Tensor, active bool) error {
	if residual != nil {
		if err := d.Binary(y, y, residual, device.Add); err != nil {
			return err
		}
	}
	if !active {
		return nil
	}
	return d.Activate(y, y, relu)
}

func padded(n int) device.ConvSpec { return device.ConvSpec{Padding: device.Pad(n)}.Normal() }

func strided(n, padding int) device.ConvSpec {
	return device.ConvSpec{Stride: [2]int{n, n}, Padding: device.Pad(padding)}.Normal()
}

func convReLURow() Row {
	return Row{
		Op: "conv2d_relu", Offered: offers[device.FusedConvolution],
		Cases: []Case{
			convReLUCase("batch 1, one channel", shape{1, 1, 5, 5}, shape{1, 1, 3, 3}, true, padded(0)),
			convReLUCase("no bias", shape{2, 3, 6, 7}, shape{5, 3, 3, 3}, false, padded(1)),
			convReLUCase("picture to 32 maps, 11x11, stride 4", shape{1, 3, 27, 31}, shape{32, 3, 11, 11}, true, strided(4, 2)),
			convReLUCase("16 to 33 maps", shape{2, 16, 7, 13}, shape{33, 16, 3, 3}, true, padded(1)),
			convReLUCase("16 to 32 maps, no bias", shape{1, 16, 5, 14}, shape{32, 16, 3, 3}, false, padded(1)),
			convReLUCase("24 to 17 maps, stride 2", shape{2, 24, 9, 8}, shape{17, 24, 3, 3}, true, strided(2, 1)),
			convReLUCase("17 to 48 maps, 1x1", shape{2, 17, 5, 7}, shape{48, 17, 1, 1}, true, padded(0)),
			convReLUCase("16 maps, 5x5", shape{1, 16, 7, 6}, shape{16, 16, 5, 5}, true, padded(2)),
			convReLUCase("depthwise", shape{2, 16, 5, 5}, shape{16, 1, 3, 3}, true, device.ConvSpec{Groups: 16, Padding: device.Pad(1)}.Normal()),
			convReLUCase("no images", shape{0, 16, 5, 5}, shape{16, 16, 3, 3}, true, padded(1)),
		},
		Over: over(4, func(src *philox.Source, x shape) Case {
			x, w, s := geometryOver(src, x)
			return convReLUCase(fmt.Sprintf("wide, random %+v", s), x, w, src.Intn(2) == 0, s)
		}),
	}
}

func convReLUCase(name string, x, w shape, bias bool, s device.ConvSpec) Case {
	c := Case{Name: name, Operands: []Operand{in("x", x, usual), kept(in("w", w, usual)), out("y", must(s.Output(x, w, nil)))}, Calls: []Call{
		{Method: "ConvReLU", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
			if fused, has := d.(device.FusedConvolution); has {
				return fused.ConvReLU(t["y"], t["x"], t["w"], t["b"], s)
			}
			return then(d.Conv(t["y"], t["x"], t["w"], t["b"], s), func() error { return d.Activate(t["y"], t["y"], relu) })
		}},
	}}
	if bias {
		c.Operands = append(c.Operands, kept(in("b", shape{w[0]}, usual)))
	}
	return c
}

func convPooledRow() Row {
	pool := func(window, stride, padding int) device.PoolSpec {
		return device.PoolSpec{Window: [2]int{window, window}, Stride: [2]int{stride, stride}, Padding: device.Pad(padding)}.Normal()
	}
	halves := pool(2, 2, 0)
	return Row{
		Op: "conv2d_relu_pool", Offered: offers[device.FusedPooling],
		Cases: []Case{
			convPooledCase("batch 1, one channel", shape{1, 1, 5, 5}, shape{1, 1, 2, 2}, true, padded(0), halves),
			convPooledCase("MNIST to 32 maps, 5x5", shape{9, 1, 28, 28}, shape{32, 1, 5, 5}, true, padded(0), halves),
			convPooledCase("two channels to 17 maps, 5x3, last row and column unused", shape{8, 2, 13, 15}, shape{17, 2, 5, 3}, false, padded(2), halves),
			convPooledCase("picture to 30 maps, 7x7, stride 2, windows overlap", shape{13, 3, 21, 23}, shape{30, 3, 7, 7}, true, strided(2, 3), pool(3, 2, 1)),
			convPooledCase("picture to 20 maps, windows of 2x4", shape{12, 3, 9, 8}, shape{20, 3, 3, 3}, true, padded(1), device.PoolSpec{Window: [2]int{2, 4}}.Normal()),
			convPooledCase("to one pixel", shape{13, 1, 8, 9}, shape{18, 1, 3, 3}, true, padded(1), device.PoolSpec{Window: [2]int{8, 9}}.Normal()),
			convPooledCase("picture to 80 maps", shape{5, 3, 9, 8}, shape{80, 3, 3, 3}, true, padded(1), halves),
			convPooledCase("picture to 48 maps, one image", shape{1, 3, 9, 8}, shape{48, 3, 3, 3}, false, padded(1), halves),
			convPooledCase("16 to 32 maps", shape{2, 16, 7, 9}, shape{32, 16, 3, 3}, true, padded(1), halves),
			convPooledCase("3 to 5 maps", shape{2, 3, 6, 7}, shape{5, 3, 3, 3}, true, padded(1), pool(3, 1, 1)),
			convPooledCase("no images", shape{0, 1, 8, 8}, shape{16, 1, 3, 3}, true, padded(1), halves),
		},
		Over: over(4, func(src *philox.Source, x shape) Case {
			x, w, s := geometryOver(src, x)
			y, p := must(s.Output(x, w, nil)), device.PoolSpec{}
			for axis := range 2 {
				p.Window[axis], p.Stride[axis] = between(src, 1, min(3, y[2+axis])), between(src, 1, 3)
			}
			return convPooledCase(fmt.Sprintf("wide, random %+v, %+v", s, p), x, w, src.Intn(2) == 0, s, p)
		}),
	}
}

// convPooledCase has whole numbers, of which sums are exact: equals are equals on every device, and the first of them must be taken.
func convPooledCase(name string, x, w shape, bias bool, s device.ConvSpec, p device.PoolSpec) Case {
	y := must(s.Output(x, w, nil))
	pooled := must(p.Output(y))
	c := Case{Name: name, Operands: []Operand{wholes("x", x), kept(wholes("w", w)), out("pooled", pooled), out("unnoted", pooled), in("dz", pooled, usual), kept(out("dw", w))}, Calls: []Call{
		{Method: "ConvReLUPool", Writes: []string{"pooled", "unnoted", "dw"}, Do: func(d device.Device, t Tensors) error {
			if fused, has := d.(device.FusedPooling); has {
				return noting(d, pooled, func(chosen *device.Tensor) error {
					return then(fused.ConvReLUPool(t["pooled"], chosen, t["x"], t["w"], t["b"], s, p), func() error {
						return then(fused.ConvReLUPool(t["unnoted"], nil, t["x"], t["w"], t["b"], s, p), func() error {
							return fused.ConvBackwardWeightsPooled(t["dw"], t["x"], t["dz"], chosen, s, p)
						})
					})
				})
			}
			return through(d, y, func(y *device.Tensor) error {
				return then(convolvedAndPooled(d, t["pooled"], y, t["x"], t["w"], t["b"], s, p), func() error {
					return then(d.Pool(t["unnoted"], y, p), func() error {
						return through(d, y.Shape, func(dy *device.Tensor) error {
							return then(d.PoolBackward(dy, t["dz"], y, t["pooled"], p), func() error { return d.ConvBackwardWeights(t["dw"], t["x"], dy, s) })
						})
					})
				})
			})
		}},
	}}
	if bias {
		c.Operands = append(c.Operands, kept(wholes("b", shape{w[0]})))
	}
	return c
}

// wholes is an operand of whole numbers.
func wholes(name string, s shape) Operand { return of("small whole numbers", in(name, s, whole)) }

// convolvedAndPooled is pooled = Pool(y) of y = ReLU(Conv(x, w, b)).
func convolvedAndPooled(d device.Device, pooled, y, x, w, b *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	return then(d.Conv(y, x, w, b, s), func() error {
		return then(d.Activate(y, y, relu), func() error { return d.Pool(pooled, y, p) })
	})
}

// noting makes room for what a device notes, where it would like that.
func noting(d device.Device, s shape, use func(t *device.Tensor) error) error {
	compact, has := d.(device.Compact)
	if !has {
		return through(d, s, use)
	}
	t, err := compact.NewActivation(s)
	return using(t, err, use)
}

func linearReLURow() Row {
	return Row{
		Op: "linear_relu", Offered: offers[device.FusedLinear],
		Cases: []Case{
			linearReLUCase(1, 1, 1, true), linearReLUCase(1, 33, 10, true), linearReLUCase(13, 31, 17, true), linearReLUCase(32, 15, 33, false),
			linearReLUCase(4, 600, 64, true), linearReLUCase(16, 64, 100, true), linearReLUCase(0, 4, 3, true), linearReLUCase(4, 0, 3, true),
			linearReLUCase(4, 0, 3, false), linearReLUCase(5, 17, 19, true).with("x", "NaN and infinities", strewn(usual, nan, inf), ""),
		},
		Draw: func(src *philox.Source) Case {
			return linearReLUCase(between(src, 1, 40), between(src, 1, 70), between(src, 1, 70), src.Intn(2) == 0)
		},
		Over: overRows(func(src *philox.Source, x shape) Case {
			return linearReLUCase(x[0], x[1], manyChannels(src), src.Intn(2) == 0)
		}),
	}
}

func linearReLUCase(batch, features, outputs int, bias bool) Case {
	x, w, b := shape{batch, features}, shape{outputs, features}, shape{outputs}
	c := Case{Name: fmt.Sprintf("%d of %d to %d, bias %t", batch, features, outputs, bias),
		Operands: []Operand{in("x", x, usual), kept(in("w", w, usual)), out("y", must(device.LinearOutput(x, w, b)))}, Calls: []Call{
			{Method: "LinearReLU", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
				if fused, has := d.(device.FusedLinear); has {
					return fused.LinearReLU(t["y"], t["x"], t["w"], t["b"])
				}
				return then(d.Linear(t["y"], t["x"], t["w"], t["b"]), func() error { return d.Activate(t["y"], t["y"], relu) })
			}},
		}}
	if bias {
		c.Operands = append(c.Operands, kept(in("b", b, usual)))
	}
	return c
}

var normDefaults = device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1}

// Normalisations are tried with a sum and without.
func normReLURow() Row {
	row := Row{
		Op: "batch_norm_relu", Offered: offers[device.FusedNormalisation],
		Over: overMany(func(src *philox.Source, x shape) Case { return normReLUCase("wide, random", x, src.Intn(2) == 0) }),
		Draw: func(src *philox.Source) Case {
			return normReLUCase("random", shape{between(src, 3, 6), between(src, 1, 33), between(src, 1, 9), between(src, 1, 9)}[:between(src, 2, 4)], src.Intn(2) == 0)
		},
	}
	for _, residual := range []bool{false, true} {
		row.Cases = append(row.Cases,
			normReLUCase("batch 1, one channel", shape{1, 1, 3, 3}, residual),
			normReLUCase("rank 2", shape{13, 7}, residual),
			normReLUCase("33 channels of 15x17", shape{3, 33, 15, 17}, residual),
			normReLUCase("16 channels of 7x7", shape{2, 16, 7, 7}, residual),
			normReLUCase("48 channels, batch 1", shape{1, 48, 5, 3}, residual),
			normReLUCase("32 channels, many images", shape{19, 32, 1, 2}, residual),
			normReLUCase("no channels", shape{2, 0, 3, 3}, residual),
			normReLUCase("18 channels", shape{3, 18, 4, 4}, residual).with("x", "NaN in one", strewn(usual, nan), "NaN has no differences"),
			// Behind a closed gate NaN may be lost or not: all are open.
			normReLUCase("18 channels", shape{3, 18, 4, 4}, residual).with("shift", "100", constant(100), "").with("dy", "NaN", strewn(lopsided, nan, nan), "NaN has no differences"))
	}
	return row
}

func normReLUCase(name string, x shape, residual bool) Case {
	if residual {
		name += ", with a sum"
	}
	c := batchNormCase(name, x, normDefaults)
	if device.Size(x) > 2000 {
		c.Kink = "among so many elements some ReLU opens or closes within a step"
	}
	backward := []string{"dx", "dscale", "dshift"}
	if residual {
		c.Operands = append(c.Operands, in("residual", x, usual), out("dresidual", x))
		backward = append(backward, "dresidual")
	}
	c.Calls = []Call{
		{Method: "BatchNormReLU", Writes: c.Calls[0].Writes, Do: func(d device.Device, t Tensors) error {
			if fused, has := d.(device.FusedNormalisation); has {
				return fused.BatchNormReLU(t["y"], t["mean"], t["invStd"], t["runningMean"], t["runningVar"], t["x"], t["residual"], t["scale"], t["shift"], normDefaults)
			}
			return then(d.BatchNorm(t["y"], t["mean"], t["invStd"], t["runningMean"], t["runningVar"], t["x"], t["scale"], t["shift"], normDefaults),
				func() error { return addReLU(d, t["y"], t["residual"], true) })
		}},
		{Method: "BatchNormReLUBackward", Writes: backward, Do: func(d device.Device, t Tensors) error {
			if fused, has := d.(device.FusedNormalisation); has {
				return fused.BatchNormReLUBackward(t["dx"], t["dresidual"], t["dscale"], t["dshift"], t["dy"], t["x"], t["y"], t["scale"], t["mean"], t["invStd"])
			}
			return through(d, x, func(g *device.Tensor) error {
				err := then(d.ActivateBackward(g, t["dy"], t["y"], t["y"], relu), func() error {
					return d.BatchNormBackward(t["dx"], t["dscale"], t["dshift"], g, t["x"], t["scale"], t["mean"], t["invStd"])
				})
				if err != nil || !residual {
					return err
				}
				return d.Scale(t["dresidual"], g, 1, 0)
			})
		}},
	}
	return c
}

func normReLUInferRow() Row {
	row := Row{
		Op: "batch_norm_relu_infer", Offered: offers[device.FusedNormalisation],
		Over: over(2, func(src *philox.Source, x shape) Case { return normReLUInferCase("wide, random", x, src.Intn(2) == 0) }),
	}
	for _, residual := range []bool{false, true} {
		row.Cases = append(row.Cases,
			normReLUInferCase("batch 1, one channel", shape{1, 1, 3, 3}, residual),
			normReLUInferCase("rank 2", shape{13, 7}, residual),
			normReLUInferCase("33 channels of 15x17", shape{3, 33, 15, 17}, residual),
			normReLUInferCase("16 channels of 7x7", shape{2, 16, 7, 7}, residual),
			normReLUInferCase("no images", shape{0, 17, 4, 4}, residual),
			normReLUInferCase("17 channels", shape{2, 17, 3, 5}, residual).with("x", "NaN and infinities", strewn(usual, nan, inf, -inf), ""))
	}
	return row
}

func normReLUInferCase(name string, x shape, residual bool) Case {
	c := inferCase(name, x, normDefaults)
	c.Operands = c.Operands[:6] // without gradients
	if residual {
		c.Name += ", with a sum"
		c.Operands = append(c.Operands, in("residual", x, usual))
	}
	c.Calls = []Call{{Method: "BatchNormReLUInfer", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
		if fused, has := d.(device.FusedNormalisation); has {
			return fused.BatchNormReLUInfer(t["y"], t["x"], t["residual"], t["scale"], t["shift"], t["mean"], t["variance"], normDefaults)
		}
		return then(d.BatchNormInfer(t["y"], t["x"], t["scale"], t["shift"], t["mean"], t["variance"], normDefaults),
			func() error { return addReLU(d, t["y"], t["residual"], true) })
	}}}
	return c
}

func convNormRow() Row {
	row := Row{
		Op: "conv2d_batch_norm", Offered: offers[device.FoldedConvolution],
		Over: over(4, func(src *philox.Source, x shape) Case {
			x, w, s := geometryOver(src, x)
			return convNormCase(fmt.Sprintf("wide, random %+v", s), x, w, s, src.Intn(2) == 0, src.Intn(2) == 0, src.Intn(2) == 0)
		}),
	}
	for _, end := range []struct{ bias, residual, active bool }{{false, false, false}, {false, false, true}, {true, true, true}, {true, false, true}, {false, true, true}, {false, true, false}} {
		try := func(name string, x, w shape, s device.ConvSpec) Case {
			return convNormCase(name, x, w, s, end.bias, end.residual, end.active)
		}
		row.Cases = append(row.Cases,
			try("3 to 5 maps", shape{2, 3, 6, 7}, shape{5, 3, 3, 3}, padded(1)),
			try("picture to 16 maps, 7x7, stride 2", shape{1, 3, 15, 14}, shape{16, 3, 7, 7}, strided(2, 3)),
			try("16 to 33 maps", shape{2, 16, 5, 13}, shape{33, 16, 3, 3}, padded(1)),
			try("24 to 17 maps, stride 2", shape{1, 24, 9, 8}, shape{17, 24, 3, 3}, strided(2, 1)),
			try("32 to 48 maps, 1x1", shape{2, 32, 5, 7}, shape{48, 32, 1, 1}, padded(0)),
			try("16 to 32 maps, 1x1, stride 2", shape{2, 16, 5, 7}, shape{32, 16, 1, 1}, strided(2, 0)))
	}
	far := convNormCase("running mean far from 0", shape{1, 16, 5, 7}, shape{32, 16, 3, 3}, padded(1), true, true, true)
	far.Operands[5].Draw, far.Operands[7].Draw = gauss(300, 1), gauss(300, 1) // mean and bias
	far.Calls[0].Tolerance = Tolerance{Relative: 1e-4, Why: "sums that are off by 300 * 2^-24, about 2e-5, lose their mean of 300"}
	row.Cases = append(row.Cases, far,
		convNormCase("depthwise", shape{2, 16, 5, 5}, shape{16, 1, 3, 3}, device.ConvSpec{Groups: 16, Padding: device.Pad(1)}.Normal(), false, false, true),
		convNormCase("padding differs by side", shape{2, 3, 5, 6}, shape{4, 3, 3, 3},
			device.ConvSpec{Padding: device.Padding{Bottom: 2, Left: 1, Right: 3}}.Normal(), true, true, true),
		convNormCase("no channels", shape{2, 0, 5, 5}, shape{4, 0, 3, 3}, padded(1), true, true, true),
		convNormCase("no channels", shape{2, 0, 5, 5}, shape{4, 0, 3, 3}, padded(1), false, true, false),
		convNormCase("no images", shape{0, 16, 5, 5}, shape{16, 16, 3, 3}, padded(1), false, true, true))
	return row
}

// convNormCase may be computed as a convolution with other weights: each rounded once more, which the tolerance of a
// convolution has room for.
func convNormCase(name string, x, w shape, s device.ConvSpec, bias, residual, active bool) Case {
	y, v := must(s.Output(x, w, nil)), shape{w[0]}
	name = fmt.Sprintf("%s, bias %t, sum %t, ReLU %t", name, bias, residual, active)
	c := Case{Name: name, Operands: []Operand{in("x", x, usual), kept(in("w", w, usual)), out("y", y), kept(in("scale", v, uniform(0.5, 2))),
		kept(in("shift", v, usual)), kept(in("mean", v, usual)), kept(variance("variance", v))}}
	if bias {
		c.Operands = append(c.Operands, kept(in("b", v, usual)))
	}
	if residual {
		c.Operands = append(c.Operands, in("residual", y, usual))
	}
	c.Calls = []Call{{Method: "ConvBatchNorm", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
		if folded, has := d.(device.FoldedConvolution); has {
			return folded.ConvBatchNorm(t["y"], t["x"], t["w"], t["b"], t["scale"], t["shift"], t["mean"], t["variance"], t["residual"], s, normDefaults, active)
		}
		return through(d, y, func(convolved *device.Tensor) error {
			return then(d.Conv(convolved, t["x"], t["w"], t["b"], s), func() error {
				return then(d.BatchNormInfer(t["y"], convolved, t["scale"], t["shift"], t["mean"], t["variance"], normDefaults),
					func() error { return addReLU(d, t["y"], t["residual"], active) })
			})
		})
	}}}
	return c
}
