package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/nn/fit"
)

// balanced are weights that make up for how many samples each class has.
const balanced = "balanced"

// classWeights is what samples of each class count in the loss.
type classWeights struct {
	text string

	listed  []float64 // what text says, unless it is balanced
	weights []float64 // nil: all the same
}

func (w *classWeights) declare(f *flag.FlagSet) {
	f.StringVar(&w.text, "class-weights", "", "`what` samples of each class count in the loss: balanced (the fewer they are, the more), weights such as 1,2.5,1,\nor a file of them (default all the same)")
}

func (w *classWeights) check() (err error) {
	if w.text == "" || w.text == balanced {
		return nil
	}
	name := "--class-weights"
	if w.listed, err = parseWeights(w.text); err != nil {
		name += " " + w.text
		content, err := readWeights(w.text)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
			return cli.Usagef("--class-weights: %.80q, expected balanced, weights such as 1,2.5,1, or a file of them", w.text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, cli.Cause(err))
		}
		if w.listed, err = parseWeights(content); err != nil {
			return cli.Usagef("%s: %w", name, err)
		}
	}
	for class, v := range w.listed {
		if !(v >= fit.MinClassWeight && v <= fit.MaxClassWeight) {
			return cli.Usagef("%s: %v for class %d, expected %v to %v", name, v, class, fit.MinClassWeight, fit.MaxClassWeight)
		}
	}
	return nil
}

// readWeights reads a file of weights, which may be as long as the most classes need.
func readWeights(path string) (string, error) {
	const longest = 32 * cli.MaxClasses
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, longest+1))
	if err == nil && len(content) > longest {
		err = fmt.Errorf("longer than %d bytes: no weights of classes", longest)
	}
	return string(content), err
}

// parseWeights reads numbers with commas or space between them.
func parseWeights(text string) ([]float64, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) == 0 {
		return nil, errors.New("no weights in it")
	}
	weights := make([]float64, len(words))
	for i, word := range words {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("weight %d is %.40q, expected a number", i+1, word)
		}
		weights[i] = v
	}
	return weights, nil
}

// settle makes the weights for what is trained on.
func (w *classWeights) settle(training data.Set, classes int) (err error) {
	if w.text == "" {
		return nil
	}
	if info := training.Info(); info.Targets > 0 {
		return cli.Usagef("--class-weights: data %q has targets, not labels", info.Name)
	}
	if w.text == balanced {
		w.weights, err = fit.BalancedWeights(training, classes)
		return err
	}
	if len(w.listed) != classes {
		return cli.Usagef("--class-weights: %d weights, expected one for each of %d classes", len(w.listed), classes)
	}
	w.weights = w.listed
	return nil
}

// lines says what the weights are, if not all the same.
func (w *classWeights) lines() []string {
	if w.weights == nil {
		return nil
	}
	var text []string
	for i, weight := range w.weights {
		if i == maxTable {
			text = append(text, "...")
			break
		}
		text = append(text, strconv.FormatFloat(weight, 'g', 4, 64))
	}
	return []string{"Class weights: " + strings.Join(text, ", ")}
}
