package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"fovea/cmd/internal/network"
	"fovea/nn/weights"
)

// printer writes predictions, a line for each input.
type printer struct {
	out  io.Writer
	json bool
	card *weights.Card
	topK int
}

// prediction is one line of --json.
type prediction struct {
	Input   string    `json:"input"`
	Row     *int      `json:"row,omitempty"`     // of a .npy batch, from 0
	Top     []choice  `json:"top,omitempty"`     // classes, the likeliest first
	Outputs []float32 `json:"outputs,omitempty"` // of a regression
}

// choice is one class and how likely it is.
type choice struct {
	Class       int     `json:"class"`
	Name        string  `json:"name,omitempty"`
	Probability float64 `json:"probability"`
}

func (p *printer) print(file string, row *int, outputs []float64) error {
	line := prediction{Input: file, Row: row}
	if p.card.Regression {
		for _, v := range outputs {
			line.Outputs = append(line.Outputs, float32(v))
		}
	} else {
		line.Top = best(network.Softmax(outputs), p.topK, p.card.ClassNames)
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(line)
	}
	_, err := fmt.Fprintln(p.out, line)
	return err
}

// String is the line for people: "digit.png: 7 98.76%, 9 1.02%".
func (p prediction) String() string {
	var words []string
	for _, c := range p.Top {
		words = append(words, fmt.Sprintf("%s %.2f%%", cmp.Or(c.Name, strconv.Itoa(c.Class)), 100*c.Probability))
	}
	for _, v := range p.Outputs {
		words = append(words, strconv.FormatFloat(float64(v), 'g', 6, 32))
	}
	return title(p.Input, p.Row) + ": " + strings.Join(words, ", ")
}

// title names an input: "digit.png", "batch.npy[3]".
func title(file string, row *int) string {
	if row == nil {
		return file
	}
	return fmt.Sprintf("%s[%d]", file, *row)
}

// best returns the k likeliest classes; of equals, the lower class comes first.
func best(probabilities []float64, k int, names []string) []choice {
	all := make([]choice, len(probabilities))
	for i, p := range probabilities {
		all[i] = choice{Class: i, Probability: p}
		if i < len(names) {
			all[i].Name = names[i]
		}
	}
	slices.SortStableFunc(all, func(a, b choice) int { return cmp.Compare(b.Probability, a.Probability) })
	return all[:k]
}
