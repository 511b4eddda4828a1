package main

import (
	"context"
	"errors"
	"fmt"
	"image"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/data/augment"
)

// rows makes the grid's rows: one for each sample, or with --each one for each transform.
func (s *augmentSettings) rows(ctx context.Context, set data.Set) ([]row, error) {
	plain, err := s.read(ctx, data.Loader{Set: set}, 0)
	if err != nil {
		return nil, err
	}
	if !s.each {
		all := make([]row, set.Len())
		for i := range all {
			all[i] = row{title: fmt.Sprintf("sample %d", i), pictures: []image.Image{picture(set.Info(), plain, i)}}
			if plain.Labels != nil {
				all[i].title += ": " + data.ClassName(set.Info().ClassNames, int(plain.Labels[i]))
			}
		}
		return all, s.fill(ctx, data.Loader{Set: set, Transforms: s.transforms, Mixer: s.mixer, Crop: s.cropping}, all, func(i int) int { return i })
	}
	var all []row
	add := func(title string, l data.Loader) error {
		i := len(all) % set.Len()
		one := []row{{title: title, pictures: []image.Image{picture(set.Info(), plain, i)}}}
		err := s.fill(ctx, l, one, func(int) int { return i })
		all = append(all, one...)
		return err
	}
	for _, k := range augment.Kinds() {
		values := make([]float64, len(k.Parameters))
		for i, p := range k.Parameters {
			if values[i] = p.Default; p.Name == "P" {
				values[i] = 1
			}
		}
		t, err := k.New(values)
		if err != nil {
			return nil, err
		}
		if err := add(t.String(), data.Loader{Set: set, Transforms: []data.Transform{t}}); err != nil {
			return nil, err
		}
	}
	if set.Len() < 2 { // mixed with itself it stays what it is
		return all, nil
	}
	for _, mixer := range []data.Mixer{augment.Mixup{Alpha: 1}, augment.CutMix{Alpha: 1}} {
		if err := add(mixer.String(), data.Loader{Set: set, Mixer: mixer}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fill adds a loader's epochs to rows; row i shows sample of(i).
func (s *augmentSettings) fill(ctx context.Context, l data.Loader, rows []row, of func(i int) int) error {
	if l.Mixer != nil {
		for i := range rows {
			rows[i].captions = [][2]string{{}}
		}
	}
	for epoch := range s.epochs {
		b, err := s.read(ctx, l, s.epoch-1+epoch)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].pictures = append(rows[i].pictures, picture(l.Set.Info(), b, of(i)))
			if l.Mixer != nil {
				rows[i].captions = append(rows[i].captions, mixCaption(l.Set.Info(), b, of(i)))
			}
		}
	}
	return nil
}

// read returns all of a loader's set as one batch.
func (s *augmentSettings) read(ctx context.Context, l data.Loader, epoch int) (*data.Batch, error) {
	l.Batch, l.Seed = l.Set.Len(), s.seed
	for b, err := range l.Epoch(ctx, epoch) {
		var bad *data.PictureError
		if errors.As(err, &bad) { // says all there is to say
			return nil, bad
		}
		if err != nil {
			return nil, cli.Interrupted(ctx, err)
		}
		return b.Clone(), nil
	}
	return nil, fmt.Errorf("data %q has no samples", l.Set.Info().Name)
}

// mixCaption says of which classes a mixed sample is.
func mixCaption(info data.Info, b *data.Batch, i int) [2]string {
	if b.Mix == nil { // of a regression, the targets of which are mixed
		return [2]string{}
	}
	part := func(share float64, label int32) string {
		return fmt.Sprintf("%.2f %s", share, data.ClassName(info.ClassNames, int(label)))
	}
	return [2]string{part(b.Mix.Share, b.Labels[i]), part(1-b.Mix.Share, b.Mix.Labels[i])}
}

// picture makes a picture of sample i of a batch, with the set's mean and deviation put back.
func picture(info data.Info, b *data.Batch, i int) image.Image {
	size := info.Sample.TotalSize()
	return network.Picture(info, b.X.Data().([]float32)[i*size:(i+1)*size])
}
