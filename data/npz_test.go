package data

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// array is one entry of an npz: its name without .npy, and its file.
type array struct {
	name string
	file []byte
}

func npzFile(t testing.TB, method uint16, arrays ...array) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := z.CreateHeader(&zip.FileHeader{Name: a.name + ".npy", Method: method})
		require.NoError(t, err)
		_, err = w.Write(a.file)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func int64s(values ...int64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// samplesOf reads a whole set.
func samplesOf(t *testing.T, set Set) (x [][]float32, labels []int, targets [][]float32) {
	t.Helper()
	info := set.Info()
	for i := range set.Len() {
		sample := make([]float32, info.Sample.TotalSize())
		require.NoError(t, set.Read(i, sample))
		x = append(x, sample)
		labels = append(labels, set.Label(i))
		target := make([]float32, info.Targets)
		set.Target(i, target)
		targets = append(targets, target)
	}
	return x, labels, targets
}

// Written by NumPy: scripts/record_numpy.py.
func TestOpenNPZOfNumPy(t *testing.T) {
	quads := func(n int) (all [][]float32) {
		for i := range n {
			v := float32(i) / 2
			all = append(all, []float32{v, v + .125, v + .25, v + .375})
		}
		return all
	}
	for _, file := range []string{"classes", "packed"} {
		path := "testdata/" + file + ".npz"
		sets, err := Open(t.Context(), "npz:"+path, Options{})
		require.NoError(t, err)
		require.Equal(t, Info{Name: "npz:" + path, Sample: tensor.Shape{1, 2, 2}}, sets.Train.Info())
		require.Equal(t, Info{Name: "npz:" + path + " (test)", Sample: tensor.Shape{1, 2, 2}}, sets.Test.Info())
		x, labels, _ := samplesOf(t, sets.Train)
		require.Equal(t, quads(6), x, file)
		require.Equal(t, []int{0, 1, 2, 0, 1, 2}, labels, file)
		x, labels, _ = samplesOf(t, sets.Test)
		require.Equal(t, quads(2), x, file)
		require.Equal(t, []int{2, 0}, labels, file)
	}

	sets, err := Open(t.Context(), "npz:testdata/regression.npz", Options{})
	require.NoError(t, err)
	require.Nil(t, sets.Test)
	require.Equal(t, Info{Name: "npz:testdata/regression.npz", Sample: tensor.Shape{3, 1, 1}, Targets: 2}, sets.Train.Info())
	x, labels, targets := samplesOf(t, sets.Train)
	require.Equal(t, [][]float32{{0, .125, .25}, {.375, .5, .625}, {.75, .875, 1}, {1.125, 1.25, 1.375}}, x)
	require.Equal(t, []int{-1, -1, -1, -1}, labels)
	require.Equal(t, [][]float32{{0, -1}, {-2, -3}, {-4, -5}, {-6, -7}}, targets)
}

func TestBadNPZ(t *testing.T) {
	x := array{"x", npyFile("'<f4'", "(2, 2)", float32s(1, 2, 3, 4))}
	y := array{"y", npyFile("'<i8'", "(2,)", int64s(0, 1))}
	xOf := func(shape string, values ...float32) array {
		return array{"x", npyFile("'<f4'", shape, float32s(values...))}
	}
	yOf := func(kind, shape string, body []byte) array { return array{"y", npyFile("'"+kind+"'", shape, body)} }
	named := func(name string, a array) array { return array{name, a.file} }
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		name   string
		arrays []array
		want   string // "": opens
	}{
		{"right", []array{x, y}, ""},
		{"other arrays beside", []array{x, y, {"notes", []byte("anything")}}, ""},
		{"uint8 labels", []array{x, yOf("|u1", "(2,)", []byte{0, 255})}, ""},
		{"int32 labels", []array{x, yOf("<i4", "(2,)", []byte{0, 0, 0, 0, 255, 255, 255, 127})}, ""},
		{"largest label", []array{x, yOf("<i8", "(2,)", int64s(0, math.MaxInt32))}, ""},
		{"one target", []array{x, yOf("<f4", "(2,)", float32s(1, 2))}, ""},
		{"test set", []array{x, y, named("x_test", x), named("y_test", y)}, ""},

		{"no arrays", nil, `no array "x", found none at all`},
		{"no x", []array{y}, `no array "x", found "y"`},
		{"no y", []array{x}, `no array "y", found "x"`},
		{"other names", []array{named("images", x), named("labels", y)}, `no array "x", found "images", "labels"`},
		{"x twice", []array{x, y, x}, `array "x" is there twice`},
		{"x_test without y_test", []array{x, y, named("x_test", x)}, `no array "y_test", found "x", "x_test", "y"`},
		{"y_test without x_test", []array{x, y, named("y_test", y)}, `no array "x_test", found "x", "y", "y_test"`},

		{"x of doubles", []array{{"x", npyFile("'<f8'", "(1, 1)", make([]byte, 8))}, y}, `array "x": element type: expected float32 (<f4), found float64 (<f8)`},
		{"x of one dimension", []array{xOf("(2,)", 1, 2), y}, `array "x": expected shape [N,C,H,W] or [N,D], found [2]`},
		{"x of three", []array{xOf("(2, 1, 1)", 1, 2), y}, `found [2,1,1]`},
		{"x of five", []array{xOf("(2, 1, 1, 1, 1)", 1, 2), y}, `found [2,1,1,1,1]`},
		{"x of none", []array{xOf("()", 1), y}, `found []`},
		{"x without samples", []array{xOf("(0, 2)"), y}, `array "x": shape [0,2] has no elements`},
		{"x without values", []array{xOf("(2, 0)"), y}, `array "x": shape [2,0] has no elements`},
		{"x in Fortran order", []array{{"x", npyText("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", float32s(1, 2, 3, 4))}, y},
			`array "x": array in Fortran order`},
		{"x of a wrapping shape", []array{xOf("(4294967296, 4294967296)", 1, 2), y}, `array "x": shape [4294967296,4294967296]: the number of values`},
		{"x of a negative shape", []array{xOf("(-2, -2)", 1, 2, 3, 4), y}, `array "x": shape [-2,-2]: negative dimension -2`},
		{"x of a huge shape", []array{xOf("(2, 1000000000)", 1, 2, 3, 4), y}, `array "x": shape [2,1000000000] of float32 (<f4): expected 2000000000 elements of 4 bytes, found 16 bytes`},
		{"x cut", []array{{"x", x.file[:len(x.file)-2]}, y}, `expected 4 elements of 4 bytes, found 14 bytes`},
		{"x is no array", []array{{"x", []byte("something else")}, y}, `array "x": not an npy array`},
		{"x is empty", []array{{"x", nil}, y}, `array "x": npy header: cut short: 0 bytes, expected 8`},
		{"NaN", []array{xOf("(2, 2)", 1, 2, 3, nan), y}, `array "x": sample 1 has NaN at element 1, expected finite values`},
		{"infinity", []array{xOf("(2, 1, 1, 2)", inf, 2, 3, 4), y}, `array "x": sample 0 has -Inf at element 0`},

		{"fewer labels", []array{x, yOf("<i8", "(1,)", int64s(0))}, `array "y": expected 2 entries, one for each sample of "x", found 1`},
		{"more labels", []array{x, yOf("<i8", "(3,)", int64s(0, 1, 2))}, `found 3`},
		{"labels in a column", []array{x, yOf("<i8", "(2, 1)", int64s(0, 1))}, `array "y": expected shape [N] of int64 (<i8), found [2,1]`},
		{"a single label", []array{x, yOf("<i8", "()", int64s(0))}, `array "y": expected shape [N] of int64 (<i8), found []`},
		{"negative label", []array{x, yOf("<i8", "(2,)", int64s(0, -1))}, `array "y": sample 1 has label -1, expected 0 to 2147483647`},
		{"negative int32 label", []array{x, yOf("<i4", "(2,)", []byte{255, 255, 255, 255, 0, 0, 0, 0})}, `array "y": sample 0 has label -1`},
		{"label beyond int32", []array{x, yOf("<i8", "(2,)", int64s(0, math.MaxInt32+1))}, `sample 1 has label 2147483648, expected 0 to 2147483647`},
		{"label that wraps to 0", []array{x, yOf("<i8", "(2,)", int64s(1<<32, 0))}, `sample 0 has label 4294967296`},
		{"labels of doubles", []array{x, yOf("<f8", "(2,)", int64s(0, 0))},
			`array "y": element type: expected int64 (<i8) or int32 (<i4) or uint8 (|u1) or float32 (<f4), found float64 (<f8)`},
		{"labels of truths", []array{x, yOf("|b1", "(2,)", []byte{0, 1})}, `found "|b1"`},
		{"targets of three dimensions", []array{x, yOf("<f4", "(2, 1, 1)", float32s(1, 2))}, `array "y": expected shape [N] or [N,D] of float32 (<f4), found [2,1,1]`},
		{"no targets", []array{x, yOf("<f4", "(2, 0)", nil)}, `array "y": shape [2,0] has no elements`},
		{"NaN target", []array{x, yOf("<f4", "(2, 2)", float32s(1, 2, nan, 4))}, `array "y": sample 1 has NaN at element 0`},
		{"fewer targets", []array{x, yOf("<f4", "(1, 2)", float32s(1, 2))}, `expected 2 entries, one for each sample of "x", found 1`},

		{"test samples of another shape", []array{x, y, named("x_test", xOf("(2, 1)", 1, 2)), named("y_test", y)}, `array "x_test": expected samples [2,1,1] as in "x", found [1,1,1]`},
		{"test targets for labels", []array{x, y, named("x_test", x), named("y_test", yOf("<f4", "(2,)", float32s(1, 2)))},
			`array "y_test": expected class labels as in "y", found 1 regression targets per sample`},
		{"more test targets", []array{x, yOf("<f4", "(2,)", float32s(1, 2)), named("x_test", x), named("y_test", yOf("<f4", "(2, 2)", float32s(1, 2, 3, 4)))},
			`array "y_test": expected 1 regression targets per sample as in "y", found 2 regression targets per sample`},
		{"bad test label", []array{x, y, named("x_test", x), named("y_test", yOf("<i8", "(2,)", int64s(-5, 0)))}, `array "y_test": sample 0 has label -5`},
	} {
		for _, method := range []uint16{zip.Store, zip.Deflate} {
			path := filepath.Join(t.TempDir(), "a.npz")
			require.NoError(t, os.WriteFile(path, npzFile(t, method, c.arrays...), 0o666))
			sets, err := Open(t.Context(), "npz:"+path, Options{})
			if c.want == "" {
				require.NoError(t, err, c.name)
				continue
			}
			require.ErrorContains(t, err, fmt.Sprintf("npz %q: ", path), c.name)
			require.ErrorContains(t, err, c.want, c.name)
			require.Nil(t, sets, c.name)
		}
	}
}

