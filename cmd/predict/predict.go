package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/inference"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/nn"
	"fovea/nn/infer"
	"fovea/nn/weights"
)

// predict is the whole program. Standard output has the predictions and nothing else.
func predict(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	var listener net.Listener
	var where string
	if s.address != "" { // before the network is read: an address may be taken
		if listener, where, err = cli.Listen(ctx, "serve", s.address); err != nil {
			return err
		}
		defer listener.Close()
		s.share()
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
	notice := func(line string) { fmt.Fprintln(stderr, line) }
	in := &inputs{card: card, tolerant: s.onBad == "skip", notice: notice}
	if err := in.open(ctx, s.inputs); err != nil {
		return err
	}
	built, err := network.Build(dev, card, path)
	if err != nil {
		return err
	}
	defer built.Release()
	notice(chosen)
	if listener != nil {
		return s.serve(ctx, built, card, path, listener, where, stderr)
	}
	return s.predictAll(ctx, built, card, in, stdout)
}

// predictAll prints a line for each input, and writes the file of raw outputs if one is wanted.
func (s *settings) predictAll(ctx context.Context, net *nn.Network, card *weights.Card, in *inputs, stdout io.Writer) error {
	var all []float64
	n := 0
	err := s.forEach(ctx, net, in, func(file string, row *int, outputs []float64) error {
		n++
		if s.logits != "" {
			all = append(all, outputs...)
		}
		line := inference.Predict(card, s.topK, file, row, outputs)
		if s.json {
			return json.NewEncoder(stdout).Encode(line)
		}
		_, err := fmt.Fprintln(stdout, line)
		return err
	})
	if passed := in.Len() - n; err == nil && passed > 0 {
		in.notice(fmt.Sprintf("%d of %d inputs passed over", passed, in.Len()))
		if n == 0 {
			return fmt.Errorf("none of %d inputs is a picture that can be read", passed)
		}
	}
	if err != nil || s.logits == "" {
		return err
	}
	return writeLogits(s.logits, all, n, net.Device.Float())
}

// forEach computes the network on all inputs, some at a time, and hands on the outputs of each in turn; the next are read
// meanwhile.
func (s *settings) forEach(ctx context.Context, net *nn.Network, in *inputs, each func(file string, row *int, outputs []float64) error) error {
	evaluator := infer.NewEvaluator(net)
	defer evaluator.Close()
	loader := &data.Loader{Set: in, Batch: min(s.batch, in.Len()), Workers: s.workers}
	for batch, err := range loader.Epoch(ctx, 0) {
		var damaged *data.PictureError
		if errors.As(err, &damaged) {
			return damaged
		}
		if err != nil {
			return cli.Interrupted(ctx, err)
		}
		outputs, err := evaluator.Evaluate(batch.X.Float32s())
		if err != nil {
			return err
		}
		width := net.Output.TotalSize()
		for k, i := range batch.Indices {
			if err := in.damage(i); err != nil {
				in.notice("passed over: " + err.Error())
				continue
			}
			file, row := in.name(i)
			own := outputs[k*width : (k+1)*width]
			if err := infer.CheckFinite(own); err != nil {
				return fmt.Errorf("%s: %w", inference.Title(file, row), err)
			}
			if err := each(file, row, own); err != nil {
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
