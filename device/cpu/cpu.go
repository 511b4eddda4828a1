package cpu

import (
	"errors"
	"fmt"
	"runtime"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/measured"
	tiles "fovea/kernels/blocked"
	"fovea/kernels/gemm"
	"fovea/kernels/isa"
	"fovea/kernels/vector"
)

func init() {
	device.Register(device.Driver{Name: "cpu", Preference: 0, Precisions: []device.Precision{device.BF16}, Open: func(index int, o device.Options) (device.Device, error) {
		if index != 0 {
			return nil, fmt.Errorf("cpu:%d: there is one cpu device, number 0; its threads are an option", index)
		}
		d, err := open(o.Threads, o.Precision)
		if err != nil {
			return nil, err
		}
		d.exact = o.Deterministic
		return d, nil
	}})
}

// Device computes in float32 on all cores of this machine.
type Device struct {
	team      *team
	set       isa.Set
	precision device.Precision
	kernel    *gemm.Kernel
	tiles     *tiles.Kernel
	vector    *vector.Kernels
	spaces    []*gemm.Workspace // one per worker
	lanes     [][]float32       // one per worker, see lane
	places    []pixelPlaces     // one per worker, see parts.go
	floats    pool[float32]
	labels    pool[int32]
	sums      []float64 // partial sums of the operation at work
	stats     device.Stats

	sumRows [3][]int // of the gradient at work, for a panel of so many blocks, see partsweights.go

	choices *measured.File[chosen] // of algorithms, see choice.go
	decided map[passOf]algorithm   // what was found there or measured
	reads   map[passOf]reading     // see conv.go
	orders  []*weightOrder         // of those, each once
	pools   map[sizesOfPool]*pooling
	exact   bool      // choose by rule, not by measuring
	always  algorithm // of tests: where it can be, whatever the size
}

var _ device.Device = (*Device)(nil)

var _ device.Measurer = (*Device)(nil)

// New opens the device with a number of threads; 0 means as many as Go may use (GOMAXPROCS). It fails if the
// environment variable FOVEA_CPU asks for an instruction set that this machine lacks.
func New(threads int) (*Device, error) { return open(threads, device.FP32) }

// open is New of a device that multiplies in some precision. With BF16 what AMX multiplies (large products of matrices, convolutions where
// that is fastest) are numbers rounded to bfloat16, and all else, activations too, is as with FP32.
func open(threads int, precision device.Precision) (*Device, error) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	set, err := isa.Best()
	if err != nil {
		return nil, err
	}
	kernel, blocks, choices := gemm.For(set), tiles.For(set), processor(set)
	if precision == device.BF16 {
		if kernel, blocks = kernel.Rounded(), blocks.Rounded(); kernel == nil {
			return nil, fmt.Errorf("%w %v needs a processor with AMX, this one computes with %v: it offers %v", device.ErrPrecision, precision, set, device.FP32)
		}
		choices += " " + precision.String()
	}
	d := &Device{set: set, precision: precision, tiles: blocks, vector: vector.For(set), team: newTeam(threads), kernel: kernel, spaces: make([]*gemm.Workspace, threads), lanes: make([][]float32, threads), places: make([]pixelPlaces, threads),
		floats: newPool[float32](), labels: newPool[int32](), choices: measured.Load[chosen]("cpu", choices), decided: map[passOf]algorithm{}, reads: map[passOf]reading{}, pools: map[sizesOfPool]*pooling{}}
	for i := range d.spaces {
		d.spaces[i] = kernel.NewWorkspace(func(n int) []float32 { return d.floats.get(n, &d.stats).data })
	}
	return d, nil
}

// Name implements device.Memory.
func (d *Device) Name() string { return "cpu" }

// Describe implements device.Memory.
func (d *Device) Describe() string {
	float := "float32"
	if d.precision != device.FP32 {
		float += fmt.Sprintf(", %v products", d.precision)
	}
	return fmt.Sprintf("cpu (%s, %s/%s, %s kernels, %d threads)", float, runtime.GOOS, runtime.GOARCH, d.set, d.team.size)
}

// Float implements device.Memory.
func (d *Device) Float() tensor.Dtype { return tensor.Float32 }

// Synchronize implements device.Memory: work is done when a method returns.
func (d *Device) Synchronize() error { return nil }

// SaveChoices implements device.Measurer. A folder that cannot be written is no failure, see measured.File.
func (d *Device) SaveChoices() error {
	d.choices.Save()
	return nil
}

// Stats implements device.Memory.
func (d *Device) Stats() device.Stats { return d.stats }

// Close implements device.Memory. Memory that a tensor still has stays, so that reading it is no crash.
func (d *Device) Close() error {
	d.team.dismiss()
	d.choices.Save()
	d.sums, d.lanes, d.spaces = nil, nil, nil
	if err := device.LeakError(d); err != nil {
		return err
	}
	return errors.Join(d.floats.close(&d.stats), d.labels.close(&d.stats))
}

// partial returns n float64s of undefined contents, valid until the next call.
func (d *Device) partial(n int) []float64 {
	if cap(d.sums) < n {
		d.sums = make([]float64, n)
	}
	return d.sums[:n]
}

// lane returns n float32s of undefined contents for one worker, valid until its next call.
func (d *Device) lane(worker, n int) []float32 {
	if cap(d.lanes[worker]) < n {
		d.lanes[worker] = make([]float32, n)
	}
	return d.lanes[worker][:n]
}
