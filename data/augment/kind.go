package augment

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"fovea/data"
)

// Kind is a transform that users can name.
type Kind struct {
	Name       string // "rotate"
	About      string // one line
	Parameters []Parameter
	// New makes the transform of one value for each parameter, all of them within their bounds.
	New func(values []float64) (data.Transform, error)
}

// Parameter is a number, or one of some words, that a transform is made with.
type Parameter struct {
	Name      string // "DEGREES"
	Default   float64
	Low, High float64  // bounds, themselves allowed
	Whole     bool     // no fractions
	Words     []string // if there are any, the parameter is one of them, and its value the word's place
}

var kinds = map[string]Kind{}

// Register adds a kind; it is called from init. A name registered twice is a mistake in the program and panics.
func Register(k Kind) {
	if _, twice := kinds[k.Name]; twice {
		panic("augment: " + k.Name + " registered twice")
	}
	kinds[k.Name] = k
}

// Kinds returns all that are known, by name.
func Kinds() []Kind {
	all := slices.Collect(maps.Values(kinds))
	slices.SortFunc(all, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Form is how a user writes the transform: "blur:LOW/HIGH/P".
func (k Kind) Form() string {
	if len(k.Parameters) == 0 {
		return k.Name
	}
	words := make([]string, len(k.Parameters))
	for i, p := range k.Parameters {
		words[i] = p.Name
	}
	return k.Name + ":" + strings.Join(words, "/")
}

// Default is the transform with all parameters written out as they are if the user leaves them out: "blur:0.1/2/0.5".
func (k Kind) Default() string {
	values := make([]float64, len(k.Parameters))
	for i, p := range k.Parameters {
		values[i] = p.Default
	}
	return text(k.Name, values...)
}

// text writes a transform as Parse reads it.
func text(name string, values ...float64) string {
	if len(values) == 0 {
		return name
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = kinds[name].Parameters[i].text(v)
	}
	return name + ":" + strings.Join(words, "/")
}

func (p Parameter) text(v float64) string {
	if i := int(v); p.Words != nil && i >= 0 && i < len(p.Words) {
		return p.Words[i]
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// read is the inverse of text.
func (p Parameter) read(word string) (float64, error) {
	if p.Words != nil {
		if i := slices.Index(p.Words, word); i >= 0 {
			return float64(i), nil
		}
		return 0, fmt.Errorf("%s is %q, expected %s", p.Name, word, strings.Join(p.Words, ", "))
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || !(v >= p.Low && v <= p.High) || p.Whole && v != math.Trunc(v) {
		what := "a number"
		if p.Whole {
			what = "a whole number"
		}
		return 0, fmt.Errorf("%s is %q, expected %s from %v to %v", p.Name, word, what, p.Low, p.High)
	}
	return v, nil
}

// chance is the parameter of how often a transform is made at all.
func chance(p float64) Parameter { return Parameter{Name: "P", Default: p, High: 1} }