func TestDamagedZip(t *testing.T) {
	x := array{"x", npyFile("'<f4'", "(2, 2)", float32s(1, 2, 3, 4))}
	y := array{"y", npyFile("'<i8'", "(2,)", int64s(0, 1))}
	read := func(file []byte) error {
		_, err := readNPZ("npz", bytes.NewReader(file), int64(len(file)))
		return err
	}
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		whole := npzFile(t, method, x, y)
		require.NoError(t, read(whole))
		for n := range whole {
			require.Error(t, read(whole[:n]), "the first %d bytes of %d", n, len(whole))
		}
		changes := 0
		for at := range whole { // no damage may be a crash, or change a value unnoticed
			for _, flip := range []byte{1, 0x80} {
				changed := bytes.Clone(whole)
				changed[at] ^= flip
				sets, err := readNPZ("npz", bytes.NewReader(changed), int64(len(changed)))
				if err != nil {
					changes++
					continue
				}
				got, labels, _ := samplesOf(t, sets.Train)
				require.Equal(t, [][]float32{{1, 2}, {3, 4}}, got, "byte %d", at)
				require.Equal(t, []int{0, 1}, labels, "byte %d", at)
			}
		}
		require.Greater(t, changes, len(whole), "most bytes matter")
	}
}

// bomb is an archive whose x says it unpacks to size bytes, from the deflated bytes of packed.
func bomb(t *testing.T, header []byte, packed []byte, size uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{Name: "x.npy", Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(header),
		CompressedSize64: uint64(len(packed)), UncompressedSize64: size})
	require.NoError(t, err)
	_, err = w.Write(packed)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestZipBombs(t *testing.T) {
	deflated := func(content []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.NoCompression)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	for _, c := range []struct {
		name  string
		count uint64 // float32 values said to be there
		extra int    // bytes of packed data beyond the array's header
		want  string
	}{
		{"beyond the cap", 1 << 40, 0, "bytes unpacked, expected at most 8589934592"},
		{"beyond deflate", 1 << 24, 0, "claims to unpack to 67108992 bytes from 138"},
		{"within deflate's reach", 2 * atOnce, 1 << 17, "cut short after element 16384, expected 33554432 elements"},
	} {
		header := npyFile("'<f4'", fmt.Sprintf("(%d, 1)", c.count), make([]byte, c.extra))
		file := bomb(t, header, deflated(header), 128+4*c.count)
		var err error
		used := allocated(func() { _, err = readNPZ("npz", bytes.NewReader(file), int64(len(file))) })
		require.ErrorContains(t, err, `array "x": `, c.name)
		require.ErrorContains(t, err, c.want, c.name)
		require.LessOrEqual(t, used, uint64(4*atOnce+1<<20), c.name)
	}

	// An array that is as large as it says is no lie: zeros pack well.
	zeros := npzFile(t, zip.Deflate, array{"x", npyFile("'<f4'", "(1000, 1000)", make([]byte, 4_000_000))}, array{"y", npyFile("'|u1'", "(1000,)", make([]byte, 1000))})
	require.Less(t, len(zeros), 8000)
	sets, err := readNPZ("npz", bytes.NewReader(zeros), int64(len(zeros)))
	require.NoError(t, err)
	require.Equal(t, 1000, sets.Train.Len())
}

