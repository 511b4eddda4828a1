package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/nn/weights"
)

// build compiles the program, with main.go changed by edit, as go build's overlay has it.
func build(t *testing.T, edit func(source string) string) string {
	t.Helper()
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	folder := t.TempDir()
	changed := filepath.Join(folder, "changed.go")
	require.NoError(t, os.WriteFile(changed, []byte(edit(string(source))), 0o666))
	original, err := filepath.Abs("main.go")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o666))
	program := filepath.Join(folder, "digits")
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(folder, "overlay.json"), "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// start runs the program in a new folder with the picture that it reads.
func start(t *testing.T, program string) (folder, stdout string) {
	t.Helper()
	folder = t.TempDir()
	picture, err := os.ReadFile("../../docs/digit.png")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "digit.png"), picture, 0o666))
	cmd := exec.Command(program)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return folder, string(out)
}

// On a set that any machine has: it learns, keeps its weights and names a class.
func TestStripes(t *testing.T) {
	program := build(t, func(source string) string {
		require.Equal(t, 1, strings.Count(source, `"mnist"`))
		source = strings.Replace(source, `"mnist"`, `"stripes:10000"`, 1)
		return strings.Replace(source, `	"fovea/nn"`, `	_ "fovea/examples/extending" // registers stripes
	"fovea/nn"`, 1)
	})
	folder, out := start(t, program)
	require.Regexp(t, `^accuracy on the test set: (9\d\.\d|100\.0) %\nthe digit in digit.png: [01]\n$`, out)
	state, err := weights.Open(filepath.Join(folder, "digits.safetensors"))
	require.NoError(t, err)
	defer state.Close()
	require.Len(t, state.Tensors, 4)
}

// On MNIST itself, where its files are at hand, the picture is the seven that it shows.
func TestMNIST(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 60,000 pictures")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	if _, err := data.Open(t.Context(), "mnist", data.Options{Dir: filepath.Join(cache, "fovea", "mnist")}); err != nil {
		t.Skip("MNIST was not fetched on this machine yet: " + err.Error())
	}
	_, out := start(t, build(t, func(source string) string { return source }))
	require.Regexp(t, `^accuracy on the test set: 9[78]\.\d %\nthe digit in digit.png: 7\n$`, out)
}
