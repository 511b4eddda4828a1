package runs

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/nn"
	"fovea/nn/tensorboard"
)

// Begin keeps what is trained: the network's table, and facts for people. Config.yaml is there. It comes before the first
// Epoch, and after the epochs of a training that is resumed are known.
func (r *Folder) Begin(net *nn.Network, model string, facts []string) error {
	var summary bytes.Buffer
	if err := net.Summary(&summary, model); err != nil {
		return err
	}
	for _, line := range facts {
		fmt.Fprintln(&summary, line)
	}
	fmt.Fprintln(&summary, "Started:", time.Now().Format("2006-01-02 15:04:05 MST"))
	if err := cli.WriteBytes(r.Path(SummaryFile), summary.Bytes()); err != nil {
		return err
	}
	settings, err := os.ReadFile(r.Path(ConfigFile))
	if err != nil {
		return err
	}
	return r.events.begin(r.Dir, string(settings), summary.String(), r.epochs)
}

// End keeps what was measured at the end, and a report on the whole. Without a matrix there are no classes, or too many.
func (r *Folder) End(line Done, m *Matrix, wrong []Mistake) error {
	var pictures []tensorboard.Value
	if m != nil {
		if err := m.write(r.Path(MatrixFile)); err != nil {
			return err
		}
		picture, err := r.picture(MatrixPlot, m.Picture())
		if err != nil {
			return err
		}
		pictures = append(pictures, tensorboard.PNG("confusion", picture))
	}
	if len(wrong) > 0 {
		picture, err := r.picture(MistakesFile, drawMistakes(wrong))
		if err != nil {
			return err
		}
		pictures = append(pictures, tensorboard.PNG("mistakes", picture))
	} else if err := os.Remove(r.Path(MistakesFile)); err != nil && !errors.Is(err, fs.ErrNotExist) { // of before the run was resumed
		return err
	}
	if err := r.Line(line); err != nil {
		return err
	}
	if err := r.events.done(line, pictures); err != nil {
		return err
	}
	return WriteReport(r.Dir, r.Path(ReportFile))
}

// Events adds values to the TensorBoard file.
func (r *Folder) Events(step int, values ...tensorboard.Value) error {
	return r.events.add(step, values...)
}

// picture keeps a picture as PNG, and returns that.
func (r *Folder) picture(name string, m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path(name), err)
	}
	return b.Bytes(), cli.WriteBytes(r.Path(name), b.Bytes())
}
