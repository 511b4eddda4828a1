package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/live/livetest"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// served is a training that is shown, with the address of its page. It goes on until it is stopped.
func served(t *testing.T, args ...string) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- train(ctx, args, io.Discard, write)
		write.Close()
	}()
	notices := bufio.NewReader(read)
	line, err := notices.ReadString('\n')
	require.NoError(t, err)
	go io.Copy(io.Discard, notices)
	found := regexp.MustCompile(`^Serving on (http://127\.0\.0\.1:\d+), for this machine only\n$`).FindStringSubmatch(line)
	require.NotNil(t, found, line)
	stop = sync.OnceValue(func() error {
		cancel(cli.ErrInterrupted)
		return <-ended
	})
	t.Cleanup(func() { stop() })
	return found[1], stop
}

// The page in a browser while a real training runs: curves appear, the numbers are those of metrics.jsonl, and at the end it
// says how that was.
func TestServeInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	out := filepath.Join(t.TempDir(), "bars")
	address, stop := served(t, "--data", "npz:"+programtest.BarsNPZ(t, 100, 16), "--model", "cnn-small", "--input", "1x16x16", "--batch", "15", "--epochs", "100000", "--val-fraction", "0.2",
		"--out", out, "--schedule", "cosine", "--serve", "0")
	page := livetest.Open(t, address, 1280, 1500, false)
	page.Wait("document.querySelectorAll('#epochs tbody tr').length >= 3 && document.querySelectorAll('#histograms svg').length === 6")
	require.Equal(t, "training", page.Text("#runs .state"))
	require.Contains(t, page.Text("#now"), "of 100000")
	require.Regexp(t, `Time left\s+\d+ (h|min|s)`, page.Text("#now"))
	// Loss and accuracy have training as it was and smoothed, and validation; memory has two lines.
	for chart, want := range map[string]int{"Loss": 3, "Accuracy": 3, "Learning rate": 1, "Images per second": 1, "Memory in MiB": 2} {
		require.Equal(t, want, livetest.Evaluate[int](page, fmt.Sprintf(
			"[...document.querySelectorAll('#curves figure')].find((f) => f.innerText.startsWith(%q)).querySelectorAll('polyline').length", chart)), chart)
	}
	require.Equal(t, 12, livetest.Evaluate[int](page, "[...document.querySelectorAll('#predictions img')].filter((i) => i.complete && i.naturalWidth === 16).length"))
	require.Equal(t, 32, livetest.Evaluate[int](page, "document.querySelectorAll('#filters canvas').length"))
	require.Len(t, page.Rows("#network"), 8)
	require.NotEmpty(t, page.Screenshot("training.png"))
	page.RequireClean(address) // later it may ask in vain for what is new, at the moment that the server ends

	require.ErrorIs(t, stop(), cli.ErrInterrupted)
	page.Wait("document.querySelector('#connection').innerText.startsWith('the server has ended')")
	page.Wait("document.querySelector('#runs .state').innerText === 'interrupted'") // drawn in the next frame
	require.Equal(t, epochsOf(t, out), epochsShown(page))
	_, err := http.Get(address)
	require.Error(t, err, "nobody listens any more")
}

// epochsOf are the numbers of metrics.jsonl as the page shows them, the last first.
func epochsOf(t *testing.T, out string) [][]string {
	t.Helper()
	var all [][]string
	for _, l := range lines(t, string(fileOf(t, out, runs.LinesFile))) {
		number := func(name, format string, factor float64) string {
			if v, known := l[name].(float64); known {
				return fmt.Sprintf(format, factor*v)
			}
			return ""
		}
		epoch := fmt.Sprint(l["epoch"])
		if l["partial"] == true {
			epoch += " (cut)"
		}
		all = append(all, []string{epoch, number("train_loss", "%.4f", 1), number("train_accuracy", "%.2f%%", 100), number("val_loss", "%.4f", 1), number("val_accuracy", "%.2f%%", 100)})
	}
	slices.Reverse(all)
	return all
}

func epochsShown(page *livetest.Page) [][]string {
	var all [][]string
	for _, row := range page.Rows("#epochs") {
		all = append(all, []string{row[0], row[3], row[4], row[5], row[6]})
	}
	return all
}

// An address that cannot be had is known before anything is read or trained.
func TestServeRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for address, row := range map[string]struct {
		code int
		want string
	}{
		"x":                    {2, `--serve: "x", expected PORT or HOST:PORT`},
		taken.Addr().String():  {1, "--serve: listen tcp"},
		"fovea.invalid.:10000": {1, "--serve: listen tcp"},
	} {
		out := filepath.Join(t.TempDir(), "run")
		r := programtest.Run(train, short("absent.npz", out, "--serve", address)...)
		require.Equal(t, row.code, r.Code, r.Stderr)
		require.Contains(t, r.Stderr, row.want)
		require.NoDirExists(t, out)
	}
}

// Where a training was served is no setting of the next one.
func TestServeIsNotKept(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 16, 8), out, "--serve", "0")...)
	require.Contains(t, r.Stderr, "Serving on http://127.0.0.1:")
	require.NotContains(t, string(fileOf(t, out, runs.ConfigFile)), "serve")
}
