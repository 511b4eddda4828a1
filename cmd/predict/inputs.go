package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/nn/weights"
)

// inputs are the samples to predict.
type inputs interface {
	Len() int
	// Name is the file of sample i and, if it has several, which of them it is.
	Name(i int) (file string, row *int)
	Read(i int, x []float32) error
}

func isArray(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }

func openInputs(files []string, card *weights.Card) (inputs, error) {
	if isArray(files[0]) {
		return openRows(files[0], card.Sample)
	}
	return network.OpenPictures(files, card)
}

// rows are the samples of an array [N, C, H, W].
type rows struct {
	file   string
	size   int // elements of a sample
	values []float32
}

func openRows(file string, sample tensor.Shape) (*rows, error) {
	dense, err := data.ReadNpy(file)
	if err != nil {
		return nil, err
	}
	if dense.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("npy %q: elements are %v, expected float32", file, dense.Dtype())
	}
	if shape := dense.Shape(); len(shape) != 4 || !slices.Equal(shape[1:], sample) {
		return nil, fmt.Errorf("npy %q: shape %v, expected [N, C, H, W] with samples %v", file, shape, sample)
	}
	return &rows{file: file, size: sample.TotalSize(), values: dense.Float32s()}, nil
}

func (r *rows) Len() int                  { return len(r.values) / r.size }
func (r *rows) Name(i int) (string, *int) { return r.file, &i }
func (r *rows) Read(i int, x []float32) error {
	copy(x, r.values[i*r.size:])
	return nil
}
