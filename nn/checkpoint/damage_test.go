//go:build unix

package checkpoint_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn/checkpoint"
)

const (
	newest = "epoch-0003-step-00000009"
	older  = "epoch-0002-step-00000008"
)

// Whatever happens to a checkpoint, it is noticed, the one before is taken, and without one there is a clear error.
func TestDamage(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "checkpoints")
	train(t, newTrainer(t, "cpu"), whole)
	count := 0
	for _, name := range names(t, filepath.Join(whole, newest)) {
		content, err := os.ReadFile(filepath.Join(whole, newest, name))
		require.NoError(t, err)
		change := map[string]func(path string) error{
			"missing":   os.Remove,
			"empty":     func(path string) error { return os.Truncate(path, 0) },
			"longer":    func(path string) error { return os.WriteFile(path, append(bytes.Clone(content), ' '), 0o666) },
			"a folder":  func(path string) error { return errorsOf(os.Remove(path), os.Mkdir(path, 0o777)) },
			"a pipe":    func(path string) error { return errorsOf(os.Remove(path), syscall.Mkfifo(path, 0o666)) },
			"elsewhere": func(path string) error { return errorsOf(os.Remove(path), os.Symlink("/etc/passwd", path)) },
		}
		for i := range 12 {
			at := i * len(content) / 12
			change[fmt.Sprintf("bit of byte %d", at)] = func(path string) error {
				flipped := bytes.Clone(content)
				flipped[at] ^= 1 << (i % 8)
				return os.WriteFile(path, flipped, 0o666)
			}
			change[fmt.Sprintf("cut at %d", at)] = func(path string) error { return os.Truncate(path, int64(at)) }
		}
		for what, damage := range change {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
			require.NoError(t, damage(filepath.Join(dir, newest, name)), what)
			where := fmt.Sprintf("%s: %s", name, what)

			c, err := checkpoint.Latest(dir)
			require.NoError(t, err, where)
			require.Equal(t, 8, c.State.Step, where)
			require.Len(t, c.Damaged, 1, where)
			require.ErrorContains(t, c.Damaged[0], "checkpoint "+filepath.Join(dir, newest), where)
			require.NoError(t, c.Close())

			require.NoError(t, os.RemoveAll(filepath.Join(dir, older)))
			_, err = checkpoint.Latest(dir)
			require.ErrorContains(t, err, "no whole checkpoint in "+dir+": checkpoint "+filepath.Join(dir, newest), where)
			require.NotContains(t, err.Error(), "\n", where)
			count++
		}
	}
	require.Greater(t, count, 150)
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// What somebody wrote on purpose, checksums and all, is refused as clearly.
func TestRefusals(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "checkpoints")
	train(t, newTrainer(t, "cpu"), whole)
	for _, row := range []struct{ file, old, new, shown string }{
		{"state.json", `"version": 1`, `"version": 2`, "state.json: format version 2, this program reads 1: a newer program wrote it"},
		{"state.json", `"version": 1`, `"version": 0`, "state.json: no format version in it, expected 1 to 1"},
		{"state.json", `"version": 1`, `"version": "1"`, "state.json: json: cannot unmarshal"},
		{"state.json", `"version": 1`, `"versions": 1`, "state.json: no format version in it"},
		{"state.json", `"seed"`, `"sed"`, `state.json: json: unknown field "sed"`},
		{"state.json", `"step": 9`, `"step": 8`, "state.json: it is of epoch-0003-step-00000008"},
		{"state.json", `"told": true`, `"told": false`, "state.json: it is of epoch-0002-step-00000009"},
		{"state.json", `"step": 9`, `"step": 1e400`, "state.json: json: cannot unmarshal"},
		{"weights.safetensors", `"F32"`, `"F33"`, "weights.safetensors: not a whole safetensors file: header: tensor"},
		{"SHA256SUMS", "state.json", "../../../etc/passwd", `SHA256SUMS: "../../../etc/passwd" is no file of a checkpoint`},
		{"SHA256SUMS", "best.safetensors", "state.json", "SHA256SUMS: state.json is there twice"},
		{"SHA256SUMS", "config.yaml", "best.safetensors", "SHA256SUMS: "},
	} {
		t.Run(row.file+" "+row.new, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, older)))
			rewrite(t, filepath.Join(dir, newest), row.file, row.old, row.new)
			_, err := checkpoint.Latest(dir)
			require.ErrorContains(t, err, filepath.Join(dir, newest)+"/"+row.shown)
		})
	}
	t.Run("a newer format is not passed over", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
		rewrite(t, filepath.Join(dir, newest), "state.json", `"version": 1`, `"version": 7`)
		_, err := checkpoint.Latest(dir)
		var version *checkpoint.VersionError
		require.ErrorAs(t, err, &version)
		require.Equal(t, 7, version.Version)
	})
}

// rewrite changes a file of a checkpoint, and its checksum with it.
func rewrite(t *testing.T, dir, name, from, to string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	require.Contains(t, string(content), from)
	changed := strings.Replace(string(content), from, to, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(changed), 0o666))
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	sums = bytes.Replace(sums, fmt.Appendf(nil, "%x", sha256.Sum256(content)), fmt.Appendf(nil, "%x", sha256.Sum256([]byte(changed))), 1)
	if name != "SHA256SUMS" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), sums, 0o666))
	}
}
