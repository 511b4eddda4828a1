package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func TestOpen(t *testing.T) {
	f, err := Open("pth/testdata/stream.pth")
	require.NoError(t, err)
	defer f.Close()
	var lines []string
	for _, x := range f.Tensors[:9] {
		lines = append(lines, fmt.Sprint(x.Name, " ", x.DType, " ", x.Shape, " ", x.Bytes))
	}
	require.Equal(t, []string{"float F32 [2 3] 24", "double F64 [5] 40", "half F16 [2 2] 8", "brain BF16 [3] 6", "bn.num_batches_tracked I64 [] 8", "int I32 [3] 12",
		"byte U8 [4] 4", "transposed F32 [4 3] 48", "channels_last F32 [2 3 4 5] 480"}, lines)
	_, err = f.Floats("none")
	require.ErrorContains(t, err, "no tensor none in it")
	_, err = f.Floats("int")
	require.ErrorContains(t, err, "tensor int: wrong element type: file has I32")
}

// TestConvert writes PyTorch's files as safetensors: the same names, types, shapes and bytes.
func TestConvert(t *testing.T) {
	content, err := os.ReadFile("pth/testdata/want.safetensors")
	require.NoError(t, err)
	want, err := safetensors.Deserialize(content)
	require.NoError(t, err)
	for _, format := range []string{"zip", "stream", "tar", "checkpoint"} {
		f, err := Open("pth/testdata/" + format + ".pth")
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "out.safetensors")
		card := &Card{Model: "m", Outputs: 2, Sample: tensor.Shape{1, 2, 2}}
		require.NoError(t, f.Convert(path, card), format)
		require.NoError(t, f.Close())
		read, err := ReadCard(path)
		require.NoError(t, err)
		require.Equal(t, card, read)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		got, err := safetensors.Deserialize(content)
		require.NoError(t, err)
		require.Len(t, got.Tensors(), len(f.Tensors)-1, format)
		for _, named := range got.Tensors() {
			w, there := want.Tensor(named.Name)
			require.True(t, there, named.Name)
			require.NotContains(t, named.Name, pytorchCounter)
			require.Equal(t, w.DType(), named.TensorView.DType(), "%s: %s", format, named.Name)
			require.Equal(t, w.Shape(), named.TensorView.Shape(), "%s: %s", format, named.Name)
			require.Equal(t, w.Data(), named.TensorView.Data(), "%s: %s", format, named.Name)
		}
	}
	f, err := Open("pth/testdata/zip.pth")
	require.NoError(t, err)
	defer f.Close()
	require.ErrorContains(t, f.Convert("none/out", nil), "weights none/out: ")
}

// TestScattered reads tensors whose elements lie in any order, over more than a piece of the file, and with gaps.
func TestScattered(t *testing.T) {
	for _, row := range []struct{ shape, strides []int64 }{
		{[]int64{300, 200}, []int64{1, 300}},
		{[]int64{5, 7, 11, 13}, []int64{1001, 1, 91, 7}},                 // channels last
		{[]int64{20_000, 3}, []int64{5, 2}},                              // gaps
		{[]int64{2, 1, 9000}, []int64{1, 77, 2}},                         // an axis of one element
		{[]int64{3, 2, 4}, []int64{100_000, 1, 2}},                       // far apart
		{[]int64{64, 64, 3, 3}, []int64{1, 64, 3 * 64 * 64, 64 * 64}},    // H and W outermost
		{[]int64{1, 1}, []int64{5, 5}}, {[]int64{0, 4}, []int64{1, 900}}, // nothing to be turned
	} {
		reach, size := int64(0), int64(1)
		for i, n := range row.shape {
			reach += max(0, n-1) * row.strides[i]
			size *= n
		}
		content := make([]byte, 4*(reach+8))
		for i := range reach + 8 {
			binary.LittleEndian.PutUint32(content[4*i:], uint32(i))
		}
		e := entry{dtype: safetensors.I32, shape: row.shape, strides: row.strides, begin: 4 * 3, end: 4*3 + 4*size}
		var got []byte
		var err error
		used := allocated(func() { got, err = e.raw(bytes.NewReader(content)) })
		require.NoError(t, err)
		require.LessOrEqual(t, used, uint64(4*size+piece+16<<10), "shape %v, strides %v", row.shape, row.strides)
		for n := range size {
			place, rest := int64(3), n
			for i := len(row.shape) - 1; i >= 0; i-- {
				place += rest % row.shape[i] * row.strides[i]
				rest /= row.shape[i]
			}
			require.Equal(t, uint32(place), binary.LittleEndian.Uint32(got[4*n:]), "shape %v, strides %v, element %d", row.shape, row.strides, n)
		}
		if size > 1 {
			_, err = e.raw(bytes.NewReader(content[:4*(reach+3)]))
			require.ErrorContains(t, err, "cut short", "shape %v, strides %v", row.shape, row.strides)
		}
	}
}
