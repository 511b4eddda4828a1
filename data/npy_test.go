package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// npyFile is an array with a header as NumPy writes it, whatever kind and shape say.
func npyFile(kind, shape string, body []byte) []byte {
	return npyText(fmt.Sprintf("{'descr': %s, 'fortran_order': False, 'shape': %s, }", kind, shape), body)
}

func npyText(text string, body []byte) []byte {
	text += strings.Repeat(" ", 63-(10+len(text))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(text)), byte(len(text)>>8))
	return append(append(b, text...), body...)
}

func float32s(values ...float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func steps[T float32 | float64](n int) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = T(i)/2 - 3
	}
	return values
}

// Written by NumPy: scripts/record_numpy.py.
func TestReadNpyOfNumPy(t *testing.T) {
	for _, c := range []struct {
		file  string
		shape tensor.Shape
		want  any
	}{
		{"float32", tensor.Shape{2, 3, 4}, steps[float32](24)},
		{"version2", tensor.Shape{2, 3, 4}, steps[float32](24)},
		{"float64", tensor.Shape{5}, steps[float64](5)},
		{"int64", tensor.Shape{2, 2}, []int64{-3, -2, -1, 0}},
		{"scalar", tensor.Shape{}, float32(2.5)},
	} {
		d, err := ReadNpy("testdata/" + c.file + ".npy")
		require.NoError(t, err)
		require.True(t, d.Shape().Eq(c.shape), "%s: %v", c.file, d.Shape())
		require.Equal(t, c.want, d.Data(), c.file)
		content, err := os.ReadFile("testdata/" + c.file + ".npy")
		require.NoError(t, err)
		require.True(t, IsNpy(content), c.file)
		same, err := DecodeNpy(c.file, content)
		require.NoError(t, err)
		require.Equal(t, d, same, c.file)
		_, err = DecodeNpy("it", content[:len(content)-1])
		require.ErrorContains(t, err, `npy "it": shape`, c.file)
	}
	require.False(t, IsNpy([]byte("\x93NUMP")))
	for file, want := range map[string]string{
		"fortran":    "array in Fortran order, expected C order (np.ascontiguousarray)",
		"bigendian":  `element type: expected float32 (<f4) or float64 (<f8) or int64 (<i8), found ">f4"`,
		"bool":       `found "|b1"`,
		"structured": "element type: expected float32 (<f4) or float64 (<f8) or int64 (<i8), found \"[('a', '<f4'), ('b', '<i4')]\"",
		"empty":      "shape [0,3] has no elements, expected at least one",
	} {
		path := "testdata/" + file + ".npy"
		_, err := ReadNpy(path)
		require.ErrorContains(t, err, fmt.Sprintf("npy %q: ", path))
		require.ErrorContains(t, err, want, file)
	}
}

func TestWriteNpyAsNumPyDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	for _, name := range []string{"float32", "float64", "scalar"} {
		want, err := os.ReadFile("testdata/" + name + ".npy")
		require.NoError(t, err)
		d, err := ReadNpy("testdata/" + name + ".npy")
		require.NoError(t, err)
		require.NoError(t, WriteNpy(path, d))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestNpyRoundTrip(t *testing.T) {
	dense := func(values any, shape ...int) *tensor.Dense {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
	}
	slice := func(d *tensor.Dense, slices ...tensor.Slice) *tensor.Dense {
		view, err := d.Slice(slices...)
		require.NoError(t, err)
		return view.(*tensor.Dense)
	}
	transposed := dense(steps[float32](24), 2, 3, 4)
	require.NoError(t, transposed.T(2, 0, 1))
	moved := dense(steps[float64](6), 2, 3)
	require.NoError(t, moved.T())
	require.NoError(t, moved.Transpose())
	fortran := tensor.New(tensor.WithShape(2, 3), tensor.AsFortran([]float32{1, 2, 3, 4, 5, 6}))
	require.Equal(t, []float32{1, 4, 2, 5, 3, 6}, fortran.Data(), "its memory is transposed")
	special := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, math.SmallestNonzeroFloat32}
	whole := dense(steps[float32](24), 2, 3, 4)
	for _, c := range []struct {
		name  string
		d     *tensor.Dense
		shape tensor.Shape
		want  any
	}{
		{"float32", dense(steps[float32](24), 2, 3, 4), tensor.Shape{2, 3, 4}, steps[float32](24)},
		{"float64", dense(steps[float64](8), 1, 2, 2, 2), tensor.Shape{1, 2, 2, 2}, steps[float64](8)},
		{"special", dense(special, 6), tensor.Shape{6}, special},
		{"longer than a piece", dense(steps[float32](40000), 40000), tensor.Shape{40000}, steps[float32](40000)},
		{"scalar float64", tensor.New(tensor.FromScalar(2.5)), tensor.Shape{}, 2.5},
		{"one element", dense([]float64{7}, 1), tensor.Shape{1}, []float64{7}},
		{"column", dense(steps[float32](3), 3, 1), tensor.Shape{3, 1}, steps[float32](3)},
		{"transposed", transposed, tensor.Shape{4, 2, 3}, []float32{
			-3, -1, 1, 3, 5, 7, -2.5, -.5, 1.5, 3.5, 5.5, 7.5, -2, 0, 2, 4, 6, 8, -1.5, .5, 2.5, 4.5, 6.5, 8.5}},
		{"transposed in memory", moved, tensor.Shape{3, 2}, []float64{-3, -1.5, -2.5, -1, -2, -.5}},
		{"column-major", fortran, tensor.Shape{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
		{"first half", slice(whole, tensor.S(0)), tensor.Shape{3, 4}, steps[float32](12)},
		{"inner columns", slice(whole, nil, nil, tensor.S(1, 3)), tensor.Shape{2, 3, 2}, []float32{-2.5, -2, -.5, 0, 1.5, 2, 3.5, 4, 5.5, 6, 7.5, 8}},
		{"one column", slice(whole, nil, nil, tensor.S(3)), tensor.Shape{2, 3}, []float32{-1.5, .5, 2.5, 4.5, 6.5, 8.5}},
		{"one element of a matrix", slice(dense(steps[float32](6), 2, 3), tensor.S(1), tensor.S(2)), tensor.Shape{}, float32(-.5)},
	} {
		path := filepath.Join(t.TempDir(), "a.npy")
		require.NoError(t, WriteNpy(path, c.d), c.name)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Zero(t, bytes.IndexByte(content, '\n')%64-63, "%s: the values are not aligned", c.name)
		read, err := ReadNpy(path)
		require.NoError(t, err, c.name)
		require.True(t, read.Shape().Eq(c.shape), "%s: shape %v, expected %v", c.name, read.Shape(), c.shape)
		require.Equal(t, c.want, read.Data(), c.name)
	}
}

func TestWriteNpyErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.npy")
	masked := tensor.New(tensor.WithShape(2), tensor.WithBacking([]float32{1, 2}, []bool{true, false}))
	for want, d := range map[string]*tensor.Dense{
		"no tensor": nil,
		"tensor of int64, expected float32 or flo": tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{1, 2})),
		"masked tensor, expected one without a ma": masked,
	} {
		require.ErrorContains(t, WriteNpy(path, d), fmt.Sprintf("npy %q: %s", path, want))
	}
	d := tensor.New(tensor.WithShape(2), tensor.WithBacking([]float32{1, 2}))
	require.ErrorIs(t, WriteNpy(filepath.Join(dir, "none", "a.npy"), d), os.ErrNotExist)
	require.Empty(t, files(t, dir))
}