// More than atOnce values come in pieces that must fit together.
func TestReadValuesGrows(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 40 MiB")
	}
	const count = 2*atOnce + atOnce/2 + 3
	body := make([]byte, count)
	for i := range body {
		body[i] = byte(i ^ i>>8 ^ i>>16)
	}
	values, err := readValues[uint8](bytes.NewReader(body), count)
	require.NoError(t, err)
	require.True(t, bytes.Equal(body, values))
	require.Equal(t, count, cap(values), "room that is never used")
	_, err = readValues[uint8](bytes.NewReader(body), count+1)
	require.ErrorContains(t, err, "cut short after element")
}

func TestOpenNPZOfNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), "npz:"+dir+"/none", Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.Context(), "npz:"+dir, Options{})
	require.ErrorContains(t, err, "is not a regular file")
	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("no archive ", 100), "npy": string(npyFile("'<f4'", "(1, 1)", float32s(1)))} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		_, err := Open(t.Context(), "npz:"+path, Options{})
		require.ErrorContains(t, err, fmt.Sprintf("npz %q: not a zip archive: ", path))
	}
}

func TestManyArraysAreNotAllNamed(t *testing.T) {
	var arrays []array
	for i := range 1000 {
		arrays = append(arrays, array{fmt.Sprintf("%04d%s", i, strings.Repeat("n", 1000)), nil})
	}
	file := npzFile(t, zip.Store, arrays...)
	_, err := readNPZ("npz", bytes.NewReader(file), int64(len(file)))
	require.ErrorContains(t, err, `no array "x", found "0000nnn`)
	require.Less(t, len(err.Error()), 600)
}

func FuzzNPZ(f *testing.F) {
	names, err := filepath.Glob("testdata/*.npz")
	require.NoError(f, err)
	require.NotEmpty(f, names)
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(content)
		f.Add(content[:len(content)/2])
	}
	f.Add(npzFile(f, zip.Store, array{"x", npyFile("'<f4'", "(1, 1)", float32s(1))}, array{"y", npyFile("'|u1'", "(1,)", []byte{3})}))
	f.Fuzz(func(t *testing.T, content []byte) {
		var sets *Sets
		var err error
		used := allocated(func() { sets, err = readNPZ("npz", bytes.NewReader(content), int64(len(content))) })
		require.LessOrEqual(t, used, uint64(8*maxDeflate*len(content)+4<<20))
		if err != nil {
			require.Nil(t, sets)
			return
		}
		for _, set := range []Set{sets.Train, sets.Test} {
			if set == nil {
				continue
			}
			x := make([]float32, set.Info().Sample.TotalSize())
			for i := range set.Len() {
				require.NoError(t, set.Read(i, x))
				for _, v := range x {
					require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
				}
				require.True(t, set.Info().Targets > 0 || set.Label(i) >= 0)
			}
		}
	})
}
