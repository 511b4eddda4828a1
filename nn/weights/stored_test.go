package weights

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device/devicetest"
	"fovea/nn"
)

// Write makes the file that Save makes, and what File.Stored lists makes it again.
func TestWrite(t *testing.T) {
	for _, name := range devicetest.Names() {
		state := network(t, openDevice(t, name), 1)
		path := filepath.Join(t.TempDir(), "a.safetensors")
		require.NoError(t, Save(path, state, nil))
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		var written bytes.Buffer
		require.NoError(t, Write(&written, Live(state), nil))
		require.Equal(t, want, written.Bytes())
		file, err := Open(path)
		require.NoError(t, err)
		var again bytes.Buffer
		require.NoError(t, Write(&again, file.Stored(), nil))
		require.Equal(t, want, again.Bytes())
		require.NoError(t, file.Close())
	}
}

// One tensor at a time is read, in the order of the file.
func TestWriteReadsOneAtATime(t *testing.T) {
	var order []string
	stored := func(name string) Stored {
		return Stored{Name: name, Shape: tensor.Shape{2}, DType: tensor.Float32, Read: func() (any, error) {
			order = append(order, name)
			return []float32{1, 2}, nil
		}}
	}
	var written bytes.Buffer
	require.NoError(t, Write(writerFunc(func(p []byte) (int, error) {
		if len(p) == 8 && len(order) > 0 {
			order = append(order, "written")
		}
		return written.Write(p)
	}), []Stored{stored("b"), stored("a")}, nil))
	require.Equal(t, []string{"a", "written", "b", "written"}, order)
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

func TestWriteFails(t *testing.T) {
	lost := errors.New("lost")
	good := Stored{Name: "a", Shape: tensor.Shape{2}, DType: tensor.Float32, Read: func() (any, error) { return []float32{1, 2}, nil }}
	bad := func(values any, err error) Stored {
		return Stored{Name: "b", Shape: tensor.Shape{2}, DType: tensor.Float32, Read: func() (any, error) { return values, err }}
	}
	for shown, tensors := range map[string][]Stored{
		"tensor b: lost": {good, bad(nil, lost)},
		"tensor b: 4 bytes of F32, expected 8 for shape (2)":            {good, bad([]float32{1}, nil)},
		"tensor b: elements are []int, expected []float32 or []float64": {good, bad([]int{1, 2}, nil)},
		"tensor a is there twice":                                       {good, good},
	} {
		require.EqualError(t, Write(&bytes.Buffer{}, tensors, nil), shown)
	}
	full := writerFunc(func([]byte) (int, error) { return 0, lost })
	require.ErrorIs(t, Write(full, []Stored{good}, nil), lost)
	path := filepath.Join(t.TempDir(), "a.safetensors")
	released := network(t, openDevice(t, "cpu"), 1)[:1]
	released = append(released, nn.Tensor{Name: released[0].Name, Tensor: released[0].Tensor})
	require.ErrorContains(t, Save(path, released, nil), "is there twice")
	require.NoFileExists(t, path)
}
