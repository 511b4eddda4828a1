package runs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// learning is a training of so many epochs; accuracy false: a regression.
func learning(epochs int, accuracy, validation bool) []Epoch {
	var all []Epoch
	for e := 1; e <= epochs; e++ {
		line := Epoch{Event: "epoch", Epoch: e, Step: 10 * e, Rate: 0.1, TrainLoss: 1 / float64(e), ImagesPerS: 100, Seconds: 2}
		share, loss := 1-1/float64(e+1), 1.1/float64(e)
		if accuracy {
			line.TrainAcc = &share
		}
		if validation {
			line.ValLoss = &loss
			if accuracy {
				line.ValAcc = &share
			}
		}
		all = append(all, line)
	}
	return all
}

// wellFormed says that a text is XML from its start to its end, and returns all that it shows.
func wellFormed(t *testing.T, text []byte) string {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var shown strings.Builder
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return shown.String()
		}
		require.NoError(t, err)
		switch x := token.(type) {
		case xml.CharData:
			shown.Write(x)
		case xml.StartElement:
			require.NotContains(t, []string{"script", "img"}, x.Name.Local)
		}
	}
}

func TestCurves(t *testing.T) {
	for _, row := range []struct {
		name   string
		epochs []Epoch
		plots  int
		shown  []string
	}{
		{"all", learning(30, true, true), 2, []string{"Loss", "Accuracy", "training", "validation"}},
		{"one epoch", learning(1, true, true), 2, []string{"Loss", "Accuracy", "training", "validation"}},
		{"no validation", learning(3, true, false), 2, []string{"Loss", "Accuracy", "training"}},
		{"regression", learning(3, false, true), 1, []string{"Loss", "training", "validation"}},
		{"many epochs", learning(5000, false, false), 1, []string{"Loss"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			r := &Folder{Dir: dir, epochs: row.epochs}
			require.NoError(t, r.draw())
			picture, err := os.ReadFile(r.Path(CurvesFile))
			require.NoError(t, err)
			m, err := png.Decode(bytes.NewReader(picture))
			require.NoError(t, err)
			require.Greater(t, m.Bounds().Dx(), 400*row.plots)
			vector, err := os.ReadFile(r.Path(VectorFile))
			require.NoError(t, err)
			shown := wellFormed(t, vector)
			for _, word := range row.shown {
				require.Contains(t, shown, word)
			}
			require.Equal(t, row.plots == 2, strings.Contains(shown, "Accuracy"))

			again := &Folder{Dir: t.TempDir(), epochs: row.epochs}
			require.NoError(t, again.draw())
			for name, content := range map[string][]byte{CurvesFile: picture, VectorFile: vector} {
				same, err := os.ReadFile(again.Path(name))
				require.NoError(t, err)
				require.True(t, bytes.Equal(content, same), "%s: other bytes of the same epochs", name)
			}
		})
	}
}

// Numbers that no training has, but a file may, are drawn too, in a moment.
func TestCurvesOfExtremes(t *testing.T) {
	for _, values := range [][2]float64{{0, 0}, {math.MaxFloat64, -math.MaxFloat64}, {math.MaxFloat64, math.MaxFloat64}, {5e-324, 0}, {1e308, 1e-308},
		{1e100, -1e100}, {1e100, 1e100}, {1e17, 1e17 + 32}, {1, math.Nextafter(1, 2)}} {
		t.Run(fmt.Sprint(values), func(t *testing.T) {
			e := learning(2, false, false)
			e[0].TrainLoss, e[1].TrainLoss = values[0], values[1]
			e[1].Epoch = math.MaxInt
			for _, kind := range []string{"x.png", "x.svg"} {
				path := filepath.Join(t.TempDir(), kind)
				require.NoError(t, DrawComparison(path, []*Run{{Dir: "run", Epochs: e}}))
				require.FileExists(t, path)
			}
		})
	}
}

// Names of runs are shown as they are, whatever is in them.
func TestComparisonNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "both.svg")
	evil := `<img src=x onerror=alert(1)>&"'` + "\x00\x1b[31m\xff"
	all := []*Run{{Dir: "runs/a", Epochs: learning(3, true, true)}, {Dir: evil, Epochs: learning(5, false, false)}, {Dir: strings.Repeat("long/", 50) + "end"}}
	require.NoError(t, DrawComparison(path, all))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	shown := wellFormed(t, content)
	require.Contains(t, shown, "runs/a")
	require.Contains(t, shown, `<img src=x onerror=alert(1)>&"'`)
	require.Contains(t, shown, "long/end")
	require.Less(t, len(content), 100_000)

	for range 30 {
		all = append(all, all[0])
	}
	require.NoError(t, DrawComparison(filepath.Join(t.TempDir(), "many.png"), all))
}
