//go:build unix

package live_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/live"
	"fovea/cmd/internal/live/livetest"
	"fovea/cmd/internal/runs"
)

// folder is a run folder with a training that is over.
func folder(t *testing.T) string {
	t.Helper()
	return livetest.NewTraining(t, live.NewBoard(), filepath.Join(t.TempDir(), "bars"), 2, livetest.Classes).Finish().Dir
}

func TestOpenRefusals(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(`{"event":"start","format":1,"model":"secret"}`), 0o666))
	link := func(name, to string) func(dir string) error {
		return func(dir string) error {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return err
			}
			return os.Symlink(to, filepath.Join(dir, name))
		}
	}
	for _, row := range []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"no folder", os.RemoveAll, "no such file or directory, expected a run folder of train"},
		{"no run", func(dir string) error { return os.Remove(filepath.Join(dir, runs.ConfigFile)) }, "no config.yaml in it, expected a run folder of train"},
		{"a link out of it", link(live.File, secret), "live.jsonl: path escapes from parent"},
		{"a relative link out of it", link(live.File, "../../"+filepath.Base(secret)), "live.jsonl: path escapes from parent"},
		{"measurements out of it", link(runs.LinesFile, secret), "metrics.jsonl: path escapes from parent"},
		{"settings out of it", link(runs.ConfigFile, secret), "config.yaml: path escapes from parent"},
		{"a link to itself", link(live.File, live.File), "live.jsonl: too many levels of symbolic links"},
		{"a folder", func(dir string) error {
			os.Remove(filepath.Join(dir, live.File))
			return os.Mkdir(filepath.Join(dir, live.File), 0o777)
		}, "live.jsonl: not a regular file"},
		{"a pipe", func(dir string) error {
			os.Remove(filepath.Join(dir, live.File))
			return syscall.Mkfifo(filepath.Join(dir, live.File), 0o666)
		}, "live.jsonl: not a regular file"},
		{"damage", func(dir string) error { return os.WriteFile(filepath.Join(dir, live.File), []byte("{\n"), 0o666) }, "live.jsonl: line 1: unexpected end of JSON input"},
		{"damaged measurements", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, runs.LinesFile), []byte("{\n"), 0o666)
		}, "metrics.jsonl: line 1: damaged"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := folder(t)
			require.NoError(t, row.make(dir))
			err := live.NewBoard().Open(dir)
			require.ErrorContains(t, err, dir)
			require.ErrorContains(t, err, row.want)
		})
	}
}

// A run of before there was a live.jsonl has curves.
func TestOldRun(t *testing.T) {
	dir := folder(t)
	require.NoError(t, os.Remove(filepath.Join(dir, live.File)))
	b := live.NewBoard()
	require.NoError(t, b.Open(dir))
	_, changes := listen(t, serve(t, b)).next()
	require.Len(t, changes[0].Epochs, 2)
	require.Nil(t, changes[0].Start)
}

// A link within the folder may stay, and of two runs of one name the whole paths are said.
func TestNames(t *testing.T) {
	one, other := folder(t), folder(t)
	require.NoError(t, os.Rename(filepath.Join(one, live.File), filepath.Join(one, "kept")))
	require.NoError(t, os.Symlink("kept", filepath.Join(one, live.File)))
	b := live.NewBoard()
	require.NoError(t, b.Open(one+"/."))
	require.NoError(t, b.Open(other))
	_, changes := listen(t, serve(t, b)).next()
	require.Equal(t, "bars", changes[0].Name)
	require.NotNil(t, changes[0].Start)
	require.Equal(t, other, changes[1].Name)
}

// What another process writes is shown, and so is why it cannot be read any more.
func TestFollow(t *testing.T) {
	dir := folder(t)
	b := live.NewBoard()
	require.NoError(t, b.Open(dir))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		b.Follow(ctx)
		close(ended)
	}()
	defer func() {
		stop()
		<-ended
	}()
	s := listen(t, serve(t, b))
	_, changes := s.next()
	require.Len(t, changes[0].Epochs, 2)
	require.InDelta(t, time.Now().Unix(), changes[0].Written, 60)

	path := filepath.Join(dir, runs.LinesFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	line, err := json.Marshal(livetest.Line(3, 24))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(content, line...), 0o666))
	_, changes = s.next()
	require.True(t, changes[0].Reset)
	require.Len(t, changes[0].Epochs, 3)

	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o666))
	_, changes = s.next()
	require.Contains(t, changes[0].Problem, "metrics.jsonl: line 1: damaged")
	require.False(t, changes[0].Reset, "what there was is still shown")
}
