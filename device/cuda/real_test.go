//go:build cuda

package cuda

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/device/cuda/launch"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/zoo"
)

// realVariable tells the process that TestRealLibraries starts the folder of NVIDIA's libraries.
const realVariable = "FOVEA_TEST_REAL_LIBRARIES"

// NVIDIA's own libraries, not the emulated ones, export every function that is bound, and take every descriptor that a
// network of the zoo makes at its own input size. They need no GPU for that, but a process without the emulated ones.
func TestRealLibraries(t *testing.T) {
	toolkit := cmp.Or(os.Getenv("CUDA_HOME"), os.Getenv("FOVEA_CUDA_DIR"), filepath.Join(os.Getenv("HOME"), ".cache", "fovea", "cuda-13.0"))
	places := []string{filepath.Join(toolkit, "lib"), filepath.Join(toolkit, "lib64")}
	if !control.Present() {
		places = append(places, filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...)
	}
	at := slices.IndexFunc(places, func(place string) bool {
		_, err := os.Stat(filepath.Join(place, "libcudnn.so.9"))
		return err == nil
	})
	if at < 0 {
		t.Skipf("NVIDIA's libcudnn.so.9 is in none of %v (make cuda-toolkit)", places)
	}
	child, path := exec.Command(os.Args[0], "-test.run=^TestRealLibrariesHere$", "-test.v"), places[at]
	if at >= 2 {
		path = os.Getenv("LD_LIBRARY_PATH") // that has cuBLASLt too, maybe elsewhere
	}
	child.Env = append(os.Environ(), "LD_LIBRARY_PATH="+path, realVariable+"="+places[at])
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestRealLibrariesHere", "%s", out)
	t.Logf("%s", out)
}

func TestRealLibrariesHere(t *testing.T) {
	folder := os.Getenv(realVariable)
	if folder == "" {
		t.Skip("a part of TestRealLibraries, in a process of its own")
	}
	require.NoError(t, loadLibraries(), "of %s", folder)
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	real, err := filepath.EvalSymlinks(filepath.Join(folder, "libcudnn.so.9"))
	require.NoError(t, err)
	require.True(t, strings.Contains(string(maps), real), "another libcudnn.so.9 than %s was loaded", real)
	require.False(t, control.Present(), "the emulated driver was loaded")

	for _, name := range zoo.Names() {
		t.Run(name, func(t *testing.T) {
			model, err := zoo.Find(name)
			require.NoError(t, err)
			for _, row := range []struct {
				batch     int
				precision device.Precision
				products  launch.Type
			}{{1, device.FP32, launch.F32}, {64, device.FP32, launch.F32}, {64, device.TF32, launch.F32}, {64, device.BF16, launch.BF16}} {
				d := &describing{cuda: Device{precision: row.precision, products: row.products}}
				n := &d.cuda.dnn
				empty(&n.tensors)
				empty(&n.filters)
				empty(&n.convs)
				empty(&n.pools)
				empty(&n.activations)
				empty(&n.lrns)
				require.NoError(t, d.forward(model, row.batch), "%+v", row)
				require.NotEmpty(t, n.tensors, "%+v", row)
				t.Logf("batch %d, %v: %d tensors, %d filters, %d convolutions, %d poolings, %d LRN, %d activations; not cuDNN's: %d poolings", row.batch,
					row.precision, len(n.tensors), len(n.filters), len(n.convs), len(n.pools), len(n.lrns), len(n.activations), d.ours)
				require.NoError(t, n.release())
			}
		})
	}
}

func empty[K comparable, V any](m *map[K]V) { *m = map[K]V{} }

// describing is a device that makes cuDNN's descriptors of what it is asked, as Device does, and computes nothing.
type describing struct {
	device.Device // what a forward pass does not ask for
	cuda          Device
	ours          int // poolings that cuDNN does not have
}

