package matfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata was written by SciPy: scripts/record_matlab.py.
func TestTable(t *testing.T) {
	for _, file := range []string{"plain.mat", "compressed.mat"} {
		content, err := os.ReadFile("testdata/" + file)
		require.NoError(t, err)
		rows, err := Table(content, "synsets")
		require.NoError(t, err, file)
		require.Len(t, rows, 3)
		require.Equal(t, map[string]any{"ILSVRC2012_ID": []float64{1}, "WNID": "n02119789", "words": "kit fox, Vulpes macrotis", "gloss": "small grey fox",
			"num_children": []float64{0}, "children": []float64{}, "wordnet_height": []float64{0.5}, "num_train_images": []float64{1300}}, rows[0])
		require.Equal(t, "n02100735", rows[1]["WNID"])
		require.Equal(t, "Ångström’s setter 🐕", rows[1]["words"])
		require.Equal(t, []float64{70000}, rows[1]["num_train_images"])
		require.Equal(t, []float64{-2, 3, 1e10}, rows[2]["children"])
		require.Nil(t, rows[2]["gloss"], "a cell array is not looked into")

		_, err = Table(content, "counts")
		require.EqualError(t, err, `variable "counts" is of class 6, expected structures`)
		_, err = Table(content, "none")
		require.EqualError(t, err, `no variable "none"`)
	}
}

// Whatever is cut or changed, there is an error or a table, and no more memory than the file justifies.
func TestDamage(t *testing.T) {
	for _, file := range []string{"plain.mat", "compressed.mat"} {
		content, err := os.ReadFile("testdata/" + file)
		require.NoError(t, err)
		whole, err := Table(content, "synsets")
		require.NoError(t, err)
		for n := range content {
			rows, err := Table(content[:n], "synsets")
			if err == nil { // all that is missing is padding
				require.Equal(t, whole, rows, "%s: %d bytes", file, n)
			}
			for _, bit := range []byte{1, 0x80, 0xff} {
				bad := bytes.Clone(content)
				bad[n] ^= bit
				Table(bad, "synsets") //nolint:errcheck // that it returns is the test
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	header := make([]byte, headerSize)
	binary.LittleEndian.PutUint16(header[124:], level5)
	copy(header[126:], littleEndian)
	with := func(b ...byte) []byte { return append(bytes.Clone(header), b...) }
	for _, row := range []struct {
		content []byte
		want    string
	}{
		{nil, "expected a MATLAB file of level 5, little-endian"},
		{append([]byte("MATLAB 7.3 MAT-file"), make([]byte, 200)...), "expected a MATLAB file of level 5, little-endian"},
		{with(), `no variable "x"`},
		{with(14, 0, 0), "cut short"},
		{with(14, 0, 0, 0, 1, 0, 0, 0), "cut short"},
		{with(1, 0, 9, 0, 0, 0, 0, 0), "a small element of 9 bytes, expected at most 4"},
		{with(1, 0, 4, 0, 0, 0, 0, 0), "an element of type 1, expected a variable"},
		{with(15, 0, 0, 0, 2, 0, 0, 0, 1, 2), "zlib: invalid header"},
	} {
		_, err := Table(row.content, "x")
		require.EqualError(t, err, row.want)
	}
}

func FuzzTable(f *testing.F) {
	for _, file := range []string{"plain.mat", "compressed.mat"} {
		content, err := os.ReadFile("testdata/" + file)
		require.NoError(f, err)
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		Table(content, "synsets") //nolint:errcheck // that it returns is the test
	})
}
