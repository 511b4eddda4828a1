package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/data/augment"
)

// loading is --work load: how fast samples become batches, without any device.
type loading struct {
	data, dir, cropping, augment string
	side, workers                int

	crop       data.Crop
	transforms []data.Transform
}

func (l *loading) declare(f *flag.FlagSet) {
	f.StringVar(&l.data, "data", "mnist", "for --work load: data `set`, as of train")
	f.StringVar(&l.dir, "data-dir", "", "for --work load: `folder` with the data's own files")
	f.IntVar(&l.side, "side", 224, "for --work load: height and width of samples of pictures of any size")
	f.IntVar(&l.workers, "workers", 0, "for --work load: pictures to decode at once; 0: as many as --threads")
	f.StringVar(&l.cropping, "crop", "resized", "for --work load: `part` of a picture, as of train")
	f.StringVar(&l.augment, "augment", "", "for --work load: `list` of changes, as of train")
}

func (l *loading) check() (err error) {
	if err := errors.Join(cli.AtLeast("side", l.side, 1), cli.AtLeast("workers", l.workers, 0)); err != nil {
		return err
	}
	if l.crop, err = data.ParseCrop(l.cropping); err != nil {
		return cli.Usagef("--crop: %w", err)
	}
	if l.augment != "" {
		if l.transforms, err = augment.Parse(l.augment); err != nil {
			return cli.Usagef("--augment: %w", err)
		}
	}
	return nil
}

// loadLine is what an epoch took, and a line of --json.
type loadLine struct {
	Data       string   `json:"data"`
	Samples    int      `json:"samples"`
	Sample     []int    `json:"sample"`
	Batch      int      `json:"batch"`
	Workers    int      `json:"workers"` // 0: as many as threads
	Threads    int      `json:"threads"`
	Seconds    float64  `json:"seconds"`
	ImagesPerS float64  `json:"images_per_s"`
	Others     *float64 `json:"others_cpu,omitempty"`
}

// measureLoading reads --steps epochs and throws the batches away. The first, which is not timed, has the system read the
// files into its memory.
func (s *settings) measureLoading(ctx context.Context, stdout, stderr io.Writer) error {
	l := &s.loading
	opts := data.Options{Dir: l.dir, Sample: tensor.Shape{3, l.side, l.side}, Log: func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }}
	sets, err := data.Open(ctx, l.data, opts)
	if errors.Is(err, data.ErrUsage) {
		return cli.Usagef("--data: %w", err)
	}
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	batch := s.batch
	if batch == 0 {
		batch = 64
	}
	loader := &data.Loader{Set: sets.Train, Batch: batch, Shuffle: true, Seed: 1, Crop: l.crop, Transforms: l.transforms, Workers: l.workers}
	for epoch := range s.steps + 1 {
		watch, begin, samples := watchLoad(), time.Now(), 0
		for b, err := range loader.Epoch(ctx, epoch) {
			if err != nil {
				return cli.Interrupted(ctx, err)
			}
			samples += len(b.Indices)
		}
		seconds := time.Since(begin).Seconds()
		if epoch == 0 {
			continue
		}
		line := loadLine{Data: l.data, Samples: samples, Sample: sets.Train.Info().Sample, Batch: batch, Workers: l.workers, Threads: s.options.Threads,
			Seconds: seconds, ImagesPerS: float64(samples) / seconds, Others: watch.others()}
		if err := line.print(stdout, s.json); err != nil {
			return err
		}
	}
	return nil
}

func (l loadLine) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(l)
	}
	others := ""
	if l.Others != nil {
		others = fmt.Sprintf("; other programs kept %.1f processors busy", *l.Others)
	}
	_, err := fmt.Fprintf(w, "%s: %d samples %v in %.2f s, %.0f images/s (batch %d, %d threads)%s\n", l.Data, l.Samples, l.Sample, l.Seconds, l.ImagesPerS, l.Batch, l.Threads, others)
	return err
}