// forward asks for a forward pass as in training.
func (d *describing) forward(m zoo.Model, batch int) error {
	net, err := nn.Describe(m.New(m.Classes), m.Sample)
	if err != nil {
		return err
	}
	input := autograd.Described("input", append(tensor.Shape{batch}, m.Sample...))
	for _, p := range append(net.Parameters, input) {
		p.Tensor().Device = d
	}
	for _, b := range net.Buffers {
		b.Tensor.Device = d
	}
	tape := autograd.NewTape(d)
	tape.Training = true
	y := net.Forward(tape.Use(input))
	if err := tape.Err(); err != nil {
		return err
	}
	defer tape.Reset()
	if want := (tensor.Shape{batch, m.Classes}); !device.EqualShape(y.Shape(), want) {
		return fmt.Errorf("%s gives %v, expected %v", m.Name, y.Shape(), want)
	}
	return nil
}

func (d *describing) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	return device.NewTensor(d, shape, dtype, nil), nil
}

func (d *describing) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return device.NewTensor(d, shape, x.DType, nil), nil
}

func (d *describing) Float() tensor.Dtype { return tensor.Float32 }
func (d *describing) Free(*device.Tensor) {}

// Conv compares the output's size in plan.
func (d *describing) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	if s.Padding.Top != s.Padding.Bottom || s.Padding.Left != s.Padding.Right {
		return fmt.Errorf("conv2d of %v with %v has padding %+v: Device would copy x first", x.Shape, w.Shape, s.Padding)
	}
	if _, err := d.cuda.plan(x.Shape, w.Shape, y.Shape, s); err != nil || b == nil {
		return err
	}
	bias := vector(y.Shape[1])
	bias.type_ = d.cuda.products
	_, err := d.cuda.dnn.tensor(bias)
	return err
}

func (d *describing) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	key, has := pooling(x.Shape, y.Shape, s)
	if !has {
		d.ours++
		return nil
	}
	got, err := d.cuda.dnn.pooled(key, describe(x.Shape))
	if err == nil && !device.EqualShape(got, y.Shape) {
		err = fmt.Errorf("cuDNN expects an output of %v, the shape rule says %v", got, y.Shape)
	}
	return err
}

func (d *describing) BatchNorm(_, _, _, _, _, x, _, _ *device.Tensor, _ device.BatchNormSpec) error {
	_, _, err := d.cuda.dnn.normalised(describe(x.Shape))
	return err
}

func (d *describing) LRN(_, x *device.Tensor, s device.LRNSpec) error {
	if !lrnTheirs(s) {
		return nil
	}
	if _, err := d.cuda.dnn.lrn(s); err != nil {
		return err
	}
	_, err := d.cuda.dnn.tensor(describe(x.Shape))
	return err
}

func (d *describing) Activate(_, x *device.Tensor, s device.ActivationSpec) error {
	mode, has := theirs[s.Kind]
	if !has {
		return nil
	}
	if _, err := d.cuda.dnn.activation(mode, s.Alpha, 1); err != nil { // CUDNN_PROPAGATE_NAN
		return err
	}
	_, err := d.cuda.dnn.tensor(flat(x.Size()))
	return err
}

func (d *describing) Softmax(_, x *device.Tensor, _ bool) error {
	_, err := d.cuda.dnn.tensor(describe(x.Shape))
	return err
}

// What is not cuDNN's.

func (d *describing) Upload(*device.Tensor, any) error                              { return nil }
func (d *describing) Fill(*device.Tensor, float64) error                            { return nil }
func (d *describing) Linear(_, _, _, _ *device.Tensor) error                        { return nil }
func (d *describing) MatMul(_, _, _ *device.Tensor, _, _ bool) error                { return nil }
func (d *describing) Binary(_, _, _ *device.Tensor, _ device.BinaryKind) error      { return nil }
func (d *describing) Dropout(_, _ *device.Tensor, _ float64, _ philox.Stream) error { return nil }
func (d *describing) ContrastNorm(_, _ *device.Tensor, _ device.LRNSpec) error      { return nil }
func (d *describing) Maxout(_, _ *device.Tensor, _ int) error                       { return nil }
func (d *describing) CopyRegion(_ *device.Tensor, _ []int, _ *device.Tensor, _, _ []int) error {
	return nil
}
