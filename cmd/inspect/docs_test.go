package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/nn/weights"
)

// The commands of docs/inspecting.md work, on a network that has learned nothing, and make the files that the page shows.
func TestInspectingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/inspecting.md")
	require.NoError(t, err)
	folder := run(t, weights.Card{Model: "cnn-large", Outputs: 10, Sample: tensor.Shape{1, 28, 28}, Scale: 1.0 / 255}, nil)
	made := t.TempDir()
	calls := regexp.MustCompile(`(?m)^inspect (.*)$`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, calls, 5)
	for _, call := range calls {
		var out string
		args := strings.Fields(call[1])
		for i, a := range args {
			switch {
			case a == "runs/cnn-large":
				args[i] = folder
			case i > 0 && args[i-1] == "-o":
				out = filepath.Base(a)
				args[i] = filepath.Join(made, out)
			case strings.HasPrefix(a, "docs/"):
				args[i] = "../../" + a
			}
		}
		programtest.Succeed(t, inspect, args...)
		require.Contains(t, string(page), "]("+out+")")
		shown, drawn := readPNG(t, "../../docs/"+out), readPNG(t, filepath.Join(made, out))
		require.Equal(t, shown.Bounds(), drawn.Bounds(), out)
		if args[0] == "convolve" { // which has no network in it
			require.Equal(t, shown, drawn)
		}
	}
}
