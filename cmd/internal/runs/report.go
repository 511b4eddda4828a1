package runs

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image/png"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"fovea/cmd/internal/cli"
)

const (
	maxShort = 4 << 20 // bytes of a summary.txt or a mistakes.png
	mostRows = 100     // classes of a report's table
)

//go:embed report.html
var page string

// reportPage escapes all that it is given, but for Curves, which is drawn here, and the pictures in base64.
var reportPage = template.Must(template.New("report").Parse(page))

// report is what report.html is filled with.
type report struct {
	Name     string
	Figures  [][2]string // what was measured, by its name
	State    string
	Settings [][2]string
	Summary  string
	Curves   template.HTML // SVG
	Matrix   template.URL  // PNG; "": there is none
	Mistakes template.URL  // PNG; "": there are none
	Classes  []classRow
	Left     int // classes that are not in Classes
	Commands [][2]string
}

// classRow is a class of the test set.
type classRow struct {
	Name              string
	Samples           int
	Precision, Recall string
	Mistaken          string // what it was taken for most often
}

// WriteReport makes a page on a run of what its folder has.
func WriteReport(dir, path string) error {
	r, err := newReport(dir)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := reportPage.Execute(&b, r); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return cli.WriteBytes(path, b.Bytes())
}

func newReport(dir string) (*report, error) {
	run, err := Read(dir)
	if err != nil {
		return nil, err
	}
	r := &report{Name: Name(dir), Figures: run.figures(), State: run.State(), Settings: run.settings()}
	summary, err := readShort(filepath.Join(dir, SummaryFile))
	if err != nil {
		return nil, err
	}
	r.Summary = string(summary)
	r.Commands = commands(dir, strings.Contains(r.Summary, "(Conv2D)"))
	if len(run.Epochs) > 0 {
		if r.Curves, err = inlineCurves(run.Epochs); err != nil {
			return nil, fmt.Errorf("%s: curves: %w", dir, err)
		}
	}
	if r.Mistakes, err = inlinePicture(filepath.Join(dir, MistakesFile)); err != nil {
		return nil, err
	}
	m, err := ReadMatrix(filepath.Join(dir, MatrixFile))
	if errors.Is(err, fs.ErrNotExist) {
		m, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m == nil {
		return r, nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m.Picture()); err != nil {
		return nil, err
	}
	r.Matrix = inlined(b.Bytes())
	r.Classes = m.rows()
	r.Left = len(m.Counts) - len(r.Classes)
	return r, nil
}

// readShort reads a file of bounded size. It is empty for one that is not there.
func readShort(path string) ([]byte, error) {
	file, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxShort+1))
	if err == nil && len(content) > maxShort {
		err = fmt.Errorf("longer than %d bytes, expected what train writes", maxShort)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cli.Cause(err))
	}
	return content, nil
}

// inlinePicture is a PNG file as part of a page; "" for one that is not there.
func inlinePicture(path string) (template.URL, error) {
	content, err := readShort(path)
	if err != nil || content == nil {
		return "", err
	}
	if _, err := png.DecodeConfig(bytes.NewReader(content)); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return inlined(content), nil
}

func inlined(picture []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture))
}

// inlineCurves is the picture as an element of a page.
func inlineCurves(epochs []Epoch) (template.HTML, error) {
	f, err := curves(epochs)
	if err != nil {
		return "", err
	}
	text, err := f.svg()
	if err != nil {
		return "", err
	}
	return template.HTML(text[bytes.Index(text, []byte("<svg")):]), nil // no file of ours is in it, only numbers
}

// settings are those of config.yaml, by name.
func (r *Run) settings() [][2]string {
	var all [][2]string
	for name, value := range r.Config {
		all = append(all, [2]string{name, fmt.Sprint(value)})
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return all
}

// rows are the classes of the test set: all, or those of the least recall.
func (m *Matrix) rows() []classRow {
	order := make([]int, len(m.Counts))
	recalls := make([]float64, len(m.Counts))
	for class := range order {
		order[class] = class
		if _, _, recalls[class] = m.Class(class); math.IsNaN(recalls[class]) {
			recalls[class] = math.Inf(1) // no samples: nothing to see
		}
	}
	if len(order) > mostRows {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(recalls[a], recalls[b]) })
		order = order[:mostRows]
	}
	var rows []classRow
	for _, class := range order {
		samples, precision, recall := m.Class(class)
		row := classRow{Name: m.Name(class), Samples: samples, Precision: Share(precision, 'f', 2, 100), Recall: Share(recall, 'f', 2, 100)}
		others := slices.Clone(m.Counts[class])
		others[class] = 0
		if most := slices.Max(others); most > 0 {
			row.Mistaken = fmt.Sprintf("%s (%d)", m.Name(slices.Index(others, most)), most)
		}
		rows = append(rows, row)
	}
	return rows
}

// commands are what can be done with a run next; filters and maps are of convolutions.
func commands(dir string, convolutions bool) [][2]string {
	config := quoted(filepath.Join(dir, ConfigFile))
	dir = quoted(dir)
	all := [][2]string{
		{"Use it on pictures", "go run ./cmd/predict --run " + dir + " picture.png"},
		{"Compare it with others", "go run ./cmd/inspect compare " + dir + " OTHER..."},
	}
	if convolutions {
		all = append(all, [2]string{"Look at its filters", "go run ./cmd/inspect filters --run " + dir + " -o filters.png"},
			[2]string{"See which part of a picture decided", "go run ./cmd/inspect gradcam --run " + dir + " picture.png -o why.png"})
	}
	return append(all,
		[2]string{"See its curves in TensorBoard", "tensorboard --logdir " + dir},
		[2]string{"Train the same again", "go run ./cmd/train --config " + config})
}

// quoted is a word of a shell's command line.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == "" && word[0] != '-' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
