//go:build cuda

package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/nn/zoo"
)

// metered is the device with a count of what each operation of ours moves, and of what it cannot do without.
type metered struct {
	*Device
	t       *testing.T
	kernels []string           // launched by the operation
	stray   []string           // launched by operations that are not metered
	moved   map[string]float64 // bytes read and written, by operation
	least   map[string]float64
}

func (m *metered) New(s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	x, err := m.Device.New(s, dtype)
	if err == nil {
		x.Device = m
	}
	return x, err
}

func (m *metered) NewActivation(s tensor.Shape) (*device.Tensor, error) {
	return m.New(s, tensor.Float32)
}

// op runs an operation alone. elements are those that it must read or write.
func (m *metered) op(name string, elements int, run func() error) error {
	counter := func() (bytes float64) {
		require.NoError(m.t, m.Device.Synchronize())
		seen := map[string]bool{}
		for _, k := range m.kernels {
			if !seen[k] {
				seen[k] = true
				bytes += float64(control.Counter("kernel:"+k+":read_bytes") + control.Counter("kernel:"+k+":write_bytes"))
			}
		}
		return bytes
	}
	require.NoError(m.t, m.Device.Synchronize())
	control.Reset()
	m.stray, m.kernels = append(m.stray, m.kernels...), nil
	err := run()
	m.moved[name] += counter()
	m.kernels = nil
	m.least[name] += float64(4 * elements)
	return err
}

func (m *metered) Fill(x *device.Tensor, v float64) error {
	return m.op("fill", x.Size(), func() error { return m.Device.Fill(x, v) })
}

func (m *metered) Binary(y, a, b *device.Tensor, kind device.BinaryKind) error {
	return m.op("binary", y.Size()+a.Size()+b.Size(), func() error { return m.Device.Binary(y, a, b, kind) })
}

func (m *metered) Upload(x *device.Tensor, from any) error {
	return m.op("upload", 2*x.Size(), func() error { return m.Device.Upload(x, from) })
}

func (m *metered) BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	n := 3*x.Size() + 10*x.Shape[1] // statistics: x; the rest: x, y. Vectors: mean and spread twice, running ones read and written, scale, shift
	if residual != nil {
		n += x.Size()
	}
	return m.op("batch_norm_relu", n, func() error {
		return m.Device.BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift, s)
	})
}

func (m *metered) BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	n := 7*x.Size() + 9*x.Shape[1] // sums: dy, x, y; the rest: these and dx. Vectors: mean, spread, dscale, dshift twice, scale
	if dresidual != nil {
		n += x.Size()
	}
	return m.op("gradient of batch_norm_relu", n, func() error {
		return m.Device.BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd)
	})
}

func (m *metered) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	if s.Kind != device.MaxPool {
		return m.Device.PoolBackward(dx, dy, x, y, s)
	}
	return m.op("gradient of max_pool", 2*x.Size()+2*y.Size(), func() error { return m.Device.PoolBackward(dx, dy, x, y, s) })
}

func (m *metered) SumChannels(db, dy *device.Tensor) error {
	return m.op("gradient of bias", db.Size()+dy.Size(), func() error { return m.Device.SumChannels(db, dy) })
}

func (m *metered) CrossEntropy(loss, x, labels *device.Tensor) error {
	return m.op("cross_entropy", 1+x.Size()+labels.Size(), func() error { return m.Device.CrossEntropy(loss, x, labels) })
}

func (m *metered) CrossEntropyBackward(dx, dloss, x, labels *device.Tensor) error {
	return m.op("gradient of cross_entropy", 1+2*x.Size()+labels.Size(), func() error { return m.Device.CrossEntropyBackward(dx, dloss, x, labels) })
}

func (m *metered) SGD(list []device.Update, s device.SGDSpec) error {
	n := 0
	for _, u := range list {
		n += 5 * u.Value.Size()
	}
	return m.op("sgd", n, func() error { return m.Device.SGD(list, s) })
}

// TestStepTraffic: in a training step of ResNet-50 our own kernels move together no more than a tenth beyond what their
// operations cannot do without. TestTraffic of package launch holds each kernel to a tenth on layers of ordinary size; the maps
// here are small, so that batch normalisation, which then gives a block few rows to keep every multiprocessor busy, reads its
// vectors of channels more often.
func TestStepTraffic(t *testing.T) {
	needEmulator(t)
	if testing.Short() {
		t.Skip("executes a step of ResNet-50 with every byte counted: about 10 s")
	}
	d := mustOpen(t)
	m := &metered{Device: d, t: t, moved: map[string]float64{}, least: map[string]float64{}}
	model, err := zoo.Find("resnet50")
	require.NoError(t, err)
	r, err := newTraining(m, model.New(10), 4, 64)
	require.NoError(t, err)
	require.NoError(t, r.step())
	d.queue.library = hook(d.queue.library, &m.kernels)
	do(t, "count-bytes 1")
	clear(m.moved)
	clear(m.least)
	m.kernels = nil
	require.NoError(t, r.step())
	do(t, "count-bytes 0")
	require.Empty(t, append(m.stray, m.kernels...), "kernels launched by operations that are not metered")
	var moved, least float64
	for name, bytes := range m.moved {
		t.Logf("%-30s moved %10.0f bytes of %10.0f: %.3f", name, bytes, m.least[name], bytes/m.least[name])
		moved += bytes
		least += m.least[name]
		if bytes > 1<<20 {
			require.LessOrEqual(t, bytes/m.least[name], 1.15, "%s moved %.0f bytes, %.0f would do", name, bytes, m.least[name])
			require.GreaterOrEqual(t, bytes/m.least[name], 0.99, "%s moved %.0f bytes, but %.0f are needed", name, bytes, m.least[name])
		}
	}
	t.Logf("%-30s moved %10.0f bytes of %10.0f: %.3f", "all", moved, least, moved/least)
	require.LessOrEqual(t, moved/least, 1.1)
	r.release()
	require.NoError(t, d.Close())
}

// hook notes the kernels that are asked for. (F is a type of C, which tests cannot name.)
func hook[F any](library func(kernel string) (F, error), asked *[]string) func(kernel string) (F, error) {
	return func(kernel string) (F, error) {
		*asked = append(*asked, kernel)
		return library(kernel)
	}
}
