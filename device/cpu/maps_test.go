package cpu_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/philox"
	"fovea/device/reference"
)

// The conformance suite's maps are too small to be worth more than one thread, and its windows too small for pieces. These
// are not.

// work is an operation on maps: operands by name, of which those of rank 4 are activations, and what it writes.
type work struct {
	name     string
	operands map[string]tensor.Shape
	writes   []string
	do       func(d device.Device, t map[string]*device.Tensor) error
	mean     float64 // added to x
}

func pooling(kind device.PoolKind, x tensor.Shape, window, stride, padding int) []work {
	s := device.PoolSpec{Kind: kind, Window: [2]int{window, window}, Stride: [2]int{stride, stride}, Padding: device.Pad(padding)}
	y, err := s.Output(x)
	if err != nil {
		panic(err)
	}
	name := fmt.Sprintf("%v %v %dx%d stride %d padding %d", kind, x, window, window, stride, padding)
	return []work{
		{name, map[string]tensor.Shape{"x": x, "y": y}, []string{"y"}, func(d device.Device, t map[string]*device.Tensor) error {
			return d.Pool(t["y"], t["x"], s)
		}, 0},
		{name + " backward", map[string]tensor.Shape{"x": x, "y": y, "dy": y, "dx": x}, []string{"dx"}, func(d device.Device, t map[string]*device.Tensor) error {
			if err := d.Pool(t["y"], t["x"], s); err != nil {
				return err
			}
			return d.PoolBackward(t["dx"], t["dy"], t["x"], t["y"], s)
		}, 0},
	}
}

func normalising(x tensor.Shape) []work {
	v := tensor.Shape{x[1]}
	s := device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1}
	all := map[string]tensor.Shape{"x": x, "y": x, "residual": x, "dy": x, "dx": x, "dresidual": x, "scale": v, "shift": v, "mean": v, "invStd": v,
		"runningMean": v, "runningVar": v, "dscale": v, "dshift": v}
	forward := func(d device.Device, t map[string]*device.Tensor) error {
		return d.BatchNorm(t["y"], t["mean"], t["invStd"], t["runningMean"], t["runningVar"], t["x"], t["scale"], t["shift"], s)
	}
	return []work{
		{fmt.Sprintf("batch norm %v", x), all, []string{"y", "mean", "invStd", "runningMean", "runningVar"}, forward, 0},
		{fmt.Sprintf("batch norm %v backward", x), all, []string{"dx", "dscale", "dshift"}, func(d device.Device, t map[string]*device.Tensor) error {
			if err := forward(d, t); err != nil {
				return err
			}
			return d.BatchNormBackward(t["dx"], t["dscale"], t["dshift"], t["dy"], t["x"], t["scale"], t["mean"], t["invStd"])
		}, 0},
		{fmt.Sprintf("batch norm, sum and ReLU of %v, both ways", x), all, []string{"y", "dx", "dresidual", "dscale", "dshift"}, func(d device.Device, t map[string]*device.Tensor) error {
			fused, has := d.(device.FusedNormalisation)
			if has {
				if err := fused.BatchNormReLU(t["y"], t["mean"], t["invStd"], t["runningMean"], t["runningVar"], t["x"], t["residual"], t["scale"], t["shift"], s); err != nil {
					return err
				}
				return fused.BatchNormReLUBackward(t["dx"], t["dresidual"], t["dscale"], t["dshift"], t["dy"], t["x"], t["y"], t["scale"], t["mean"], t["invStd"])
			}
			relu := device.ActivationSpec{Kind: device.ReLU}
			for _, step := range []func() error{
				func() error { return forward(d, t) },
				func() error { return d.Binary(t["y"], t["y"], t["residual"], device.Add) },
				func() error { return d.Activate(t["y"], t["y"], relu) },
				func() error { return d.ActivateBackward(t["dresidual"], t["dy"], t["y"], t["y"], relu) },
				func() error {
					return d.BatchNormBackward(t["dx"], t["dscale"], t["dshift"], t["dresidual"], t["x"], t["scale"], t["mean"], t["invStd"])
				},
			} {
				if err := step(); err != nil {
					return err
				}
			}
			return nil
		}, 0},
		{fmt.Sprintf("batch norm of %v with given statistics backward", x), all, []string{"dx", "dscale", "dshift"}, func(d device.Device, t map[string]*device.Tensor) error {
			return d.BatchNormInferBackward(t["dx"], t["dscale"], t["dshift"], t["dy"], t["x"], t["scale"], t["runningMean"], t["runningVar"], s)
		}, 0},
	}
}

// farNormalising has a mean of 1000 deviations, of which float32 loses some.
func farNormalising(x tensor.Shape) work {
	w := normalising(x)[0]
	w.name, w.mean = w.name+", mean 1000", 1000
	return w
}

