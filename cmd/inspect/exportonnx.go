package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/nn"
	"fovea/nn/onnx"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

const aboutExportONNX = `inspect export-onnx writes a network as an ONNX file (operators of version 17), in evaluation mode.

Usage: inspect export-onnx --model NAME -o FILE.onnx [flags]

Examples:
  inspect export-onnx --model cnn-small --weights runs/cnn-small-20260131-120000/model.safetensors -o cnn.onnx
        a network that train made; what it wrote of classes, samples and pixels goes into the file
  inspect export-onnx --model resnet50 --weights resnet50.safetensors --batch 1 -o resnet50.onnx
        torchvision's weights, for one picture at a time

Flags:
`

// exportSettings are the flags of export-onnx.
type exportSettings struct {
	model, weights, batch, out string
	classes                    int
	seed                       uint64

	sample  cli.Sample // nil: the network's own
	samples int        // 0: any number
}

func exportONNX(_ context.Context, args []string, stdout, _ io.Writer) error {
	s := &exportSettings{}
	f := cli.NewFlags("export-onnx")
	f.StringVar(&s.model, "model", "", "`network`: "+strings.Join(zoo.Names(), ", ")+"; or list\n(default what --weights say they are of)")
	f.StringVar(&s.weights, "weights", "", "safetensors `file` (default the network's initial weights)")
	f.IntVar(&s.classes, "classes", 0, "number of classes (default what the weights say, or the network was designed for)")
	f.Var(&s.sample, "input", "`CxHxW` of a sample (default what the weights say, or the network was designed for)")
	f.StringVar(&s.batch, "batch", "dynamic", "samples at once: a `number`, or dynamic for any")
	f.Uint64Var(&s.seed, "seed", 1, "of the initial weights, where no --weights are given")
	f.StringVar(&s.out, "o", "", "ONNX `file` to write")
	arguments, err := cli.Parse(f, aboutExportONNX, args, stdout)
	if err != nil {
		return err
	}
	if len(arguments) > 0 {
		return cli.Usagef("unexpected argument %q: settings are given as flags", arguments[0])
	}
	if s.model == "list" {
		return cli.ListModels(stdout)
	}
	if err := s.check(); err != nil {
		return err
	}
	card, described, err := s.card()
	if err != nil {
		return err
	}
	model, err := cli.FindModel(card.Model)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	o := onnx.ExportOptions{Batch: s.samples, Seed: s.seed, Name: cli.ModelName(card.Model)}
	if s.weights != "" {
		o.Load = func(state []nn.Tensor) error { return weights.Load(s.weights, state) }
	}
	if described {
		text, err := json.Marshal(card)
		if err != nil {
			return err
		}
		o.Metadata = map[string]string{onnx.CardKey: string(text)}
	}
	if err := onnx.Export(s.out, model.New(card.Outputs), card.Sample, o); err != nil {
		return fmt.Errorf("--model %s: %w", card.Model, err)
	}
	of := "initial weights of seed " + strconv.FormatUint(s.seed, 10)
	if s.weights != "" {
		of = "weights of " + s.weights
	}
	_, err = fmt.Fprintf(stdout, "%s: %s, samples %s, %d outputs, batch %s, %s\n", s.out, card.Model, cli.Sample(card.Sample), card.Outputs, s.batch, of)
	return err
}

// check refuses what cannot be meant.
func (s *exportSettings) check() (err error) {
	switch {
	case s.model == "" && s.weights == "":
		return cli.Usagef("no network: expected --model, or --weights of train")
	case s.out == "":
		return cli.Usagef("no file: expected -o FILE.onnx")
	case s.classes < 0 || s.classes > cli.MaxClasses:
		return cli.Usagef("--classes: %d, expected 1 to %d", s.classes, cli.MaxClasses)
	}
	if s.model != "" && !cli.IsONNX(s.model) {
		if _, err := zoo.Find(s.model); err != nil {
			return cli.Usagef("--model: %w", err)
		}
	}
	if s.batch != "dynamic" {
		if s.samples, err = strconv.Atoi(s.batch); err != nil || s.samples < 1 {
			return cli.Usagef("--batch: %q, expected a number from 1, or dynamic", s.batch)
		}
	}
	return nil
}

// card says what is written: what the weights say of themselves, the network's own where they say nothing, and the flags
// above both. The second result tells whether the weights said anything.
func (s *exportSettings) card() (*weights.Card, bool, error) {
	var card *weights.Card
	if s.weights != "" {
		var err error
		if card, err = weights.ReadCard(s.weights); err != nil {
			return nil, false, err
		}
	}
	described := card != nil
	if card == nil {
		if s.model == "" {
			return nil, false, cli.Usagef("--weights %s do not say of which network they are: expected --model", s.weights)
		}
		model, err := cli.FindModel(s.model)
		if err != nil {
			return nil, false, err
		}
		card = &weights.Card{Model: s.model, Outputs: model.Classes, Sample: model.Sample}
	}
	if s.model != "" && s.model != card.Model {
		return nil, false, cli.Usagef("--weights %s are of network %q, --model says %q", s.weights, card.Model, s.model)
	}
	card.Outputs = cmp.Or(s.classes, card.Outputs)
	card.Sample = s.sample.Shape(card.Sample)
	return card, described, nil
}
