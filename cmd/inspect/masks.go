package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/data"
)

// mask is what slides over a picture: height x width weights, row by row.
type mask struct {
	height, width int
	weights       []float32
}

// masks are the lecture's.
var masks = map[string]mask{
	"identity":    {3, 3, []float32{0, 0, 0, 0, 1, 0, 0, 0, 0}},
	"sharpen":     {3, 3, []float32{0, -1, 0, -1, 5, -1, 0, -1, 0}},
	"edge":        {3, 3, []float32{0, 1, 0, 1, -4, 1, 0, 1, 0}},
	"strong-edge": {3, 3, []float32{-1, -1, -1, -1, 8, -1, -1, -1, -1}},
}

const (
	mostMask  = 99      // rows and columns of a mask
	mostBytes = 1 << 20 // of a mask's file
)

// findMask is what --kernel names: one of the lecture's, or a file.
func findMask(name string) (mask, error) {
	if m, is := masks[name]; is {
		return m, nil
	}
	read := readTextMask
	if isNpy(name) {
		read = readNpyMask
	}
	m, err := read(name)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(name, "./") { // no file was meant
		return m, cli.Usagef("--kernel: %q, expected identity, sharpen, edge, strong-edge or a file", name)
	}
	if err == nil && (m.height > mostMask || m.width > mostMask) {
		err = fmt.Errorf("%d x %d, expected at most %d rows and columns", m.height, m.width, mostMask)
	}
	for i, w := range m.weights {
		if err == nil && (math.IsNaN(float64(w)) || math.IsInf(float64(w), 0)) {
			err = fmt.Errorf("row %d, column %d is %v, expected finite numbers", i/m.width+1, i%m.width+1, w)
		}
	}
	if err != nil {
		return m, fmt.Errorf("--kernel %s: %w", name, cli.Cause(err))
	}
	return m, nil
}

// readTextMask reads a line for each row, numbers with commas, semicolons or blanks between; what follows # is not read.
func readTextMask(path string) (m mask, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err != nil {
		return m, err
	}
	if len(content) > mostBytes {
		return m, fmt.Errorf("expected a mask of at most %d bytes", mostBytes)
	}
	for i, line := range strings.Split(string(content), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(",; \t\r", r) })
		if len(words) == 0 {
			continue
		}
		if m.height > 0 && len(words) != m.width {
			return m, fmt.Errorf("line %d has %d numbers, expected %d as in the first", i+1, len(words), m.width)
		}
		m.width = len(words)
		m.height++
		for _, word := range words {
			v, err := strconv.ParseFloat(word, 32)
			if err != nil {
				return m, fmt.Errorf("line %d: %.40q, expected a number", i+1, word)
			}
			m.weights = append(m.weights, float32(v))
		}
	}
	if m.height == 0 {
		return m, errors.New("no numbers, expected a line for each row of the mask")
	}
	return m, nil
}

func readNpyMask(path string) (m mask, err error) {
	d, err := data.ReadNpy(path)
	if err != nil {
		return m, err
	}
	shape := d.Shape()
	if len(shape) != 2 {
		return m, fmt.Errorf("shape %v, expected [rows, columns]", shape)
	}
	m.height, m.width = shape[0], shape[1]
	switch values := d.Data().(type) {
	case []float32:
		m.weights = values
	case []float64:
		for _, v := range values {
			m.weights = append(m.weights, float32(v))
		}
	case []int64:
		for _, v := range values {
			m.weights = append(m.weights, float32(v))
		}
	}
	return m, nil
}

// dense is the mask as one filter of one channel.
func (m mask) dense() *tensor.Dense {
	return tensor.New(tensor.WithShape(1, 1, m.height, m.width), tensor.WithBacking(m.weights))
}