func TestBadNpy(t *testing.T) {
	eight := float32s(1, 2)
	good := npyFile("'<f4'", "(2,)", eight)
	with := func(at int, b byte) []byte {
		changed := bytes.Clone(good)
		changed[at] = b
		return changed
	}
	version2 := func(length uint32) []byte {
		b := binary.LittleEndian.AppendUint32([]byte("\x93NUMPY\x02\x00"), length)
		return append(b, good[10:]...)
	}
	long := strings.Repeat("9", 60000)
	for _, c := range []struct {
		name string
		file []byte
		want string // "": is read
	}{
		{"right", good, ""},
		{"right, version 2", version2(118), ""},
		{"right, of no dimensions", npyFile("'<f4'", "()", float32s(1)), ""},

		{"empty", nil, "npy header: cut short: 0 bytes, expected 8"},
		{"cut in the magic", good[:5], "npy header: cut short: 5 bytes, expected 8"},
		{"cut in the length", good[:9], "npy header: cut short: 1 bytes, expected 2"},
		{"cut in the header", good[:50], "npy header of 118 bytes in an array of 50"},
		{"cut in the values", good[:len(good)-1], "shape [2] of float32 (<f4): expected 2 elements of 4 bytes, found 7 bytes"},
		{"longer", append(bytes.Clone(good), 0), "expected 2 elements of 4 bytes, found 9 bytes"},
		{"other file", []byte("PK\x03\x04 and more"), `not an npy array: begins with "PK\x03\x04 a"`},
		{"version 3", with(6, 3), "npy format version 3, expected 1 or 2"},
		{"version 0", with(6, 0), "npy format version 0, expected 1 or 2"},
		{"header longer than the file", with(9, 1), "npy header of 374 bytes in an array of 136"},
		{"huge header", version2(1<<32 - 1), "npy header of 4294967295 bytes in an array of 138"},
		{"long header", append(binary.LittleEndian.AppendUint32([]byte("\x93NUMPY\x02\x00"), 70000), make([]byte, 70008)...),
			"npy header of 70000 bytes in an array of 70020, expected at most 65536"},
		{"no line feed", with(127, ' '), "npy header is malformed: "},

		{"float16", npyFile("'<f2'", "(4,)", eight), `element type: expected float32 (<f4) or float64 (<f8) or int64 (<i8), found "<f2"`},
		{"big-endian", npyFile("'>f4'", "(2,)", eight), `found ">f4"`},
		{"int32", npyFile("'<i4'", "(2,)", eight), "found int32 (<i4)"},
		{"complex", npyFile("'<c8'", "(1,)", eight), `found "<c8"`},
		{"object", npyFile("'|O'", "(2,)", eight), `found "|O"`},
		{"text", npyFile("'<U1'", "(2,)", eight), `found "<U1"`},
		{"no type", npyFile("''", "(2,)", eight), `found ""`},
		{"long type", npyFile("'"+long+"'", "(2,)", eight), `found "9999`},
		{"Fortran", npyText("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", eight), "array in Fortran order"},
		{"order is no truth", npyText("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", eight), "npy header is malformed: "},
		{"long order", npyText("{'descr': '<f4', 'fortran_order': "+long+", 'shape': (2,), }", eight), "npy header is malformed: "},

		{"no dictionary", npyText("hello", eight), "npy header is malformed: "},
		{"no shape", npyText("{'descr': '<f4', 'fortran_order': False, }", eight), "npy header is malformed: "},
		{"only a brace", npyText("}", eight), "npy header is malformed: "},
		{"brace first", npyText("}, 'descr': '<f4', 'fortran_order': False, 'shape': (2,), ", eight), "npy header is malformed: "},
		{"other order", npyText("{'shape': (2,), 'fortran_order': False, 'descr': '<f4', }", eight), "npy header is malformed: "},
		{"no comma before the brace", npyText("{'descr': '<f4', 'fortran_order': False, 'shape': (2,1)}", eight), `npy header is malformed: expected it to end in ", }"`},
		{"shape of words", npyFile("'<f4'", "(two,)", eight), "npy header is malformed: "},
		{"shape of fractions", npyFile("'<f4'", "(2.0,)", eight), "npy header is malformed: "},
		{"long shape", npyFile("'<f4'", "("+long+",)", eight), "npy header is malformed: "},
		{"empty shape", npyFile("'<f4'", "", eight), "npy header is malformed: "},

		{"too few", npyFile("'<f4'", "(3,)", eight), "shape [3] of float32 (<f4): expected 3 elements of 4 bytes, found 8 bytes"},
		{"too many", npyFile("'<f4'", "(1,)", eight), "expected 1 elements of 4 bytes, found 8 bytes"},
		{"wider type", npyFile("'<f8'", "(2,)", eight), "shape [2] of float64 (<f8): expected 2 elements of 8 bytes, found 8 bytes"},
		{"negative", npyFile("'<f4'", "(-2,)", eight), "shape [-2]: negative dimension -2"},
		{"two negative", npyFile("'<f4'", "(-1, -2)", eight), "shape [-1,-2]: negative dimension -1"},
		{"huge", npyFile("'<f4'", "(1000000000000,)", eight), "expected 1000000000000 elements of 4 bytes, found 8 bytes"},
		{"bytes wrap", npyFile("'<f4'", "(4611686018427387906,)", eight), "expected 4611686018427387906 elements of 4 bytes, found 8 bytes"},
		{"product wraps to 0", npyFile("'<f4'", "(4294967296, 4294967296)", eight), "the number of values does not fit an int"},
		{"product wraps to 2", npyFile("'<f4'", "(3, 6148914691236517206)", eight), "the number of values does not fit an int"},
		{"beyond int64", npyFile("'<f4'", "(9223372036854775808,)", eight), "npy header is malformed: "},
		{"none", npyFile("'<f4'", "(0,)", nil), "shape [0] has no elements"},
		{"none in one direction", npyFile("'<f4'", "(9223372036854775807, 0)", nil), "has no elements"},
		{"33 dimensions", npyFile("'<f4'", "(2,"+strings.Repeat(" 1,", 32)+")", eight), "array of 33 dimensions, expected at most 32"},
		{"many dimensions", npyFile("'<f4'", "(2,"+strings.Repeat("1,", 30000)+")", eight), "array of 30001 dimensions, expected at most 32"},
	} {
		path := filepath.Join(t.TempDir(), "a.npy")
		require.NoError(t, os.WriteFile(path, c.file, 0o666))
		var d *tensor.Dense
		var err error
		used := allocated(func() { d, err = ReadNpy(path) })
		if c.want == "" {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorContains(t, err, fmt.Sprintf("npy %q: ", path), c.name)
		require.ErrorContains(t, err, c.want, c.name)
		require.Less(t, len(err.Error()), 600, "%s: the message is too long", c.name)
		require.Nil(t, d, c.name)
		require.LessOrEqual(t, used, uint64(3<<20), "%s: allocates on the header's word", c.name)
	}
}

func TestReadNpyOfNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadNpy(filepath.Join(dir, "none.npy"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadNpy(dir)
	require.EqualError(t, err, fmt.Sprintf("npy %q: %s is not a regular file", dir, dir))

	huge := filepath.Join(dir, "huge.npy")
	require.NoError(t, os.WriteFile(huge, nil, 0o666))
	require.NoError(t, os.Truncate(huge, maxArray+1)) // takes no room on the disk
	_, err = ReadNpy(huge)
	require.ErrorContains(t, err, "8589934593 bytes, expected at most 8589934592")
}

func FuzzNpy(f *testing.F) {
	names, err := filepath.Glob("testdata/*.npy")
	require.NoError(f, err)
	require.NotEmpty(f, names)
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(content)
		f.Add(content[:len(content)-1])
	}
	f.Add(npyFile("'<f4'", "(3, 6148914691236517206)", float32s(1, 2)))
	f.Add(npyText("{'shape': (2,), 'fortran_order': False, 'descr': '<f4', }", float32s(1, 2)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		var d *tensor.Dense
		var err error
		used := allocated(func() { d, err = readNpy(bytes.NewReader(content), int64(len(content))) })
		require.LessOrEqual(t, used, uint64(32*len(content)+4<<20)) // the fuzzer's own is in it
		if err != nil {
			require.Nil(t, d)
			return
		}
		width := map[tensor.Dtype]int{tensor.Float32: 4, tensor.Float64: 8, tensor.Int64: 8}[d.Dtype()]
		require.Equal(t, d.Shape().TotalSize()*width, len(content)-bytes.LastIndexByte(content[:len(content)-d.Shape().TotalSize()*width], '\n')-1,
			"the header ends where the values begin")
		if d.Dtype() == tensor.Int64 {
			return
		}
		path := filepath.Join(dir, "a.npy")
		require.NoError(t, WriteNpy(path, d))
		again, err := ReadNpy(path)
		require.NoError(t, err)
		require.Equal(t, d.Dtype(), again.Dtype())
		require.True(t, d.Shape().Eq(again.Shape()), "%v and %v", d.Shape(), again.Shape())
		require.Equal(t, fmt.Sprint(d.Data()), fmt.Sprint(again.Data())) // NaN is not equal to itself
	})
}
