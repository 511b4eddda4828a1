package data

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// entry is a file of an archive.
type entry struct {
	name    string
	content []byte
}

// tarball is an archive of files, packed.
func tarball(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	for _, e := range entries {
		require.NoError(t, a.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.content))}))
		_, err := a.Write(e.content)
		require.NoError(t, err)
	}
	require.NoError(t, a.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

// cifarRecords are n pictures: labels i mod 20 (only if coarse) and i, then pixels that tell channel, row and column apart.
func cifarRecords(n, from int, coarse bool) []byte {
	var b []byte
	for i := range n {
		if coarse {
			b = append(b, byte((from+i)%20))
		}
		b = append(b, byte(from+i))
		for p := range cifarSize {
			b = append(b, byte(p/1024*80+p%1024/32*2+p%32+from+i))
		}
	}
	return b
}

func namesOf(n int, kind string) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%d\n", kind, i)
	}
	b.WriteString("\n") // as in CIFAR-10's
	return []byte(b.String())
}

func smallCIFAR10(t testing.TB) []byte {
	entries := []entry{{"cifar-10-batches-bin/readme.html", []byte("<html>")}, {"cifar-10-batches-bin/batches.meta.txt", namesOf(10, "c")}}
	for i := range 5 {
		entries = append(entries, entry{fmt.Sprintf("cifar-10-batches-bin/data_batch_%d.bin", 5-i), cifarRecords(2, 2*(4-i), false)})
	}
	return tarball(t, append(entries, entry{"cifar-10-batches-bin/test_batch.bin", cifarRecords(3, 4, false)})...)
}

func smallCIFAR100(t testing.TB) []byte {
	return tarball(t, entry{"cifar-100-binary/train.bin", cifarRecords(4, 50, true)}, entry{"cifar-100-binary/test.bin", cifarRecords(2, 98, true)},
		entry{"cifar-100-binary/fine_label_names.txt", namesOf(100, "fine")}, entry{"cifar-100-binary/coarse_label_names.txt", namesOf(20, "coarse")})
}

func TestCIFAR(t *testing.T) {
	for _, row := range []struct {
		c           cifar
		content     []byte
		train, test []int
		class       string // of the first sample
	}{
		{cifar10, smallCIFAR10(t), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []int{4, 5, 6}, "c0"},
		{cifar100, smallCIFAR100(t), []int{50, 51, 52, 53}, []int{98, 99}, "fine50"},
		{cifar100Coarse, smallCIFAR100(t), []int{10, 11, 12, 13}, []int{18, 19}, "coarse10"},
	} {
		// As the user has it: a folder with the archive.
		dir := t.TempDir()
		c := row.c
		c.archive = fileOf(c.archive.name, row.content)
		require.NoError(t, os.WriteFile(filepath.Join(dir, c.archive.name), row.content, 0o666))
		sets, err := openCIFAR(t.Context(), c, Options{Dir: dir})
		require.NoError(t, err, c.name)
		for i, set := range []Set{sets.Train, sets.Test} {
			want := [][]int{row.train, row.test}[i]
			require.Equal(t, len(want), set.Len())
			for k, label := range want {
				require.Equal(t, label, set.Label(k), "%s %d", c.name, k)
			}
			require.Equal(t, -1, set.Label(len(want)))
			info := set.Info()
			require.Equal(t, tensor.Shape{3, 32, 32}, info.Sample)
			require.Equal(t, c.classes, info.Classes)
			require.Len(t, info.ClassNames, c.classes)
			require.Equal(t, float32(1.0/255), info.Scale)
			require.NoError(t, info.checkNormal())
		}
		require.Equal(t, row.class, sets.Train.Info().ClassNames[row.train[0]])
		x := make([]float32, cifarSize)
		require.NoError(t, sets.Train.Read(1, x))
		first := map[string]int{"cifar10": 0, "cifar100": 50, "cifar100:coarse": 50}[c.name]
		for _, p := range []int{0, 1, 33, 1023, 1024, 2048, 3071} {
			require.Equal(t, float32(byte(p/1024*80+p%1024/32*2+p%32+first+1))/255, x[p], "%s value %d", c.name, p)
		}
		// A batch has mean and deviation taken out.
		for b, err := range (&Loader{Set: sets.Train, Batch: 2}).Epoch(t.Context(), 0) {
			require.NoError(t, err)
			got := b.X.Data().([]float32)[cifarSize+1024]
			require.InDelta(t, (x[1024]-c.mean[1])/c.deviation[1], got, 1e-6)
			break
		}
		require.ErrorContains(t, sets.Test.Read(9, x), "no sample 9")
	}
}

func TestCIFARFilesThatDoNotFit(t *testing.T) {
	train, test, fine := entry{"a/train.bin", cifarRecords(2, 0, true)}, entry{"a/test.bin", cifarRecords(2, 0, true)}, entry{"a/fine_label_names.txt", namesOf(100, "f")}
	good := tarball(t, train, test, fine)
	bad := bytes.Clone(train.content)
	bad[1] = 100
	for _, row := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"right", good, ""},
		{"no gzip", []byte("plain"), "unexpected EOF"},
		{"cut", good[:len(good)-20], "unexpected EOF"},
		{"no test", tarball(t, train, fine), "no file test.bin in it"},
		{"no names", tarball(t, train, test), "fine_label_names.txt has 0 names, expected 100"},
		{"twice", tarball(t, train, train, test, fine), "train.bin is there twice"},
		{"odd size", tarball(t, entry{"train.bin", train.content[1:]}), "train.bin: 6147 bytes, expected records of 3074"},
		{"empty", tarball(t, entry{"train.bin", nil}), "train.bin: 0 bytes, expected records of 3074"},
		{"label", tarball(t, entry{"train.bin", bad}, test, fine), `labels of "cifar100": sample 0 has label 100, expected 0 to 99`},
	} {
		sets, err := cifar100.read(t.Context(), bytes.NewReader(row.content))
		if row.want == "" {
			require.NoError(t, err, row.name)
			require.Equal(t, 2, sets.Train.Len())
			continue
		}
		require.ErrorContains(t, err, row.want, row.name)
	}
	// The user's own archive, damaged.
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cifar-10-binary.tar.gz"), []byte("x"), 0o666))
	_, err := Open(t.Context(), "cifar10", Options{Dir: dir})
	require.ErrorContains(t, err, "cifar10: "+filepath.Join(dir, "cifar-10-binary.tar.gz")+" is damaged: expected 170052171 bytes, found 1")
}

func FuzzCIFAR(f *testing.F) {
	f.Add(smallCIFAR100(f))
	f.Add(tarball(f, entry{"train.bin", cifarRecords(1, 0, true)}))
	f.Fuzz(func(t *testing.T, content []byte) {
		cifar100.read(t.Context(), bytes.NewReader(content))
	})
}
