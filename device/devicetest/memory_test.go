package devicetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/reference"
)

// careless is a device with bugs in its memory, each where a function is set.
type careless struct {
	device.Device
	create   func(d device.Device, s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error)
	free     func(d device.Device, t *device.Tensor)
	upload   func(d device.Device, dst *device.Tensor, src any) error
	download func(d device.Device, dst any, src *device.Tensor) error
	reshape  func(d device.Device, x *device.Tensor, s tensor.Shape) (*device.Tensor, error)
	stats    func(s device.Stats) device.Stats
	close    func(d device.Device) error
}

func (d *careless) New(s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	create := device.Device.New
	if d.create != nil {
		create = d.create
	}
	t, err := create(d.Device, s, dtype)
	if t != nil {
		t.Device = d
	}
	return t, err
}

func (d *careless) Free(t *device.Tensor) {
	if d.free != nil {
		d.free(d.Device, t)
		return
	}
	d.Device.Free(t)
}

func (d *careless) Upload(dst *device.Tensor, src any) error {
	if d.upload != nil {
		return d.upload(d.Device, dst, src)
	}
	return d.Device.Upload(dst, src)
}

func (d *careless) Download(dst any, src *device.Tensor) error {
	if d.download != nil {
		return d.download(d.Device, dst, src)
	}
	return d.Device.Download(dst, src)
}

func (d *careless) Reshape(x *device.Tensor, s tensor.Shape) (*device.Tensor, error) {
	if d.reshape != nil {
		return d.reshape(d.Device, x, s)
	}
	return d.Device.Reshape(x, s)
}

func (d *careless) Stats() device.Stats {
	if d.stats != nil {
		return d.stats(d.Device.Stats())
	}
	return d.Device.Stats()
}

func (d *careless) Close() error {
	if d.close != nil {
		return d.close(d.Device)
	}
	return d.Device.Close()
}

func TestBugsOfMemoryAreFound(t *testing.T) {
	for _, bug := range []struct {
		row, name string
		device    careless
	}{
		{"round trips", "no upload", careless{upload: func(device.Device, *device.Tensor, any) error { return nil }}},
		{"round trips", "no download", careless{download: func(device.Device, any, *device.Tensor) error { return nil }}},
		{"round trips", "float64 not rounded but cut", careless{upload: func(d device.Device, dst *device.Tensor, src any) error {
			if wide, ok := src.([]float64); ok && len(wide) > 0 {
				wide = append([]float64(nil), wide...)
				wide[0] = wide[0] * (1 - 1e-7)
				src = wide
			}
			return d.Upload(dst, src)
		}}},
		{"round trips", "scalars refused", careless{create: func(d device.Device, s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
			if len(s) == 0 {
				return nil, device.ErrShape
			}
			return d.New(s, dtype)
		}}},
		{"an uploaded slice may be overwritten", "upload reads later", careless{download: func(d device.Device, dst any, src *device.Tensor) error {
			if src.Size() == 20000 {
				clear(dst.([]float64))
				return nil
			}
			return d.Download(dst, src)
		}}},
		{"transfers that do not fit", "lengths not checked", careless{upload: func(_ device.Device, _ *device.Tensor, _ any) error { return nil }}},
		{"transfers that do not fit", "types not told apart", careless{download: func(d device.Device, dst any, src *device.Tensor) error {
			if _, labels := dst.([]int32); labels {
				return nil
			}
			return d.Download(dst, src)
		}}},
		{"tensors that cannot be", "any type will do", careless{create: func(d device.Device, s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
			if dtype != tensor.Int32 {
				dtype = d.Float()
			}
			return d.New(s, dtype)
		}}},
		{"tensors that cannot be", "negative sizes taken for 0", careless{create: func(d device.Device, s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
			for _, n := range s {
				if n < 0 {
					return d.New(tensor.Shape{0}, dtype)
				}
			}
			return d.New(s, dtype)
		}}},
		{"tensors that cannot be", "refused but counted", careless{create: func(d device.Device, s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
			t, err := d.New(s, dtype)
			if err != nil {
				_, _ = d.New(tensor.Shape{1}, d.Float())
			}
			return t, err
		}}},
		{"owners and views", "a view does not keep its base", careless{reshape: func(d device.Device, x *device.Tensor, s tensor.Shape) (*device.Tensor, error) {
			return device.NewTensor(d, s, x.DType, x.Handle), nil
		}}},
		{"owners and views", "nothing is freed", careless{free: func(device.Device, *device.Tensor) {}}},
		{"statistics", "live tensors not counted", careless{stats: func(s device.Stats) device.Stats { s.LiveTensors = 0; return s }}},
		{"statistics", "live bytes not counted", careless{stats: func(s device.Stats) device.Stats { s.LiveBytes = 0; return s }}},
		{"statistics", "peak is what lives", careless{stats: func(s device.Stats) device.Stats { s.PeakBytes = s.LiveBytes; return s }}},
	} {
		t.Run(bug.row+"/"+bug.name, func(t *testing.T) {
			bug.device.Device = reference.New()
			require.Error(t, memoryRow(t, bug.row).Check(&bug.device))
		})
	}
}

func memoryRow(t *testing.T, name string) MemoryRow {
	for _, row := range MemoryRows() {
		if row.Name == name {
			return row
		}
	}
	require.FailNow(t, "no memory row "+name)
	return MemoryRow{}
}

func TestPoolThatDoesNotReuseIsFound(t *testing.T) {
	row := memoryRow(t, "a second step asks the system for nothing")
	require.NotEmpty(t, row.Skip(reference.New()))
	pooled, err := cpu.New(1)
	require.NoError(t, err)
	defer func() { require.NoError(t, pooled.Close()) }()
	require.Empty(t, row.Skip(pooled))
	leaky := &careless{Device: pooled, stats: func(s device.Stats) device.Stats { return s }}
	require.NoError(t, row.Check(leaky))
	asked := int64(0)
	leaky.create = func(d device.Device, s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
		asked++
		return d.New(s, dtype)
	}
	leaky.stats = func(s device.Stats) device.Stats { s.SystemAllocations = asked; return s }
	require.ErrorContains(t, row.Check(leaky), "system allocations")
}

func TestCloseThatHidesLeaksIsFound(t *testing.T) {
	open := func(close func(d device.Device) error) func() (device.Device, error) {
		return func() (device.Device, error) { return &careless{Device: reference.New(), close: close}, nil }
	}
	require.NoError(t, checkClose(open(nil)))
	require.ErrorContains(t, checkClose(open(func(device.Device) error { return nil })), "a tensor was left")
	require.ErrorContains(t, checkClose(open(func(device.Device) error { return device.ErrShape })), "all was released")
}
