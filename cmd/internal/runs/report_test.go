package runs

import (
	"encoding/base64"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data/atomic"
)

const evil = `<img src=x onerror=alert(1)>"'&{{.}}</td><script>`

// reportOf is the page on a folder with these files.
func reportOf(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ReportFile)
	require.NoError(t, WriteReport(dir, path))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func TestReport(t *testing.T) {
	dir := saved(t, map[string]string{ConfigFile: "model: mlp\nseed: 7\n", LinesFile: first + second + ended, SummaryFile: "Model: \"mlp\"\nDevice: cpu\n",
		MatrixFile: "class,samples,precision,recall,cat,dog\ncat,4,1,0.75,3,1\ndog,0,0,,0,0\n"})
	page := reportOf(t, dir)
	text := strings.Join(strings.Fields(regexp.MustCompile(`<style>(?s:.*)</style>|<[^>]*>`).ReplaceAllString(page, " ")), " ")
	for _, shown := range []string{"done after 2 epochs", "Test accuracy 75.00%", "Validation accuracy, epoch 1 50.00%", "Least validation loss, epoch 1 1.25",
		"Last training loss 1 ", "Images per second 100 Time 5.0 s", "cat 4 100.00 75.00 dog (1)", "dog 0 0.00", "Device: cpu", "model mlp", "seed 7", "training", "validation",
		"go run ./cmd/predict --run " + dir + " picture.png"} {
		require.Contains(t, text, shown)
	}
	for _, found := range regexp.MustCompile(`(?:src|href|url)\s*[=(]\s*"?([^">)]*)`).FindAllStringSubmatch(page, -1) {
		require.Regexp(t, `^(data:|#|http://www.w3.org/)`, found[1], "the page needs no other file")
	}
	require.NotContains(t, page, "<script")
	picture := regexp.MustCompile(`src="data:image/png;base64,([^"]*)"`).FindStringSubmatch(page)
	require.Len(t, picture, 2)
	_, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(strings.ReplaceAll(picture[1], "&#43;", "+"))))
	require.NoError(t, err)
}

// Trainings of other kinds, and in other states.
func TestReportStates(t *testing.T) {
	for _, row := range []struct {
		name   string
		files  map[string]string
		shown  []string
		absent []string
	}{
		{"before an epoch", map[string]string{ConfigFile: "model: mlp\n"}, []string{"before the end of its first epoch"}, []string{"<svg", "Test set", "Network, device"}},
		{"stopped", map[string]string{ConfigFile: "model: mlp\n", LinesFile: second}, []string{"not done: it is at work or was stopped, after 2 epochs", "<svg"}, []string{"Test set", "alidation loss", "gradcam"}},
		{"stopped early", map[string]string{ConfigFile: "", LinesFile: `{"event":"done","epochs":9,"stopped_early":true,"test_loss":2}`}, []string{"stopped early after 9 epochs", "Test loss"}, []string{"<svg"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			page := reportOf(t, saved(t, row.files))
			for _, text := range row.shown {
				require.Contains(t, page, text)
			}
			for _, text := range row.absent {
				require.NotContains(t, page, text)
			}
		})
	}
}

// Names are shown as they are: none can put anything into the page.
func TestReportEscapes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.ReplaceAll(evil, "/", "")+" '$(x)")
	require.NoError(t, os.MkdirAll(dir, 0o777))
	class := `"` + strings.ReplaceAll(evil, `"`, `""`) + `"`
	for name, content := range map[string]string{ConfigFile: fmt.Sprintf("%q: %q\n", evil, evil), LinesFile: first, SummaryFile: evil,
		MatrixFile: "class,samples,precision,recall," + class + ",b\n" + class + ",1,1,1,0,1\nb,1,,,1,0\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
	}
	page := reportOf(t, dir)
	require.False(t, strings.Contains(page, "<script"))
	require.False(t, strings.Contains(page, "<img src=x"))
	require.Equal(t, 2, strings.Count(page, "<td>&lt;img src=x onerror=alert(1)&gt;")-1, "the class, what b was taken for, and a setting")
	require.True(t, strings.Contains(page, `&#39;\&#39;&#39;$(x)`), "a shell's quotes")
}

func TestReportManyClasses(t *testing.T) {
	m := matrixOf(nil)
	for class := range 130 {
		row := make([]int, 130)
		if class != 5 { // which has no samples
			row[class], row[0] = class, 1
		}
		m.Counts = append(m.Counts, row)
	}
	rows := m.rows()
	require.Len(t, rows, mostRows)
	require.Equal(t, "1", rows[0].Name, "the least recall first")
	require.Equal(t, "0 (1)", rows[0].Mistaken)
	for _, row := range rows {
		require.NotEqual(t, "5", row.Name)
	}
}

// A damaged file is one error that names it, and an old report stays.
func TestReportRefuses(t *testing.T) {
	for _, name := range []string{ConfigFile, LinesFile, MatrixFile, MistakesFile} {
		files := map[string]string{ConfigFile: "model: mlp\n", LinesFile: first, ReportFile: "old"}
		files[name] = "[damaged"
		dir := saved(t, files)
		err := WriteReport(dir, filepath.Join(dir, ReportFile))
		require.ErrorContains(t, err, filepath.Join(dir, name)+": ")
		content, err := os.ReadFile(filepath.Join(dir, ReportFile))
		require.NoError(t, err)
		require.Equal(t, "old", string(content))
	}
	dir := saved(t, map[string]string{ConfigFile: "", SummaryFile: strings.Repeat("x", maxShort+1)})
	require.ErrorContains(t, WriteReport(dir, filepath.Join(dir, "r")), "summary.txt: longer than 4194304 bytes")
	require.ErrorContains(t, WriteReport(dir+"/none", "r"), "expected a run folder of train")
	require.NoError(t, os.Remove(filepath.Join(dir, SummaryFile)))
	path := filepath.Join(dir, "in the way")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "x"), 0o777))
	require.ErrorContains(t, WriteReport(dir, path), path+": ")
	require.NoError(t, atomic.ClearAll(dir))
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0.0 s", 5.25: "5.2 s", 59.94: "59.9 s", 60: "1 min 00 s", 3599: "59 min 59 s", 3600: "1 h 00 min", 90061: "25 h 01 min", 1e300: "277777777 h 46 min"} {
		require.Equal(t, want, Duration(seconds))
	}
}
