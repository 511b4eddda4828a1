package network

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// maxSample bounds the elements of a sample that a file may claim: a picture of 1024 x 1024 in colour.
const maxSample = 3 << 20

// Choice is the user's choice of a trained network.
type Choice struct {
	Run            string
	Model, Weights string
	Classes        int
	Scale          cli.Number
}

// Declare makes the flags of the choice.
func (c *Choice) Declare(f *flag.FlagSet) {
	f.StringVar(&c.Run, "run", "", "run `folder` of train: its network, weights and scale")
	f.StringVar(&c.Model, "model", "", "`network` of --weights: "+strings.Join(zoo.Names(), ", ")+";\nor a file.onnx, which has weights of its own")
	f.StringVar(&c.Weights, "weights", "", "`file` of weights: safetensors, or PyTorch's .pth; what train wrote in it of classes, sample shape and scale is heeded,\nand where it says nothing the network's usual ones are taken, and scale 1/255")
	f.IntVar(&c.Classes, "classes", 0, "number of classes of --weights that do not say (default what the network was designed for)")
	f.Var(&c.Scale, "scale", "what a picture's 0..255 is multiplied with (default what the weights were trained with)")
}

// Check refuses what cannot be meant.
func (c *Choice) Check() error {
	switch {
	case c.Run != "" && (c.Model != "" || c.Weights != ""):
		return cli.Usagef("--run and --model or --weights: expected one or the other")
	case c.Run == "" && (c.Model == "" || c.Weights == "" && !cli.IsONNX(c.Model)):
		return cli.Usagef("no network: expected --run, or --model and --weights")
	case c.Classes < 0 || c.Classes > cli.MaxClasses:
		return cli.Usagef("--classes: %d, expected 1 to %d", c.Classes, cli.MaxClasses)
	case c.Scale.Given && c.Scale.Value <= 0:
		return cli.Usagef("--scale: %v, expected a number above 0", c.Scale.Value)
	}
	if c.Model != "" && !cli.IsONNX(c.Model) { // a file is read when the network is made
		if _, err := zoo.Find(c.Model); err != nil {
			return cli.Usagef("--model: %w", err)
		}
	}
	return nil
}

// Path is the file of weights that is chosen; "" for the network of an ONNX file as it is there.
func (c *Choice) Path() (string, error) {
	if c.Run == "" {
		return c.Weights, nil
	}
	path := filepath.Join(c.Run, cli.WeightsFile)
	info, err := os.Stat(c.Run)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err == nil {
		if _, missing := os.Stat(path); errors.Is(missing, fs.ErrNotExist) {
			err = fmt.Errorf("no %s in it, expected a run folder of train", cli.WeightsFile)
		}
	}
	if err != nil {
		return "", fmt.Errorf("--run %s: %w", c.Run, cli.Cause(err))
	}
	return path, nil
}

// Card says what the weights at path are of: what the file says, made whole by the flags where it says nothing.
func (c *Choice) Card(path string) (*weights.Card, error) {
	read, of := weights.ReadCard, path
	if path == "" {
		read, of = cli.ONNXCard, c.Model
	}
	card, err := read(of)
	if err != nil {
		return nil, err
	}
	if card == nil {
		if c.Run != "" {
			return nil, fmt.Errorf("weights %s: the file does not say of which network; expected --model and --weights instead of --run", path)
		}
		model, err := cli.FindModel(c.Model)
		if err != nil {
			return nil, err
		}
		card = &weights.Card{Model: c.Model, Outputs: model.Classes, Sample: model.Sample, Scale: 1.0 / 255}
		if c.Classes > 0 && path != "" {
			card.Outputs = c.Classes
		}
		prepare(card)
	}
	if err := c.agree(card); err != nil {
		return nil, fmt.Errorf("weights %s: %w", of, err)
	}
	if c.Scale.Given {
		card.Scale = float32(c.Scale.Value)
	}
	return card, nil
}

// agree checks that a card can be meant and says what the flags say.
func (c *Choice) agree(card *weights.Card) error {
	if c.Model != "" && c.Model != card.Model {
		return fmt.Errorf("of network %q, --model says %q", card.Model, c.Model)
	}
	if c.Classes > 0 && (c.Classes != card.Outputs || card.Regression) {
		return fmt.Errorf("%s, --classes says %d", kind(card), c.Classes)
	}
	if card.Outputs > cli.MaxClasses {
		return fmt.Errorf("%s, expected at most %d", kind(card), cli.MaxClasses)
	}
	size := 1
	for _, d := range card.Sample {
		if d > maxSample/size {
			return fmt.Errorf("samples %v, expected at most %d elements", card.Sample, maxSample)
		}
		size *= d
	}
	return nil
}

func kind(card *weights.Card) string {
	if card.Regression {
		return fmt.Sprintf("a regression of %d targets", card.Outputs)
	}
	return fmt.Sprintf("%d classes", card.Outputs)
}
