package measured_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/measured"
)

type choice struct {
	Number int `json:"algorithm"`
}

func TestChoicesAreKeptByKindAndHardware(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	f := measured.Load[choice]("cpu", "Xeon(R) / 2")
	require.Empty(t, f.Keys())
	f.Keep("a", choice{3})
	f.Save()
	again := measured.Load[choice]("cpu", "Xeon(R) / 2")
	c, known := again.Find("a")
	require.True(t, known)
	require.Equal(t, choice{3}, c)
	require.Equal(t, []string{"a"}, again.Keys())
	_, known = again.Find("b")
	require.False(t, known)
	for _, other := range []*measured.File[choice]{measured.Load[choice]("cpu", "EPYC"), measured.Load[choice]("gpu", "Xeon(R) / 2")} {
		require.Empty(t, other.Keys())
	}
}

// A file that is not what Save wrote is as none.
func TestDamagedFiles(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	path := filepath.Join(cache, "fovea", "cpu-x.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	for _, content := range []string{"", "null", "[1]", `{"a": "b"}`, `{"a": {"algorithm"`, string(make([]byte, 17<<20))} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		f := measured.Load[choice]("cpu", "x")
		_, known := f.Find("a")
		require.False(t, known)
		f.Keep("a", choice{1})
		f.Save()
		require.Equal(t, []string{"a"}, measured.Load[choice]("cpu", "x").Keys(), "after %.20q", content)
	}
}

// Nothing new, no cache folder, or one that cannot be made: nothing is written, and that is no error.
func TestNothingIsWritten(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	measured.Load[choice]("cpu", "x").Save()
	entries, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NoError(t, os.WriteFile(filepath.Join(cache, "fovea"), nil, 0o666))
	f := measured.Load[choice]("cpu", "x")
	f.Keep("a", choice{1})
	f.Save()
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	f = measured.Load[choice]("cpu", "x")
	f.Keep("a", choice{1})
	f.Save()
}
