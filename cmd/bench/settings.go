package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/device"
	"fovea/nn/zoo"
)

// settings is everything the user may choose.
type settings struct {
	training bool
	models   []zoo.Model
	batch    int
	devices  []string
	options  device.Options // of our devices; threads and precision are the peer's too
	steps    int
	ops      bool
	peer     *peer
	scaling  bool
	json     bool
	plot     string
	load     bool // --work load
	loading  loading
}

const about = `bench measures networks: images per second, arithmetic per second and its share of what the device can do at best,
memory. The best is measured first: a large matrix product for arithmetic, a large copy for bandwidth.

Usage: bench [flags]

A training step is forward pass, cross-entropy, backward pass and update (SGD with momentum 0.9 and weight decay 5e-4;
Adam for the MNIST networks), an inference step a forward pass, on one batch of random numbers that stays on the device.
--steps of them are timed, after some that are not; short ones in groups of at least 50 ms. Arithmetic is counted as that
of direct convolution, whatever a device does instead: 2 for a multiplication and its addition. Resident memory is the
most at once in the timed steps.

sgemmN in place of a network, as sgemm2048, is the product of two matrices of N x N with --work infer: a network of one
weight, which multiplies a batch of N rows ("images").

Examples:
  bench --work infer --models alexnet,resnet18 --batch 16 --devices cpu --threads 2
        a table, one row for each network and device
  bench --work train --models resnet50 --ops --json
        every distinct layer, forward and backward, one JSON line each
  bench --work train --models resnet18 --peer pytorch
        PyTorch in all its settings on the same work, in turns with ours, and the ratio to the fastest
  bench --work infer --models sgemm2048 --peer pytorch
        the product of two matrices against PyTorch's
  bench --models alexnet,resnet18 --threads 2 --scaling
        two threads in turns with one
  bench --work load --data folder:pictures --augment flip
        how fast pictures become batches; --steps epochs
  bench --models vgg16 --ops --plot roofline.svg
        where each layer stands below the roof of arithmetic and bandwidth

Flags:
`

// maxBatch bounds what a typing mistake can make a network allocate.
const maxBatch = 1 << 16

// parse reads the command line.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	var work, models, devices, peer string
	var chosen cli.Device
	f := cli.NewFlags("bench")
	f.StringVar(&work, "work", "train", "`work` to measure: train or infer; or load: reading batches of --data, on no device")
	f.StringVar(&models, "models", "resnet18", "`networks`, with commas between: "+strings.Join(zoo.Names(), ", ")+", sgemmN")
	f.IntVar(&s.batch, "batch", 0, "samples in a batch; 0: 200 for the MNIST networks, 4 to 16 for the others")
	f.StringVar(&devices, "devices", "cpu", "`devices`, with commas between: cpu,cuda:0")
	chosen.DeclareOptions(f)
	f.IntVar(&s.steps, "steps", 7, "times each thing is timed")
	f.BoolVar(&s.ops, "ops", false, "measure every distinct layer of the networks instead of whole steps")
	f.StringVar(&peer, "peer", "", "`framework` to compare with, through python3 or what FOVEA_PEER_PYTHON names: pytorch, onnxruntime")
	f.BoolVar(&s.scaling, "scaling", false, "measure in turns with one thread, and print how many times as fast --threads are (memory is of both)")
	f.BoolVar(&s.json, "json", false, "print JSON lines instead of a table")
	f.StringVar(&s.plot, "plot", "", "`file`.png or .svg for a picture of the roofline")
	s.loading.declare(f)
	rest, err := cli.Parse(f, about, args, stdout)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, cli.Usagef("%q: expected flags only", rest[0])
	}
	if work != "train" && work != "infer" && work != "load" {
		return nil, cli.Usagef("--work: %q, expected train, infer or load", work)
	}
	s.training, s.load = work == "train", work == "load"
	if s.devices, err = list("devices", devices); err != nil {
		return nil, err
	}
	names, err := list("models", models)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		m, err := s.find(name)
		if err != nil {
			return nil, cli.Usagef("--models: %w", err)
		}
		s.models = append(s.models, m)
	}
	if peer != "" {
		if s.peer, err = s.findPeer(peer); err != nil {
			return nil, err
		}
	}
	if s.options = chosen.Options; s.options.Threads == 0 {
		s.options.Threads = runtime.GOMAXPROCS(0)
	}
	if s.load {
		if err := s.loading.check(); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// list reads names with commas between.
func list(flag, text string) ([]string, error) {
	var names []string
	for _, name := range strings.Split(text, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
			return nil, cli.Usagef("--%s: %q, expected names with commas between", flag, text)
		case slices.Contains(names, name):
			return nil, cli.Usagef("--%s: %s twice", flag, name)
		}
		names = append(names, name)
	}
	return names, nil
}

// check refuses what cannot be meant.
func (s *settings) check() error {
	if err := cmp.Or(cli.AtLeast("batch", s.batch, 0), cli.AtLeast("steps", s.steps, 1)); err != nil {
		return err
	}
	if s.scaling && (s.ops || s.options.Threads < 2) {
		return cli.Usagef("--scaling: with %d threads, --ops %t; expected --threads 2 or more, and whole steps", s.options.Threads, s.ops)
	}
	if s.batch > maxBatch {
		return cli.Usagef("--batch: %d, expected at most %d", s.batch, maxBatch)
	}
	if extension := strings.ToLower(filepath.Ext(s.plot)); s.plot != "" && extension != ".png" && extension != ".svg" {
		return cli.Usagef("--plot: %q, expected a name that ends in .png or .svg", s.plot)
	}
	if folder, err := os.Stat(filepath.Dir(s.plot)); s.plot != "" && (err != nil || !folder.IsDir()) { // before minutes are spent
		return fmt.Errorf("--plot %s: no folder %s", s.plot, filepath.Dir(s.plot))
	}
	return nil
}

func (s *settings) work() string {
	if s.training {
		return "train"
	}
	return "infer"
}

// usualBatch is what each network is measured with unless --batch says otherwise: as much as keeps two cores busy for
// some tenths of a second.
var usualBatch = map[string]int{"mlp": 200, "cnn-small": 200, "cnn-large": 200, "alexnet": 16, "resnet18": 16, "vgg16": 4}

func (s *settings) batchOf(model string) int {
	if n, is := productSize(model); is {
		return n
	}
	return cmp.Or(s.batch, usualBatch[model], 8)
}
