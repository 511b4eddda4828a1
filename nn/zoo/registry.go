package zoo

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"gorgonia.org/tensor"

	"fovea/nn"
)

// Model is a network that can be made by name.
type Model struct {
	Name    string
	Paper   string       // where it comes from, authors and year; the network's file has the title
	Sample  tensor.Shape // the input it was designed for, without the batch: [C, H, W]
	Classes int          // outputs it was designed for
	// New describes the network with that many outputs.
	New func(classes int) nn.Layer
}

var models = map[string]Model{}

func register(m Model) {
	if _, twice := models[m.Name]; twice {
		panic("zoo: model " + m.Name + " registered twice")
	}
	models[m.Name] = m
}

// ErrUnknown marks the name of a model that does not exist.
var ErrUnknown = errors.New("unknown model")

// Find returns the model of that name.
func Find(name string) (Model, error) {
	m, known := models[name]
	if !known {
		return Model{}, fmt.Errorf("%w %q, expected one of %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	return m, nil
}

// Names lists the models in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(models))
	for n := range models {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
