package tensorboard

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// records takes an event file apart, and holds that its checksums are right.
func records(t *testing.T, content []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for len(content) > 0 {
		require.GreaterOrEqual(t, len(content), 16, "record %d", len(all))
		n := binary.LittleEndian.Uint64(content)
		require.Equal(t, masked(content[:8]), binary.LittleEndian.Uint32(content[8:]), "length of record %d", len(all))
		require.LessOrEqual(t, n+16, uint64(len(content)), "record %d", len(all))
		all = append(all, content[12:12+n])
		require.Equal(t, masked(all[len(all)-1]), binary.LittleEndian.Uint32(content[12+n:]), "record %d", len(all)-1)
		content = content[16+n:]
	}
	return all
}

// fields takes a message apart: numbers and bytes by the path of field numbers that leads to them, in order. Messages are
// the fields that nested names.
func fields(t *testing.T, b []byte, path string, nested map[string]bool) []string {
	t.Helper()
	var all []string
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		require.NoError(t, protowire.ParseError(n))
		b = b[n:]
		at := fmt.Sprintf("%s.%d", path, number)
		n = protowire.ConsumeFieldValue(number, kind, b)
		require.NoError(t, protowire.ParseError(n))
		switch kind {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			all = append(all, fmt.Sprintf("%s=%d", at, v))
		case protowire.Fixed64Type:
			v, _ := protowire.ConsumeFixed64(b)
			all = append(all, fmt.Sprintf("%s=%v", at, math.Float64frombits(v)))
		case protowire.BytesType:
			v, _ := protowire.ConsumeBytes(b)
			if nested[at] {
				all = append(all, fields(t, v, at, nested)...)
			} else {
				all = append(all, fmt.Sprintf("%s=%q", at, v))
			}
		default:
			t.Fatalf("field %s is of kind %v", at, kind)
		}
		b = b[n:]
	}
	return all
}

var events = map[string]bool{".5": true, ".5.1": true, ".5.1.8": true, ".5.1.8.2": true, ".5.1.8.2.2": true, ".5.1.9": true, ".5.1.9.1": true, ".7": true}

// What masked_crc32c of the Python package tensorboard 2.21 gives.
func TestMasked(t *testing.T) { require.Equal(t, uint32(0xc78ab0e5), masked([]byte("123456789"))) }

func TestEvents(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, 12)
	require.NoError(t, err)
	require.NoError(t, w.Add(12, Scalar("loss/train", 0.5), Text("notes", "a *b*"), Histogram("w", []Bin{{-1, 1, 3}})))
	require.NoError(t, w.Add(13, Image("p", image.NewGray(image.Rect(0, 0, 3, 2)))))
	require.NoError(t, w.Add(14, Text("broken\xff", "\xc3(")))
	require.NoError(t, w.Close())
	content, err := os.ReadFile(w.Path())
	require.NoError(t, err)
	var got [][]string
	for _, r := range records(t, content) {
		f := fields(t, r, "", events)
		require.Regexp(t, `^\.1=1\.\d+e\+09$`, f[0], "wall time")
		got = append(got, f[1:])
	}
	half := string([]byte{0, 0, 0, 0x3f})
	bin := string(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil,
		math.Float64bits(-1)), math.Float64bits(1)), math.Float64bits(3)))
	require.Equal(t, []string{".2=0", `.3="brain.Event:2"`}, got[0])
	require.Equal(t, []string{".2=12", ".7.1=1"}, got[1])
	require.Equal(t, []string{".2=12",
		`.5.1.1="loss/train"`, ".5.1.8.1=1", fmt.Sprintf(".5.1.8.4=%q", half), `.5.1.9.1.1="scalars"`, ".5.1.9.4=1",
		`.5.1.1="notes"`, ".5.1.8.1=7", `.5.1.8.8="a *b*"`, `.5.1.9.1.1="text"`, ".5.1.9.4=2",
		`.5.1.1="w"`, ".5.1.8.1=2", ".5.1.8.2.2.1=1", ".5.1.8.2.2.1=3", fmt.Sprintf(".5.1.8.4=%q", bin), `.5.1.9.1.1="histograms"`, ".5.1.9.4=2",
	}, got[2])
	require.Equal(t, []string{".2=13", `.5.1.1="p"`, ".5.1.8.1=7", ".5.1.8.2.2.1=3", `.5.1.8.8="3"`, `.5.1.8.8="2"`}, got[3][:6])
	require.Equal(t, []string{`.5.1.9.1.1="images"`, ".5.1.9.4=3"}, got[3][7:])
	require.Contains(t, got[4], ".5.1.1=\"broken\uFFFD\"", "text that is not UTF-8 would end what TensorBoard reads")
	require.Contains(t, got[4], ".5.1.8.8=\"\uFFFD(\"")
}

// Files made in the same second have names of their own, in the order in which they were made.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for range 3 {
		w, err := Create(dir, 0)
		require.NoError(t, err)
		paths = append(paths, w.Path())
		require.NoError(t, w.Close())
		matched, err := filepath.Match(Pattern, filepath.Base(w.Path()))
		require.NoError(t, err)
		require.True(t, matched)
	}
	require.True(t, sort.StringsAreSorted(paths), "%v", paths)
	found, err := filepath.Glob(filepath.Join(dir, Pattern))
	require.NoError(t, err)
	require.Equal(t, paths, found)
	_, err = Create(filepath.Join(dir, "none"), 0)
	require.ErrorContains(t, err, "no such file or directory")
}
