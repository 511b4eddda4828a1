package runs

import (
	"strings"

	"fovea/nn/tensorboard"
)

// events is the TensorBoard file of a training at work. The zero value writes nothing.
type events struct{ file *tensorboard.Writer }

// begin opens a new file. Of a training that is resumed, what earlier files say after the last of its epochs is void; that
// epoch is said again, see tensorboard.Create.
func (e *events) begin(dir, settings, summary string, epochs []Epoch) error {
	from := 0
	if n := len(epochs); n > 0 {
		from = epochs[n-1].Step
	}
	var err error
	if e.file, err = tensorboard.Create(dir, from); err != nil {
		return err
	}
	if err := e.add(from, tensorboard.Text("network", verbatim(summary)), tensorboard.Text("settings", verbatim(settings))); err != nil || from == 0 {
		return err
	}
	return e.epoch(epochs[len(epochs)-1])
}

// verbatim is Markdown for text as it stands.
func verbatim(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

func (e *events) epoch(line Epoch) error {
	values := []tensorboard.Value{tensorboard.Scalar("epoch", float64(line.Epoch)), tensorboard.Scalar("lr", line.Rate),
		tensorboard.Scalar("images_per_second", line.ImagesPerS), tensorboard.Scalar("loss/train", line.TrainLoss)}
	values = appendKnown(values, "accuracy/train", line.TrainAcc)
	values = appendKnown(values, "loss/validation", line.ValLoss)
	values = appendKnown(values, "accuracy/validation", line.ValAcc)
	return e.add(line.Step, values...)
}

// done adds what was measured at the end.
func (e *events) done(line Done, pictures []tensorboard.Value) error {
	values := appendKnown(nil, "loss/test", line.TestLoss)
	values = appendKnown(values, "accuracy/test", line.TestAcc)
	values = appendKnown(values, "accuracy/test_top5", line.TestTop5)
	return e.add(line.Steps, append(values, pictures...)...)
}

func appendKnown(values []tensorboard.Value, tag string, v *float64) []tensorboard.Value {
	if v == nil {
		return values
	}
	return append(values, tensorboard.Scalar(tag, *v))
}

func (e *events) add(step int, values ...tensorboard.Value) error {
	if e.file == nil || len(values) == 0 {
		return nil
	}
	return e.file.Add(step, values...)
}

func (e *events) close() error {
	if e.file == nil {
		return nil
	}
	defer func() { e.file = nil }()
	return e.file.Close()
}
