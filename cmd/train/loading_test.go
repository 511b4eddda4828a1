package main

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/device/philox"
	"fovea/nn/weights"
)

// pictures writes n pictures of two classes, one with its bright half above and one with it on the left, of several sizes
// and forms; those at bad are none.
func pictures(t *testing.T, root string, n int, bad ...int) {
	t.Helper()
	random := philox.NewSource(philox.Stream{Seed: uint64(n)})
	for i := range n {
		w, h := 30+random.Intn(20), 30+random.Intn(20)
		m := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				v := uint8(random.Intn(60))
				if i%2 == 0 && y < h/2 || i%2 == 1 && x < w/2 {
					v += 190
				}
				m.Set(x, y, color.RGBA{v, v, v / 2, 255})
			}
		}
		path := filepath.Join(root, []string{"above", "left"}[i%2], fmt.Sprintf("%02d.jpg", i))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		f, err := os.Create(path)
		require.NoError(t, err)
		switch {
		case len(bad) > 0 && i == bad[0]:
			bad = bad[1:]
			_, err = f.WriteString("no picture")
		case i%3 == 0:
			err = png.Encode(f, m)
		default:
			err = jpeg.Encode(f, m, nil)
		}
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// A folder of pictures is learnt, with damage counted; its own validation set is used; and the run carries how pictures
// become samples.
func TestFolderOfPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	root := t.TempDir()
	pictures(t, filepath.Join(root, "train"), 48, 6, 7)
	pictures(t, filepath.Join(root, "val"), 20, 5)
	pictures(t, filepath.Join(root, "test"), 16)
	out := filepath.Join(t.TempDir(), "run")
	args := []string{"--data", "folder:" + root, "--model", "cnn-small", "--batch", "8", "--epochs", "6", "--crop", "resized:0.5:1", "--log", "json"}
	r := programtest.Succeed(t, train, append(args, "--out", out, "--on-bad-image", "skip")...)
	all := lines(t, r.Stdout)
	require.Len(t, all, 7)
	for _, line := range all[:6] {
		require.Equal(t, 3.0, line["bad_images"], "two to train on, one to validate")
	}
	require.NotContains(t, all[6], "bad_images")
	require.Greater(t, all[5]["val_accuracy"], 0.8)
	require.Greater(t, all[6]["test_accuracy"], 0.8)
	require.Contains(t, r.Stderr, "passed over: "+filepath.Join(root, "train", "above", "06.jpg")+": not a picture, expected PNG, JPEG or GIF\n")
	require.Contains(t, r.Stderr, "3 damaged pictures passed over since the last epoch")
	card, err := weights.ReadCard(filepath.Join(out, runs.WeightsFile))
	require.NoError(t, err)
	require.Equal(t, []string{"above", "left"}, card.ClassNames)
	require.Equal(t, 32, card.Resize)
	require.Len(t, card.Mean, 1)
	require.Len(t, card.Deviation, 1)

	// The number of workers changes nothing.
	again := filepath.Join(t.TempDir(), "again")
	programtest.Succeed(t, train, append(args, "--out", again, "--on-bad-image", "skip", "--workers", "5")...)
	require.Equal(t, fileOf(t, out, runs.WeightsFile), fileOf(t, again, runs.WeightsFile))

	failed := programtest.Run(train, append(args, "--out", filepath.Join(t.TempDir(), "x"))...)
	require.Equal(t, 1, failed.Code)
	require.Regexp(t, `sample \d+: .*(above/06|left/07)\.jpg: not a picture, expected PNG, JPEG or GIF`, failed.Stderr)
}

func TestLoadingRefusals(t *testing.T) {
	root := t.TempDir()
	pictures(t, filepath.Join(root, "train"), 8)
	pictures(t, filepath.Join(root, "val"), 4)
	for _, row := range []struct {
		args  []string
		shown string
	}{
		{[]string{"--on-bad-image", "ignore"}, `--on-bad-image: "ignore", expected fail or skip`},
		{[]string{"--workers", "-1"}, "--workers: -1, expected at least 0"},
		{[]string{"--resize", "-1"}, "--resize: -1, expected at least 0"},
		{[]string{"--crop", "all"}, `--crop: crop "all", expected resized,`},
		{[]string{"--data", "folder:" + root, "--val-fraction", "0.5"}, "--val-fraction: 0.5, but folder:" + root + " has a set of its own to validate with"},
		{[]string{"--data", "folder:" + root, "--resize", "10"}, "resized to a shorter side of 10, expected 28"},
		{[]string{"--data", "cifar100:fin"}, `--data: unknown data set "cifar100:fin", expected cifar100 or cifar100:coarse`},
	} {
		r := programtest.Run(train, append(row.args, "--out", filepath.Join(t.TempDir(), "run"))...)
		require.Equal(t, 2, r.Code, "%v", row.args)
		require.Contains(t, r.Stderr, row.shown, "%v", row.args)
	}
}

// Pictures without a validation set of their own are split.
func TestSplitOfPictures(t *testing.T) {
	root := t.TempDir()
	pictures(t, root, 40)
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, "--data", "folder:"+root, "--model", "mlp", "--epochs", "1", "--batch", "8", "--out", out)
	require.Contains(t, r.Stdout, "36 samples to train on, 4 to validate")
	require.Contains(t, string(fileOf(t, out, runs.ConfigFile)), "val-fraction: 0.1\n")
}
