package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/nn/weights"
)

// What docs/serving.md shows of curl is what a server answers, and the metrics that it lists are there.
func TestServingPage(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	page, err := os.ReadFile("../../docs/serving.md")
	require.NoError(t, err)
	path, _ := save(t, &weights.Card{Model: "cnn-large", Outputs: 10, Sample: tensor.Shape{1, 28, 28}, Scale: 1.0 / 255}, true, nil)
	s := serveProcess(t, "--device", "cpu", "--run", filepath.Dir(path))
	dir := t.TempDir()
	digit, err := os.ReadFile("../../docs/digit.png")
	require.NoError(t, err)
	for _, name := range []string{"digit.png", "picture.png"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), digit, 0o666))
	}
	commands := regexp.MustCompile("```sh\n(curl .*)\n```\n(?:```text\n(.*)\n```\n)?").FindAllStringSubmatch(string(page), -1)
	require.Len(t, commands, 4)
	for _, c := range commands {
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(c[1], "http://127.0.0.1:8080", s.url))
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err, c[1])
		if !strings.Contains(c[1], "/metrics") {
			require.Regexp(t, "^"+strings.ReplaceAll(regexp.QuoteMeta(c[2]), `\.\.\.`, `.*`)+"\n$", string(out), c[1])
			continue
		}
		names := regexp.MustCompile("`(fovea_\\w+)").FindAllStringSubmatch(string(page), -1)
		require.Len(t, names, 13)
		for _, name := range names {
			require.True(t, strings.Contains(string(out), "\n# TYPE "+name[1]+" "), name[1])
		}
		require.Equal(t, len(names), strings.Count(string(out), "\n# TYPE fovea_"), "metrics that the page does not list")
	}
}
