package inference

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"fovea/cmd/internal/network"
	"fovea/nn/weights"
)

// Prediction is what a network says of one input.
type Prediction struct {
	Input   string    `json:"input,omitempty"`   // its file
	Row     *int      `json:"row,omitempty"`     // of an array, from 0
	Top     []Choice  `json:"top,omitempty"`     // classes, the likeliest first
	Outputs []float32 `json:"outputs,omitempty"` // of a regression
}

// Choice is one class and how likely it is.
type Choice struct {
	Class       int     `json:"class"`
	Name        string  `json:"name,omitempty"`
	Probability float64 `json:"probability"`
}

// Predict makes words of a network's outputs for one input: the topK likeliest classes, or all numbers of a regression.
func Predict(card *weights.Card, topK int, input string, row *int, outputs []float64) Prediction {
	p := Prediction{Input: input, Row: row}
	if !card.Regression {
		p.Top = best(network.Softmax(outputs), topK, card.ClassNames)
		return p
	}
	for _, v := range outputs {
		p.Outputs = append(p.Outputs, float32(v))
	}
	return p
}

// String is the line for people: "digit.png: 7 98.76%, 9 1.02%".
func (p Prediction) String() string {
	var words []string
	for _, c := range p.Top {
		words = append(words, fmt.Sprintf("%s %.2f%%", cmp.Or(c.Name, strconv.Itoa(c.Class)), 100*c.Probability))
	}
	for _, v := range p.Outputs {
		words = append(words, strconv.FormatFloat(float64(v), 'g', 6, 32))
	}
	return Title(p.Input, p.Row) + ": " + strings.Join(words, ", ")
}

// Title names an input: "digit.png", "batch.npy[3]".
func Title(input string, row *int) string {
	if row == nil {
		return input
	}
	return fmt.Sprintf("%s[%d]", input, *row)
}

// best are the k likeliest classes, see network.Likeliest.
func best(probabilities []float64, k int, names []string) []Choice {
	var choices []Choice
	for _, class := range network.Likeliest(probabilities, k) {
		c := Choice{Class: class, Probability: probabilities[class]}
		if class < len(names) {
			c.Name = names[class]
		}
		choices = append(choices, c)
	}
	return choices
}