func region(dst, src tensor.Shape, to, from, extent []int) work {
	return work{fmt.Sprintf("%v of %v to %v", extent, src, dst), map[string]tensor.Shape{"dst": dst, "src": src}, []string{"dst"},
		func(d device.Device, t map[string]*device.Tensor) error {
			return d.CopyRegion(t["dst"], to, t["src"], from, extent)
		}, 0}
}

func works() []work {
	var all []work
	for _, more := range [][]work{
		pooling(device.MaxPool, tensor.Shape{2, 40, 41, 39}, 3, 2, 1), pooling(device.MaxPool, tensor.Shape{1, 64, 48, 48}, 2, 2, 0),
		pooling(device.MinPool, tensor.Shape{2, 17, 30, 50}, 3, 1, 1), pooling(device.AveragePool, tensor.Shape{2, 33, 30, 40}, 2, 2, 0),
		pooling(device.AveragePool, tensor.Shape{5, 72, 7, 7}, 7, 7, 0), pooling(device.AveragePool, tensor.Shape{1, 20, 140, 140}, 140, 140, 0),
		pooling(device.MaxPool, tensor.Shape{1, 20, 140, 140}, 140, 140, 0),
		normalising(tensor.Shape{3, 64, 33, 45}), normalising(tensor.Shape{40, 24, 13, 13}), normalising(tensor.Shape{1, 16, 80, 70}),
	} {
		all = append(all, more...)
	}
	return append(all, farNormalising(tensor.Shape{2, 20, 41, 40}),
		region(tensor.Shape{2, 96, 30, 31}, tensor.Shape{2, 40, 28, 31}, []int{0, 48, 1, 0}, []int{0, 8, 0, 0}, []int{2, 32, 28, 31}),
		region(tensor.Shape{2, 96, 30, 31}, tensor.Shape{3, 40, 28, 29}, []int{0, 16, 1, 1}, []int{1, 0, 0, 0}, []int{2, 40, 28, 29}),
		region(tensor.Shape{2, 50, 30, 31}, tensor.Shape{2, 40, 28, 29}, []int{0, 13, 0, 1}, []int{0, 2, 0, 3}, []int{2, 37, 28, 26}))
}

// draw makes the elements of all operands.
func (w work) draw() map[string][]float32 {
	all := map[string][]float32{}
	for name, shape := range w.operands {
		values := make([]float32, device.Size(shape))
		src := philox.NewSource(philox.Stream{Seed: uint64(len(values)), ID: uint64(name[0]) + uint64(len(name))<<8})
		for i := range values {
			values[i] = float32(src.Uniform(-1, 2))
			if len(shape) == 1 {
				values[i] = 0.5 + values[i]*values[i] // variances among them
			}
			if name == "x" {
				values[i] += float32(w.mean)
			}
		}
		all[name] = values
	}
	return all
}

// run makes the operands and returns what was written.
func (w work) run(t *testing.T, d device.Device, values map[string][]float32) map[string][]float64 {
	operands := map[string]*device.Tensor{}
	for name, shape := range w.operands {
		room := func(s tensor.Shape) (*device.Tensor, error) { return d.New(s, d.Float()) }
		if compact, has := d.(device.Compact); has && len(shape) == 4 {
			room = compact.NewActivation
		}
		x, err := room(shape)
		require.NoError(t, err)
		require.NoError(t, d.Upload(x, values[name]))
		defer x.Release()
		operands[name] = x
	}
	require.NoError(t, w.do(d, operands), w.name)
	results := map[string][]float64{}
	for _, name := range w.writes {
		var err error
		results[name], err = operands[name].Floats()
		require.NoError(t, err)
	}
	return results
}

func TestLargeMapsOnAnyThreads(t *testing.T) {
	all := works()
	wanted, drawn := make([]map[string][]float64, len(all)), make([]map[string][]float32, len(all))
	for i, w := range all {
		drawn[i] = w.draw()
		wanted[i] = w.run(t, reference.New(), drawn[i])
	}
	eachKernel(t, func(t *testing.T) {
		for i, w := range all {
			var one map[string][]float64
			for _, threads := range []int{1, 2, 3} {
				d, err := cpu.New(threads)
				require.NoError(t, err)
				got := w.run(t, d, drawn[i])
				require.NoError(t, d.Close())
				if threads == 1 {
					one = got
				}
				for name, values := range got {
					distance, norm := 0.0, 0.0
					for at, v := range values {
						want := wanted[i][name][at]
						distance, norm = distance+(v-want)*(v-want), norm+want*want
						if math.Float64bits(v) != math.Float64bits(one[name][at]) {
							t.Fatalf("%s, %d threads: element %d of %s is %v, with one thread %v", w.name, threads, at, name, v, one[name][at])
						}
					}
					if !(math.Sqrt(distance) <= 1e-5*math.Sqrt(norm)) {
						t.Fatalf("%s, %d threads: %s is off by %.3g in norm, the reference's norm is %.3g", w.name, threads, name, math.Sqrt(distance), math.Sqrt(norm))
					}
				}
			}
		}
	})
}
