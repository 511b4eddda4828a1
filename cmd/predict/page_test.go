package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/serving.md lists the metrics of the server: all that are its own, and no others.
func TestMetricsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/serving.md")
	require.NoError(t, err)
	path, _ := save(t, &names, true, nil)
	s := serveProcess(t, "--run", filepath.Dir(path))
	picture, err := os.ReadFile(encode(t, "m.png", bar(0, 8)))
	require.NoError(t, err)
	s.post(t, "image/png", picture)
	sorted := func(pattern string, of []byte) (all []string) {
		for _, found := range regexp.MustCompile(pattern).FindAllSubmatch(of, -1) {
			all = append(all, string(found[1]))
		}
		slices.Sort(all)
		return all
	}
	require.Equal(t, sorted("`(fovea_\\w+)", page), sorted(`(?m)^# TYPE (fovea_\w+) `, []byte(s.get(t, "/metrics"))))
}
