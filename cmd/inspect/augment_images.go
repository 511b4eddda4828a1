package main

import (
	"path/filepath"
	"strings"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device/philox"
)

// imageFiles is a set of picture files, each of a class with its name.
type imageFiles struct {
	info  data.Info
	files []string
}

func newImageFiles(files []string, sample tensor.Shape) *imageFiles {
	info := data.Info{Name: strings.Join(files, ", "), Sample: sample, Scale: 1.0 / 255, Classes: len(files)}
	for _, file := range files {
		name := filepath.Base(file)
		info.ClassNames = append(info.ClassNames, strings.TrimSuffix(name, filepath.Ext(name)))
	}
	return &imageFiles{info, files}
}

func (p *imageFiles) Info() data.Info       { return p.info }
func (p *imageFiles) Len() int              { return len(p.files) }
func (p *imageFiles) Label(i int) int       { return i }
func (p *imageFiles) Target(int, []float32) {}

func (p *imageFiles) Read(i int, x []float32) error {
	return p.ReadCrop(i, x, data.Centred{Shorter: min(p.info.Sample[1], p.info.Sample[2])}, nil)
}

// ReadCrop implements data.Cropper.
func (p *imageFiles) ReadCrop(i int, x []float32, crop data.Crop, random *philox.Source) error {
	return data.ReadPicture(p.files[i], x, p.info.Sample, crop, random)
}
