package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/live"
	"fovea/cmd/internal/live/livetest"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// shown is the address of inspect serve, which runs until the test ends.
func shown(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- inspect(ctx, append([]string{"serve"}, args...), write, io.Discard) }()
	t.Cleanup(func() {
		cancel(cli.ErrInterrupted)
		require.ErrorIs(t, <-ended, cli.ErrInterrupted)
	})
	line := make([]byte, 200)
	n, err := read.Read(line)
	require.NoError(t, err)
	found := regexp.MustCompile(`^Serving on (http://127\.0\.0\.1:\d+), for this machine only\n$`).FindSubmatch(line[:n])
	require.NotNil(t, found, "%s", line[:n])
	return string(found[1])
}

func finished(t *testing.T, dir string, epochs int, classes []string) *livetest.Training {
	t.Helper()
	return livetest.NewTraining(t, live.NewBoard(), dir, epochs, classes).Finish()
}

// Runs side by side in a browser, of which one is chosen to be looked into; and what names say stays text.
func TestServeComparesRuns(t *testing.T) {
	const hostile = `<img src=x onerror=alert(1)>`
	root := t.TempDir()
	one := finished(t, filepath.Join(root, "a plain run"), 6, livetest.Classes)
	other := finished(t, filepath.Join(root, hostile), 4, []string{hostile, `"><script>alert(1)</script>`, "'&amp;", "</title>"})
	address := shown(t, root)
	page := livetest.Open(t, address, 1280, 1300, true)
	page.Wait("document.querySelectorAll('#runs .run').length === 2 && document.querySelectorAll('#epochs tbody tr').length > 0")
	// Sorted by name, '<' comes first.
	require.Len(t, page.Rows("#epochs"), len(other.Lines))
	require.Equal(t, hostile, page.Text("#runs .run:first-child button"))
	require.Contains(t, page.Text("#inside-run"), hostile)
	page.Wait("document.querySelector('#predictions figcaption')?.innerText.length > 0")
	require.Contains(t, page.Text("#predictions"), hostile)
	require.Contains(t, page.Text("#predictions"), "'&amp;")
	require.Contains(t, page.Text("#curves figure .legend"), hostile)
	require.Zero(t, livetest.Evaluate[int](page, "document.querySelectorAll('img[onerror], body script').length"))

	livetest.Evaluate[any](page, "document.querySelector('#runs .run:last-child button').click()")
	page.Wait(fmt.Sprintf("document.querySelectorAll('#epochs tbody tr').length === %d", len(one.Lines)))
	require.Equal(t, fmt.Sprintf("%.4f", *one.Lines[5].ValLoss), page.Rows("#epochs")[0][5])
	page.Wait("document.querySelector('#predictions').innerText.includes('middle left')")

	// Curves of a run that is hidden go, and the other one's stay.
	polylines := "document.querySelectorAll('#curves figure:first-child polyline').length"
	require.Equal(t, 4, livetest.Evaluate[int](page, polylines))
	livetest.Evaluate[any](page, "document.querySelector('#runs .run:first-child input').click()")
	page.Wait(polylines + " === 3") // one run alone has its training as it was and smoothed
	livetest.Evaluate[any](page, "document.querySelector('#runs .run:first-child input').click()")
	livetest.Evaluate[any](page, "document.querySelector('#log').click()")
	page.Wait(polylines + " === 4")
	page.RequireClean(address)
}

// The page fits a telephone: nothing but tables is wider than the window, and they scroll by themselves.
func TestServeOnATelephone(t *testing.T) {
	address := shown(t, finished(t, filepath.Join(t.TempDir(), "bars"), 3, livetest.Classes).Dir)
	page := livetest.Open(t, address, 360, 740, false)
	page.Wait("document.querySelectorAll('#histograms svg').length === 4")
	require.LessOrEqual(t, livetest.Evaluate[int](page, "document.documentElement.scrollWidth"), 360)
	picture, err := png.Decode(bytes.NewReader(page.Screenshot("telephone.png")))
	require.NoError(t, err)
	require.Equal(t, 360, picture.Bounds().Dx())
	page.RequireClean(address)
}

// Curves are read without a mouse: the arrow keys move over the epochs, and what they come to is said.
func TestServeByKeyboard(t *testing.T) {
	run := finished(t, filepath.Join(t.TempDir(), "bars"), 3, livetest.Classes)
	address := shown(t, run.Dir)
	page := livetest.Open(t, address, 1000, 800, false)
	page.Wait("document.querySelectorAll('#curves figure:first-child circle').length === 3")
	livetest.Evaluate[any](page, `for (const svg of document.querySelectorAll("#curves svg")) { svg.focus(); svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true })) }`)
	require.Contains(t, page.Text("#curves figure:first-child .readout"), "epoch 3: training ")
	require.Regexp(t, `^Loss: training [\d.e-]+, validation [\d.e-]+`, livetest.Evaluate[string](page, "document.querySelector('#curves svg').getAttribute('aria-label')"))
	require.Zero(t, livetest.Evaluate[int](page, "[...document.querySelectorAll('input, button, svg[role=img], progress')].filter((e) => !(e.ariaLabel || e.labels?.length || e.innerText || e.getAttribute('aria-label'))).length"))
	page.RequireClean(address)
}

func TestServeRefusals(t *testing.T) {
	root := t.TempDir()
	empty := filepath.Join(root, "empty")
	require.NoError(t, os.Mkdir(empty, 0o777))
	many := filepath.Join(root, "many")
	for i := range mostRuns + 1 {
		dir := filepath.Join(many, fmt.Sprint(i))
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, runs.ConfigFile), nil, 0o666))
	}
	damaged := finished(t, filepath.Join(root, "damaged"), 1, livetest.Classes).Dir
	require.NoError(t, os.WriteFile(filepath.Join(damaged, live.File), []byte("{"), 0o666))
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "no run: expected run folders of train"},
		{[]string{"--addr", "x", filepath.Join(many, "0")}, 2, `--addr: "x", expected PORT or HOST:PORT`},
		{[]string{filepath.Join(root, "absent")}, 1, "absent: no such file or directory, expected a run folder of train"},
		{[]string{empty}, 1, "empty: no config.yaml in it or in a folder of it"},
		{[]string{filepath.Join(damaged, live.File)}, 1, "live.jsonl: not a directory"},
		{[]string{damaged}, 1, "live.jsonl: line 1: unexpected end of JSON input"},
		{[]string{many}, 2, "33 runs, expected at most 32"},
	} {
		r := programtest.Run(inspect, append([]string{"serve"}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Contains(t, r.Stderr, row.want)
	}
}
