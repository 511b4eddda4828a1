package main

import (
	"bytes"
	"encoding/csv"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/nn/fit"
)

// A sweep leaves its table, its pictures and its settings, and no weights; and the rate that it suggests trains.
func TestFindRate(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 64, 8), t.TempDir()
	out := filepath.Join(dir, "sweep")
	args := []string{"--find-lr", "--find-lr-from", "1e-6", "--find-lr-steps", "150", "--optimizer", "sgd"}
	r := programtest.Succeed(t, train, short(npz, out, append(args, "--log", "json")...)...)
	all := lines(t, r.Stdout)
	require.Len(t, all, 1)
	require.Equal(t, "find-lr", all[0]["event"])
	require.Equal(t, out, all[0]["run"])
	suggested := all[0]["steepest_lr"].(float64)
	require.Greater(t, suggested, 1e-4)
	require.Less(t, suggested, 1.0)

	table, err := csv.NewReader(bytes.NewReader(fileOf(t, out, finderTable))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"step", "lr", "loss", "smoothed_loss"}, table[0])
	require.EqualValues(t, all[0]["steps"], len(table)-1)
	found := false
	for i, row := range table[1:] {
		rate, err := strconv.ParseFloat(row[1], 64)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i+1), row[0])
		require.InEpsilon(t, 1e-6*math.Pow(1e7, float64(i)/149), rate, 1e-6)
		found = found || math.Abs(rate/suggested-1) < 1e-6
	}
	require.True(t, found, "the suggestion is one of those that were tried")
	picture, err := png.Decode(bytes.NewReader(fileOf(t, out, finderPicture)))
	require.NoError(t, err)
	require.Greater(t, picture.Bounds().Dx(), 400)
	require.Contains(t, string(fileOf(t, out, finderDrawing)), "</svg>")
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, entries, 4, "%v", entries)
	require.NoFileExists(t, filepath.Join(out, runs.WeightsFile))

	again := filepath.Join(dir, "again")
	text := programtest.Succeed(t, train, "--config", filepath.Join(out, runs.ConfigFile), "--log", "text", "--out", again)
	require.Regexp(t, `\nRun folder: .*again \(\d+ rates tried; lr-finder.png shows them\)\nLearning rate: --lr [\d.e-]+, at which the loss falls fastest \(a tenth of the rate of the least loss is [\d.e-]+\)\n$`, text.Stdout)
	require.Equal(t, fileOf(t, out, finderTable), fileOf(t, again, finderTable))
	require.Equal(t, fileOf(t, out, finderDrawing), fileOf(t, again, finderDrawing))

	trained := programtest.Succeed(t, train, short(npz, filepath.Join(dir, "trained"), "--optimizer", "sgd", "--lr", strconv.FormatFloat(suggested, 'g', 3, 64), "--epochs", "8", "--log", "json")...)
	done := lines(t, trained.Stdout)
	require.EqualValues(t, 1, done[8]["test_accuracy"])
}

// Where the loss falls nowhere there is nothing to suggest; the picture has no mark then.
func TestFindRateNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 16, 8), out, "--find-lr", "--find-lr-from", "1e10", "--find-lr-to", "1e12", "--optimizer", "sgd")...)
	require.Regexp(t, `\nLearning rate: none to suggest, the loss fell nowhere\n$`, r.Stdout)
	require.FileExists(t, filepath.Join(out, finderPicture))
}

// However few points there are, and whatever they are, the picture is drawn.
func TestDrawCurve(t *testing.T) {
	for _, points := range [][]fit.RatePoint{nil, {{Rate: 1, Loss: 2, Smoothed: 2}}, {{Rate: 1e-300, Loss: 1, Smoothed: 1}, {Rate: 1e300, Loss: 1e300, Smoothed: 3}}} {
		for _, name := range []string{finderPicture, finderDrawing} {
			var b bytes.Buffer
			require.NoError(t, drawCurve(&b, name, &fit.RateCurve{Points: points}))
			require.NotZero(t, b.Len())
		}
	}
}

func TestFindRateRefusals(t *testing.T) {
	for _, row := range []struct {
		args  []string
		shown string
	}{
		{[]string{"--find-lr-from", "0"}, `--find-lr: sweep from rate 0 to 10, expected finite numbers above 0, the second larger`},
		{[]string{"--find-lr-to", "1e-9"}, `--find-lr: sweep from rate 1e-07 to 1e-09, expected`},
		{[]string{"--find-lr-steps", "5"}, `--find-lr: sweep of 5 steps, expected 10 to 100000`},
	} {
		r := programtest.Run(train, append(row.args, "--find-lr", "--out", filepath.Join(t.TempDir(), "run"))...)
		require.Equal(t, 2, r.Code, r.Stderr)
		require.Regexp(t, "^program: "+row.shown, r.Stderr)
	}
}
