package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/nn"
)

// predict is the whole program. Standard output has the predictions and nothing else.
func predict(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	dev, chosen, err := s.device.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	path, err := s.network.Path()
	if err != nil {
		return err
	}
	card, err := s.network.Card(path)
	if err != nil {
		return err
	}
	in, err := openInputs(s.inputs, card)
	if err != nil {
		return err
	}
	net, err := network.Build(dev, card, path)
	if err != nil {
		return err
	}
	defer net.Release()
	fmt.Fprintln(stderr, chosen)
	show := &printer{out: stdout, json: s.json, card: card, topK: min(s.topK, card.Outputs)}
	var all []float64
	err = forEach(ctx, net, in, s.batch, func(i int, outputs []float64) error {
		if s.logits != "" {
			all = append(all, outputs...)
		}
		file, row := in.Name(i)
		return show.print(file, row, outputs)
	})
	if err != nil || s.logits == "" {
		return err
	}
	return writeLogits(s.logits, all, in.Len(), net.Device.Float())
}

// forEach computes the network on all inputs, some at a time, and hands on the outputs of each in turn.
func forEach(ctx context.Context, net *nn.Network, in inputs, batch int, each func(i int, outputs []float64) error) error {
	sample := net.Input[1:]
	size := sample.TotalSize()
	tape := autograd.NewTape(net.Device)
	tape.NoGrad = true
	defer tape.Reset()
	x := make([]float32, min(batch, in.Len())*size)
	for at := 0; at < in.Len(); at += batch {
		n := min(batch, in.Len()-at)
		for i := range n {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := in.Read(at+i, x[i*size:(i+1)*size]); err != nil {
				return err
			}
		}
		tape.Reset()
		y := net.Forward(tape.Input(tensor.New(tensor.WithShape(append(tensor.Shape{n}, sample...)...), tensor.WithBacking(x[:n*size]))))
		if err := tape.Err(); err != nil {
			return err
		}
		outputs, err := y.Tensor().Floats()
		if err != nil {
			return err
		}
		width := len(outputs) / n
		for i := range n {
			own := outputs[i*width : (i+1)*width]
			for k, v := range own {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					file, row := in.Name(at + i)
					return fmt.Errorf("%s: output %d of the network is %v, expected finite numbers", title(file, row), k, v)
				}
			}
			if err := each(at+i, own); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeLogits keeps n rows of outputs, as the device computed them.
func writeLogits(path string, values []float64, n int, float tensor.Dtype) error {
	shape := tensor.WithShape(n, len(values)/n)
	if float == tensor.Float64 {
		return data.WriteNpy(path, tensor.New(shape, tensor.WithBacking(values)))
	}
	narrow := make([]float32, len(values))
	for i, v := range values {
		narrow[i] = float32(v)
	}
	return data.WriteNpy(path, tensor.New(shape, tensor.WithBacking(narrow)))
}
