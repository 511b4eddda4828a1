package cli

import (
	"fmt"
	"strconv"
	"strings"

	"gorgonia.org/tensor"
)

// Sample is a flag of a sample's shape, written CxHxW; nil until one is given.
type Sample tensor.Shape

// maxSide bounds what a typing mistake makes.
const maxSide = 1 << 14

func (s Sample) String() string {
	words := make([]string, len(s))
	for i, n := range s {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, "x")
}

// Get implements flag.Getter.
func (s Sample) Get() any { return s.String() }

// Set implements flag.Value.
func (s *Sample) Set(text string) error {
	if text == "" { // as in a configuration file of a run without one
		*s = nil
		return nil
	}
	words := strings.Split(text, "x")
	shape := make(Sample, len(words))
	for i, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > maxSide || len(words) != 3 {
			return fmt.Errorf("expected CxHxW such as 3x224x224, each from 1 to %d", maxSide)
		}
		shape[i] = n
	}
	*s = shape
	return nil
}

// Shape is the shape given, or fallback.
func (s Sample) Shape(fallback tensor.Shape) tensor.Shape {
	if s == nil {
		return fallback
	}
	return tensor.Shape(s)
}
