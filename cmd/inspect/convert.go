package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/nn"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

const aboutConvert = `inspect convert writes a file of weights, as PyTorch's torch.save wrote it, as safetensors: the same names, element types
and numbers. Nothing in the file is run. (train, predict and export-onnx read both formats as they are.)

Usage: inspect convert [flags] FILE.pth -o FILE.safetensors

Example:
  inspect convert resnet18-f37072fd.pth --model resnet18 -o resnet18.safetensors
        only if the names and shapes are those of the network

Flags:
`

func convert(_ context.Context, args []string, stdout, _ io.Writer) error {
	f := cli.NewFlags("convert")
	out := f.String("o", "", "safetensors `file` to write")
	model := f.String("model", "", "`network` that the tensors must fit: "+strings.Join(zoo.Names(), ", "))
	classes := f.Int("classes", 0, "number of the network's classes (default what it was designed for)")
	arguments, err := cli.Parse(f, aboutConvert, args, stdout)
	switch {
	case err != nil:
		return err
	case len(arguments) != 1:
		return cli.Usagef("%d files, expected one", len(arguments))
	case *out == "":
		return cli.Usagef("no file to write, expected -o")
	case *classes < 0 || *classes > cli.MaxClasses:
		return cli.Usagef("--classes: %d, expected 1 to %d, or 0 for what the network was designed for", *classes, cli.MaxClasses)
	case *classes > 0 && *model == "":
		return cli.Usagef("--classes: expected --model too")
	}
	file, err := weights.Open(arguments[0])
	if err != nil {
		return err
	}
	defer file.Close()
	if *model != "" {
		state, err := described(*model, *classes)
		if err != nil {
			return err
		}
		if err := file.Match(state); err != nil {
			return err
		}
	}
	if err := file.Convert(*out, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %d tensors of %s\n", *out, len(file.Tensors), file.Format)
	return err
}

// described is what a network's file of weights holds: names and shapes.
func described(name string, classes int) ([]nn.Tensor, error) {
	model, err := zoo.Find(name)
	if err != nil {
		return nil, cli.Usagef("--model: %w", err)
	}
	if classes == 0 {
		classes = model.Classes
	}
	net, err := nn.Describe(model.New(classes), model.Sample)
	if err != nil {
		return nil, err
	}
	return net.State(), nil
}
