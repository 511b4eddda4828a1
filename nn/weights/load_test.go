package weights

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
)

// TestOneErrorNamesAll: what is missing, what is too many, wrong shapes and wrong element types.
func TestOneErrorNamesAll(t *testing.T) {
	path := write(t, assemble(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},`+
		`"x":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[20,28]}}`, make([]byte, 28)))
	d := openDevice(t, devicetest.Fast())
	state := []nn.Tensor{hold(t, d, "a", tensor.Shape{3}, []float32{1, 2, 3}), hold(t, d, "b", tensor.Shape{1}, []float32{4}), hold(t, d, "c", tensor.Shape{1}, []float32{5})}
	before := bitsOf(t, state)
	err := Load(path, state)
	require.EqualError(t, err, "weights "+path+": tensors do not match the network: missing c; not expected x; wrong shape a (file has [2], network expects [3]); "+
		"wrong element type b (file has I64, expected F64, F32, F16 or BF16)")
	require.ErrorIs(t, err, device.ErrShape)
	require.ErrorIs(t, err, device.ErrDType)
	require.Equal(t, before, bitsOf(t, state))

	_, err = LoadPartial(path, state) // nothing fits
	require.ErrorContains(t, err, "tensors do not match the network: missing c; not expected x")
	require.Equal(t, before, bitsOf(t, state))
}

func TestLoadPartial(t *testing.T) {
	d := openDevice(t, devicetest.Fast())
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, Save(path, []nn.Tensor{
		hold(t, d, "features.0.weight", tensor.Shape{2}, []float32{1, 2}), hold(t, d, "features.0.bias", tensor.Shape{1}, []float32{3}),
		hold(t, d, "fc.weight", tensor.Shape{4, 1}, []float32{4, 5, 6, 7}), hold(t, d, "aux.weight", tensor.Shape{1}, []float32{8})}, nil))
	for _, row := range []struct {
		name  string
		state []nn.Tensor
		want  [][]float64
		line  string
	}{
		{"another head", []nn.Tensor{hold(t, d, "features.0.weight", tensor.Shape{2}, []float32{0, 0}), hold(t, d, "features.0.bias", tensor.Shape{1}, []float32{0}),
			hold(t, d, "fc.weight", tensor.Shape{2, 1}, []float32{-1, -2}), hold(t, d, "fc.bias", tensor.Shape{1}, []float32{-3})},
			[][]float64{{1, 2}, {3}, {-1, -2}, {-3}},
			"2 of 4 tensors loaded; as they were: fc.bias, fc.weight (file has [4 1], network expects [2 1]); in the file and not used: aux.weight"},
		{"a part", []nn.Tensor{hold(t, d, "features.0.weight", tensor.Shape{2}, []float32{0, 0})}, [][]float64{{1, 2}},
			"1 of 1 tensors loaded; as they were: none; in the file and not used: aux.weight, fc.weight, features.0.bias"},
	} {
		done, err := LoadPartial(path, row.state)
		require.NoError(t, err, row.name)
		require.Equal(t, row.line, done.String(), row.name)
		for i, s := range row.state {
			values, err := s.Tensor.Floats()
			require.NoError(t, err)
			require.Equal(t, row.want[i], values, "%s: %s", row.name, s.Name)
		}
	}
}

// TestLoadPyTorchFiles reads what PyTorch wrote (scripts/record_pth.py) into tensors on every device.
func TestLoadPyTorchFiles(t *testing.T) {
	want, err := Open("pth/testdata/want.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, want.Close()) })
	for _, name := range devicetest.Names() {
		d := openDevice(t, name)
		for _, format := range []string{"zip", "zip4", "stream", "stream4", "tar", "checkpoint"} {
			path := "pth/testdata/" + format + ".pth"
			f, err := Open(path)
			require.NoError(t, err)
			require.Equal(t, "PyTorch", f.Format)
			require.NoError(t, f.Close())
			var state []nn.Tensor
			for _, x := range f.Tensors {
				if strings.HasPrefix(x.DType, "I") || strings.HasPrefix(x.DType, "U") || x.Bytes == 0 {
					continue
				}
				shape := tensor.Shape{}
				for _, n := range x.Shape {
					shape = append(shape, int(n))
				}
				state = append(state, hold(t, d, x.Name, shape, make([]float32, shape.TotalSize())))
			}
			done, err := LoadPartial(path, state) // there are integers in it
			require.NoError(t, err, path)
			require.Empty(t, done.Left, path)
			require.Equal(t, []string{"byte", "empty", "int"}, done.Skipped, path)
			for _, s := range state {
				w, err := want.Floats(s.Name)
				require.NoError(t, err)
				got, err := s.Tensor.Floats()
				require.NoError(t, err)
				require.Equal(t, w, got, "%s: %s on %s", path, s.Name, name)
			}
		}
	}
}

// A file that claims to be PyTorch's and is not says so; content decides, not the name.
func TestFormatIsFoundByContent(t *testing.T) {
	page := append([]byte("<!DOCTYPE html><title>404</title>"), make([]byte, 600)...)
	pytorch, err := os.ReadFile("pth/testdata/zip.pth")
	require.NoError(t, err)
	safe := assemble(one, make([]byte, 8))
	for _, row := range []struct {
		name    string
		content []byte
		format  string
		want    string
	}{
		{"a.pth", pytorch, "PyTorch", ""},
		{"a.safetensors", pytorch, "PyTorch", ""},
		{"a.safetensors", safe, "safetensors", ""},
		{"a.pth", safe, "safetensors", ""},
		{"a.pth", page, "", "not a whole PyTorch file: neither a zip archive, nor a stream of pickles, nor a tar archive of torch.save"},
		{"a.PT", nil, "", "not a whole PyTorch file: "},
		{"a.safetensors", page, "", "not a whole safetensors file: header of"},
		{"a", nil, "", "not a whole safetensors file: 0 bytes"},
	} {
		path := filepath.Join(t.TempDir(), row.name)
		require.NoError(t, os.WriteFile(path, row.content, 0o666))
		f, err := Open(path)
		if row.want != "" {
			require.ErrorContains(t, err, "weights "+path+": "+row.want)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Equal(t, row.format, f.Format)
	}
}

// TestDamagedNumbers: an archive of PyTorch has checksums, and they are heeded.
func TestDamagedNumbers(t *testing.T) {
	content, err := os.ReadFile("pth/testdata/zip.pth")
	require.NoError(t, err)
	f, err := Open("pth/testdata/zip.pth")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	content[f.header.tensors["float"].begin]++
	path := write(t, content)
	d := openDevice(t, "reference")
	state := []nn.Tensor{hold(t, d, "float", tensor.Shape{2, 3}, make([]float32, 6))}
	_, err = LoadPartial(path, state)
	require.ErrorContains(t, err, "is damaged: its checksum is")
	f, err = Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.ErrorContains(t, f.Convert(filepath.Join(t.TempDir(), "out"), nil), "is damaged: its checksum is")
}
