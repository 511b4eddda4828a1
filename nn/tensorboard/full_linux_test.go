package tensorboard

import (
	"image"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What cannot be written whole is not written at all, and neither is anything after it.
func TestWriteFails(t *testing.T) {
	w, err := Create(t.TempDir(), 0)
	require.NoError(t, err)
	require.NoError(t, w.Add(1, Scalar("a", 1)))
	whole, err := os.ReadFile(w.Path())
	require.NoError(t, err)

	require.ErrorContains(t, w.Add(2, Image("none", image.NewGray(image.Rectangle{}))), `picture "none": png: invalid format`)
	limited(t, int64(len(whole))+20, func() { require.ErrorIs(t, w.Add(2, Scalar("a", 2)), syscall.EFBIG) })
	require.ErrorIs(t, w.Add(3, Scalar("a", 3)), syscall.EFBIG)
	require.NoError(t, w.Close())
	content, err := os.ReadFile(w.Path())
	require.NoError(t, err)
	require.Equal(t, whole, content)
}

// limited runs f while no file may grow beyond a size, as on a disk that is full.
func limited(t *testing.T, size int64, f func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(size), Max: before.Max}))
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)
	f()
}
