package devicetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"fovea/device"
)

// MemoryRow is one property of a device's memory.
type MemoryRow struct {
	Name  string
	Skip  func(d device.Device) string // the reason why the device need not have it; nil: it must
	Check func(d device.Device) error
}

// MemoryRows are the properties that every device's memory must have; checkClose is the one that needs a device of its own.
func MemoryRows() []MemoryRow {
	return []MemoryRow{
		{"round trips", nil, checkRoundTrips},
		{"an uploaded slice may be overwritten", nil, checkUploadCopies},
		{"transfers that do not fit", nil, checkTransferErrors},
		{"tensors that cannot be", nil, checkNewErrors},
		{"owners and views", nil, checkOwners},
		{"a tensor freed is not released again", nil, checkReleasePanics},
		{"statistics", nil, checkStats},
		{"a second step asks the system for nothing", skipUnpooled, checkPool},
	}
}

// with gives check a tensor and releases it.
func with(d device.Device, s tensor.Shape, dtype tensor.Dtype, check func(t *device.Tensor) error) error {
	t, err := d.New(s, dtype)
	if err != nil {
		return fmt.Errorf("New(%v, %v): %w", s, dtype, err)
	}
	defer t.Release()
	return check(t)
}

func checkRoundTrips(d device.Device) error {
	for _, s := range []tensor.Shape{{}, {1}, {0, 3}, {7}, {2, 3, 5, 7}, {1, 17, 3, 3}, {20001}} {
		n := device.Size(s)
		real := make([]float64, n)
		for i := range real {
			real[i] = 1.0/3 + float64(i)
		}
		for i, v := range []float64{nan, inf, -inf, tiny, minus0, huge, 1e300, 1e-300} {
			if n > 2*i+1 {
				real[2*i+1] = v
			}
		}
		single, labels := make([]float32, n), make([]int32, n)
		for i, v := range real {
			single[i], labels[i] = float32(v), int32(i*7919-math.MaxInt32/2)
		}
		if n > 1 {
			labels[0], labels[n-1] = math.MinInt32, math.MaxInt32
		}
		rounded := make([]float64, n) // what a float32 holds of it
		for i, v := range single {
			rounded[i] = float64(v)
		}
		kept := real
		if d.Float() == tensor.Float32 {
			kept = rounded
		}
		err := with(d, s, d.Float(), func(t *device.Tensor) error {
			float64s, float32s := make([]float64, n), make([]float32, n)
			return errors.Join(
				roundTrip(t, real, float64s, kept), roundTrip(t, real, float32s, rounded),
				roundTrip(t, single, float64s, rounded), roundTrip(t, single, float32s, rounded))
		})
		if err == nil {
			err = with(d, s, tensor.Int32, func(t *device.Tensor) error {
				back := make([]int32, n)
				if err := errors.Join(d.Upload(t, labels), d.Download(back, t)); err != nil {
					return err
				}
				if !slices.Equal(labels, back) {
					return fmt.Errorf("int32 elements %v came back as %v", head(labels), head(back))
				}
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("shape %v: %w", s, err)
		}
	}
	return nil
}

// roundTrip uploads one slice and downloads into another, which must then hold want.
func roundTrip(t *device.Tensor, up, down any, want []float64) error {
	if err := errors.Join(t.Device.Upload(t, up), t.Device.Download(down, t)); err != nil {
		return err
	}
	got, wide := down.([]float64)
	if !wide {
		got = make([]float64, len(want))
		for i, v := range down.([]float32) {
			got[i] = float64(v)
		}
	}
	if err := unchanged(got, want, t.Shape); err != nil {
		return fmt.Errorf("uploaded as %T, downloaded as %T: %w", up, down, err)
	}
	return nil
}

func head[T any](x []T) []T { return x[:min(len(x), 8)] }

func checkUploadCopies(d device.Device) error {
	return with(d, tensor.Shape{20000}, d.Float(), func(t *device.Tensor) error {
		src := make([]float32, t.Size())
		for i := range src {
			src[i] = float32(i)
		}
		if err := d.Upload(t, src); err != nil {
			return err
		}
		clear(src)
		got, err := t.Floats()
		if err != nil {
			return err
		}
		for i, v := range got {
			if v != float64(i) {
				return fmt.Errorf("element %d is %v, was %d before the slice was overwritten", i, v, i)
			}
		}
		return nil
	})
}

func checkTransferErrors(d device.Device) error {
	shape := tensor.Shape{2, 3}
	rows := []struct {
		dtype tensor.Dtype
		host  any
		want  error
	}{
		{d.Float(), make([]float32, 5), device.ErrShape},
		{d.Float(), make([]float64, 7), device.ErrShape},
		{d.Float(), make([]float64, 0), device.ErrShape},
		{tensor.Int32, make([]int32, 5), device.ErrShape},
		{d.Float(), make([]int32, 6), device.ErrDType},
		{tensor.Int32, make([]float32, 6), device.ErrDType},
		{tensor.Int32, make([]float64, 6), device.ErrDType},
		{d.Float(), make([]int, 6), device.ErrDType},
		{d.Float(), make([]byte, 6), device.ErrDType},
		{d.Float(), float32(1), device.ErrDType},
		{d.Float(), nil, device.ErrDType},
	}
	for _, r := range rows {
		err := with(d, shape, r.dtype, func(t *device.Tensor) error {
			for name, err := range map[string]error{"upload": d.Upload(t, r.host), "download": d.Download(r.host, t)} {
				if !errors.Is(err, r.want) {
					return fmt.Errorf("%s of a %T with a tensor %v of %v: got error %v, expected one that wraps %q", name, r.host, shape, r.dtype, err, r.want)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return d.Synchronize() // a refused transfer is no failure of the device
}

func checkNewErrors(d device.Device) error {
	other := tensor.Float64
	if d.Float() == tensor.Float64 {
		other = tensor.Float32
	}
	for _, r := range []struct {
		shape tensor.Shape
		dtype tensor.Dtype
		want  error
	}{
		{tensor.Shape{2, -1}, d.Float(), device.ErrShape},
		{tensor.Shape{1 << 31, 1 << 31, 1 << 31}, d.Float(), device.ErrShape},
		{tensor.Shape{1 << 62}, tensor.Int32, device.ErrShape},
		{tensor.Shape{2}, other, device.ErrDType},
		{tensor.Shape{2}, tensor.Int64, device.ErrDType},
		{tensor.Shape{2}, tensor.String, device.ErrDType},
	} {
		before := d.Stats()
		if t, err := d.New(r.shape, r.dtype); !errors.Is(err, r.want) || t != nil {
			return fmt.Errorf("New(%v, %v) gave error %v, expected one that wraps %q and no tensor", r.shape, r.dtype, err, r.want)
		}
		if after := d.Stats(); after != before {
			return fmt.Errorf("New(%v, %v) failed but changed the statistics from %+v to %+v", r.shape, r.dtype, before, after)
		}
	}
	return nil
}

func checkOwners(d device.Device) error {
	before := d.Stats().LiveTensors
	alive := func(want int64, when string) error {
		if got := d.Stats().LiveTensors - before; got != want {
			return fmt.Errorf("%d tensors live %s, expected %d", got, when, want)
		}
		return nil
	}
	elements := []float32{1, 2, 3, 4, 5, 6}
	x, err := device.FromSlice(d, tensor.Shape{2, 3}, elements)
	if err != nil {
		return err
	}
	first, err := d.Reshape(x, tensor.Shape{3, 2})
	if err != nil {
		return err
	}
	second, err := d.Reshape(first, tensor.Shape{6})
	if err != nil {
		return err
	}
	x.Retain()
	x.Release()
	if x.Handle == nil {
		return errors.New("a retained tensor was freed by the first release")
	}
	x.Release()
	first.Release()
	got := make([]float32, 6)
	if err := d.Download(got, second); err != nil {
		return fmt.Errorf("view of a view whose bases were released: %w", err)
	}
	if !slices.Equal(got, elements) {
		return fmt.Errorf("view of a view whose bases were released holds %v, expected %v", got, elements)
	}
	if err := alive(1, "while a view is in use"); err != nil {
		return err
	}
	// New memory must not be what the view shows.
	err = with(d, tensor.Shape{2, 3}, d.Float(), func(y *device.Tensor) error {
		return errors.Join(d.Fill(y, 9), d.Download(got, second))
	})
	if err != nil {
		return err
	}
	if !slices.Equal(got, elements) {
		return fmt.Errorf("a new tensor took the memory of a view in use: it holds %v, expected %v", got, elements)
	}
	second.Release()
	return alive(0, "after the last release")
}

func checkReleasePanics(d device.Device) error {
	x, err := d.New(tensor.Shape{2}, d.Float())
	if err != nil {
		return err
	}
	x.Release()
	live := d.Stats().LiveTensors
	for name, do := range map[string]func(){"Release": func() { x.Release() }, "Retain": func() { x.Retain() }} {
		if !panics(do) {
			return fmt.Errorf("%s of a freed tensor does not panic", name)
		}
	}
	if now := d.Stats().LiveTensors; now != live {
		return fmt.Errorf("releasing twice changed the live tensors from %d to %d", live, now)
	}
	return nil
}

func panics(do func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	do()
	return false
}

func checkStats(d device.Device) error {
	before := d.Stats()
	var all []*device.Tensor
	for range 3 {
		t, err := d.New(tensor.Shape{100, 10}, d.Float())
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	held := d.Stats()
	bytes := int64(3 * 1000 * d.Float().Size())
	for _, t := range all {
		t.Release()
	}
	after := d.Stats()
	switch {
	case held.LiveTensors != before.LiveTensors+3:
		return fmt.Errorf("live tensors went from %d to %d with three more", before.LiveTensors, held.LiveTensors)
	case held.LiveBytes != before.LiveBytes+bytes:
		return fmt.Errorf("live bytes went from %d to %d with %d more", before.LiveBytes, held.LiveBytes, bytes)
	case held.PeakBytes < held.LiveBytes || held.SystemBytes < held.LiveBytes:
		return fmt.Errorf("%d bytes live are more than the peak %d or what the system gave, %d", held.LiveBytes, held.PeakBytes, held.SystemBytes)
	case after.LiveTensors != before.LiveTensors || after.LiveBytes != before.LiveBytes:
		return fmt.Errorf("%d tensors (%d bytes) live after release, %d (%d) before", after.LiveTensors, after.LiveBytes, before.LiveTensors, before.LiveBytes)
	case after.PeakBytes < held.LiveBytes:
		return fmt.Errorf("the peak %d forgot %d live bytes", after.PeakBytes, held.LiveBytes)
	}
	return nil
}

// skipUnpooled tells by what is held when nothing is alive.
func skipUnpooled(d device.Device) string {
	err := with(d, tensor.Shape{1000}, d.Float(), func(*device.Tensor) error { return nil })
	if s := d.Stats(); err == nil && s.LiveTensors == 0 && s.SystemBytes == 0 {
		return d.Name() + " keeps no pool: what is released goes back to the system"
	}
	return ""
}

// checkPool makes a step of one case of each row, with activations where there are such.
func checkPool(d device.Device) error {
	p := Precision{Activations: offers[device.Compact](d)}
	step := func() error {
		for _, row := range Rows() {
			c := row.Cases[len(row.Cases)/2]
			if _, err := row.Results(d, c, 1, p); err != nil {
				return err
			}
		}
		return nil
	}
	if err := step(); err != nil {
		return err
	}
	first := d.Stats()
	for range 2 {
		if err := step(); err != nil {
			return err
		}
		if again := d.Stats(); again.SystemAllocations != first.SystemAllocations || again.SystemBytes != first.SystemBytes {
			return fmt.Errorf("the same step again took the system allocations from %d to %d and its bytes from %d to %d",
				first.SystemAllocations, again.SystemAllocations, first.SystemBytes, again.SystemBytes)
		}
	}
	return nil
}

// checkClose opens two devices: one is closed empty, one with a tensor left.
func checkClose(open func() (device.Device, error)) error {
	d, err := open()
	if err != nil {
		return err
	}
	t, err := d.New(tensor.Shape{3}, d.Float())
	if err != nil {
		return err
	}
	t.Release()
	if err := d.Close(); err != nil {
		return fmt.Errorf("all was released, but closing says: %w", err)
	}
	if d, err = open(); err != nil {
		return err
	}
	if _, err := d.New(tensor.Shape{3}, d.Float()); err != nil {
		return err
	}
	if err := d.Close(); err == nil || !strings.Contains(err.Error(), "1 tensors") {
		return fmt.Errorf("a tensor was left, closing says: %v, expected an error with \"1 tensors\"", err)
	}
	return nil
}
