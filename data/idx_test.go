package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// idxFile is an IDX file of bytes.
func idxFile(dims []int, values []byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, values...)
}

func TestReadIDX(t *testing.T) {
	for _, dims := range [][]int{{1}, {6}, {1, 2, 3}, {3, 1, 2}, {2, 1, 1, 3}} {
		want := []byte{0, 255, 1, 254, 2, 253}[:tensor.Shape(dims).TotalSize()]
		got, values, err := readIDX(bytes.NewReader(idxFile(dims, want)), len(dims))
		require.NoError(t, err, "%v", dims)
		require.Equal(t, dims, got)
		require.Equal(t, want, values, "%v", dims)
	}
}

func TestBadIDX(t *testing.T) {
	good := idxFile([]int{2, 3}, []byte{1, 2, 3, 4, 5, 6})
	with := func(at int, b byte) []byte {
		changed := bytes.Clone(good)
		changed[at] = b
		return changed
	}
	for _, c := range []struct {
		name string
		file []byte
		rank int
		want string
	}{
		{"empty", nil, 2, "IDX header: cut short: 0 bytes, expected 12"},
		{"cut in the magic number", good[:3], 2, "IDX header: cut short: 3 bytes, expected 12"},
		{"cut in the dimensions", good[:11], 2, "IDX header: cut short: 11 bytes, expected 12"},
		{"no values", good[:12], 2, "IDX values [2,3]: cut short: 0 bytes, expected 6"},
		{"cut in the values", good[:17], 2, "IDX values [2,3]: cut short: 5 bytes, expected 6"},
		{"longer", append(bytes.Clone(good), 7), 2, "IDX values [2,3]: more follows after the expected 6 bytes"},
		{"first byte", with(0, 1), 2, "magic number 01000802, expected 00000802"},
		{"second byte", with(1, 1), 2, "magic number 00010802"},
		{"signed bytes", with(2, 9), 2, "magic number 00000902"},
		{"floats", with(2, 0x0d), 2, "magic number 00000d02"},
		{"other rank", good, 1, "magic number 00000802, expected 00000801 (unsigned bytes, 1 dimensions)"},
		{"dimension 0", with(7, 0), 2, "IDX header: dimension 0 is 0, expected at least 1"},
		{"last dimension 0", with(11, 0), 2, "IDX header: dimension 1 is 0"},
		{"little-endian", with(4, 2), 2, "IDX values [33554434,3]: cut short: 6 bytes, expected 100663302"},
		{"huge", with(4, 0xff), 2, "IDX header: dimensions up to 0 make 4278190082 values, expected at most 1073741824"},
		{"huge product", idxFile([]int{1 << 16, 1 << 16}, nil), 2, "dimensions up to 1 make 4294967296 values"},
		{"wraps", idxFile([]int{1 << 24, 1 << 20, 1 << 20}, nil), 3, "dimensions up to 1 make 17592186044416 values"},
	} {
		var err error
		used := allocated(func() { _, _, err = readIDX(bytes.NewReader(c.file), c.rank) })
		require.ErrorContains(t, err, c.want, c.name)
		require.LessOrEqual(t, used, uint64(256<<10), "%s: allocates on the header's word", c.name)
	}
}

// A gzip stream's own checks must be heard, too.
func TestDamagedGzip(t *testing.T) {
	values := make([]byte, 3000)
	for i := range values {
		values[i] = byte(i * i >> 3)
	}
	whole := packed(t, []int{3000}, values)
	read := func(file []byte) error {
		z, err := gzip.NewReader(bytes.NewReader(file))
		if err == nil {
			_, _, err = readIDX(z, 1)
		}
		return err
	}
	require.NoError(t, read(whole))
	for n := range whole {
		require.Error(t, read(whole[:n]), "the first %d bytes of %d", n, len(whole))
	}
	for at := len(whole) - 8; at < len(whole); at++ { // checksum and length
		changed := bytes.Clone(whole)
		changed[at] ^= 0x10
		require.ErrorContains(t, read(changed), "IDX values [3000]: gzip: invalid checksum", "byte %d", at)
	}
	require.Error(t, read(append(bytes.Clone(whole), whole...)), "a second file after the first")
	require.ErrorContains(t, read(append(bytes.Clone(whole), "more"...)), "IDX values [3000]: ")
}

func FuzzIDX(f *testing.F) {
	f.Add(idxFile([]int{2, 2, 3}, []byte("twelve bytes")), byte(3))
	f.Add(idxFile([]int{5}, []byte("seven b")), byte(1))
	f.Add(idxFile([]int{1 << 16, 1 << 14}, []byte("short")), byte(2))
	f.Add(idxFile([]int{1 << 24, 1 << 20, 1 << 20}, nil), byte(3))
	f.Add(idxFile(nil, []byte{1}), byte(0))
	f.Add([]byte{0, 0, 8}, byte(1))
	f.Fuzz(func(t *testing.T, file []byte, rank byte) {
		var dims []int
		var values []byte
		var err error
		used := allocated(func() { dims, values, err = readIDX(bytes.NewReader(file), int(rank)) })
		require.LessOrEqual(t, used, uint64(8*len(file)+4<<20)) // the fuzzer's own is in it
		if err != nil {
			require.Nil(t, values)
			return
		}
		require.Equal(t, file, idxFile(dims, values), "what was read is not what is there")
		require.Equal(t, int(rank), len(dims))
	})
}

func TestShortRead(t *testing.T) {
	require.ErrorContains(t, shortRead(io.EOF, 1, 2), "cut short: 1 bytes, expected 2")
	require.ErrorContains(t, shortRead(io.ErrUnexpectedEOF, 1, 2), "cut short")
	require.Equal(t, gzip.ErrChecksum, shortRead(gzip.ErrChecksum, 1, 2))
}
