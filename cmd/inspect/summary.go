package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fovea/cmd/internal/cli"
	"fovea/nn"
	"fovea/nn/zoo"
)

const aboutSummary = `inspect summary prints a network as Keras does: a line per layer with the shape of its output and its parameters, then the
totals. It needs no memory for the network.

Usage: inspect summary --model NAME [flags]

Examples:
  inspect summary --model vgg16
        the layers of VGG16, 138,357,544 parameters
  inspect summary --model resnet50 --classes 10 --input 3x64x64 --multiply-adds --memory
        another head and smaller pictures, and what each layer computes and holds

Flags:
`

func summary(_ context.Context, args []string, stdout, _ io.Writer) error {
	var name string
	var classes int
	var input cli.Sample
	var multiplyAdds, memory bool
	f := cli.NewFlags("summary")
	f.StringVar(&name, "model", "", "`network`: one of those that --model list shows with their input, parameters and multiply-adds,\nor a file.onnx")
	f.IntVar(&classes, "classes", 0, "number of classes (default what the network was designed for)")
	f.Var(&input, "input", "`CxHxW` of a sample (default what the network was designed for)")
	f.BoolVar(&multiplyAdds, "multiply-adds", false, "show the multiplications, with an addition each, that a layer makes of one sample")
	f.BoolVar(&memory, "memory", false, "show the bytes that a layer gives for one sample, and those of its parameters, in float32")
	arguments, err := cli.Parse(f, aboutSummary, args, stdout)
	switch {
	case err != nil:
		return err
	case len(arguments) > 0:
		return cli.Usagef("unexpected argument %q: settings are given as flags", arguments[0])
	case name == "list":
		return cli.ListModels(stdout)
	case name == "":
		return cli.Usagef("no network: expected --model (list shows them)")
	case classes < 0 || classes > cli.MaxClasses:
		return cli.Usagef("--classes: %d, expected 1 to %d, or 0 for what the network was designed for", classes, cli.MaxClasses)
	}
	model, err := cli.FindModel(name)
	if errors.Is(err, zoo.ErrUnknown) {
		return cli.Usagef("--model: %w", err)
	}
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if classes == 0 {
		classes = model.Classes
	}
	sample := input.Shape(model.Sample)
	net, err := nn.Describe(model.New(classes), sample)
	if err != nil {
		return fmt.Errorf("--model %s on samples %v: %w", name, []int(sample), err)
	}
	var more []nn.Column
	if multiplyAdds {
		more = append(more, nn.MultiplyAdds)
	}
	if memory {
		more = append(more, nn.Memory)
	}
	return net.Summary(stdout, name, more...)
}
