package live

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"math"
	"slices"

	"golang.org/x/image/draw"

	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/nn"
	"fovea/nn/infer"
)

const (
	mostSamples = 12
	mostGuesses = 5
	mostTargets = 8  // of a regression that are shown
	pictureSide = 96 // larger pictures are shown smaller
)

// samples are a few of a set, evenly spread over it so that a set in the order of its classes shows several.
type samples struct {
	x     []float32 // as the network takes them, one after another; nil: none
	shown []Sample
	info  data.Info
}

// newSamples leaves out samples that cannot be read: validation says what is wrong with them, or passes them over.
func newSamples(ctx context.Context, set data.Set) (*samples, error) {
	s := &samples{info: set.Info()}
	n := min(set.Len(), mostSamples)
	var good []int
	x := make([]float32, s.info.Sample.TotalSize())
	for k := range n {
		if i := k * set.Len() / n; set.Read(i, x) == nil {
			good = append(good, i)
		}
	}
	few, err := data.NewSubset(set, good)
	if err != nil {
		return nil, err
	}
	for b, err := range (&data.Loader{Set: few, Batch: max(1, len(good)), Workers: 1}).Epoch(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if err := s.take(b.Clone()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *samples) take(b *data.Batch) error {
	s.x = b.X.Float32s()
	size := s.info.Sample.TotalSize()
	for i := range b.Indices {
		picture, err := encode(network.Picture(s.info, s.x[i*size:(i+1)*size]))
		if err != nil {
			return err
		}
		one := Sample{Picture: picture}
		if b.Targets != nil {
			each := s.info.Targets
			one.Targets = some(float64s(b.Targets.Data().([]float32)[i*each : (i+1)*each]))
		} else {
			one.Label = data.ClassName(s.info.ClassNames, int(b.Labels[i]))
		}
		s.shown = append(s.shown, one)
	}
	return nil
}

// encode makes a PNG of a picture of bounded size.
func encode(m image.Image) ([]byte, error) {
	if size := m.Bounds().Size(); max(size.X, size.Y) > pictureSide {
		longer := max(size.X, size.Y)
		small := image.NewNRGBA(image.Rect(0, 0, max(1, size.X*pictureSide/longer), max(1, size.Y*pictureSide/longer)))
		draw.ApproxBiLinear.Scale(small, small.Rect, m, m.Bounds(), draw.Src, nil)
		m = small
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
}

// predictions asks the network. It waits for the device.
func (s *samples) predictions(net *nn.Network) ([]Prediction, error) {
	if s.x == nil {
		return nil, nil
	}
	evaluator := infer.NewEvaluator(net)
	defer evaluator.Close()
	outputs, err := evaluator.Evaluate(s.x)
	if err != nil {
		return nil, err
	}
	all := make([]Prediction, len(s.shown))
	for i := range all {
		row := outputs[i*len(outputs)/len(all) : (i+1)*len(outputs)/len(all)]
		if s.info.Targets > 0 {
			all[i].Outputs = some(row)
		} else {
			all[i].Guesses = s.guesses(row)
		}
	}
	return all, nil
}

// guesses are the likeliest classes, none where the outputs give no probabilities.
func (s *samples) guesses(outputs []float64) []Guess {
	shares := network.Softmax(outputs)
	if slices.ContainsFunc(shares, math.IsNaN) {
		return nil
	}
	var first []Guess
	for _, k := range network.Likeliest(shares, mostGuesses) {
		first = append(first, Guess{data.ClassName(s.info.ClassNames, k), shares[k]})
	}
	return first
}

// some are the first numbers, none where one of them is not finite, which JSON cannot say.
func some(values []float64) []float64 {
	values = values[:min(len(values), mostTargets)]
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return values
}

func float64s(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}
