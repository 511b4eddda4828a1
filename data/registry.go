package data

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorgonia.org/tensor"
)

// Options are what the user may choose about where data comes from.
type Options struct {
	// Dir is the folder with the data's files, for data sets that are fetched (mnist); "": the user's cache folder.
	Dir string
	// Log is told what takes long or is out of the ordinary; nil: nobody is.
	Log func(format string, args ...any)
	// Sample is what samples are made of pictures of any size, [C, H, W] with 1 or 3 channels; nil: (3, 224, 224).
	Sample tensor.Shape
	// Resize is [Info.Resize] of such sets; 0: 8/7 of the sample's shorter side (256 for 224).
	Resize int
}

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

// Sets is an opened data set.
type Sets struct {
	Train      Set
	Validation Set // nil if the data has none, as most
	Test       Set // nil if the data has none
}

// OpenFunc opens a data set. Argument is what follows the colon of the name ("" if there is none).
type OpenFunc func(ctx context.Context, argument string, opts Options) (*Sets, error)

type format struct {
	form               string // "npz:FILE"
	argument, optional bool
	open               OpenFunc
}

var formats = map[string]format{}

// Register adds a kind of data set; it is called from init. Form is the name as a user writes it: "mnist", "npz:FILE" if an
// argument must follow, "cifar100[:coarse]" if one may. A name registered twice is a mistake in the program and panics.
func Register(form string, open OpenFunc) {
	scheme, _, argument := strings.Cut(form, ":")
	scheme, optional := strings.CutSuffix(scheme, "[")
	if _, twice := formats[scheme]; twice {
		panic("data: " + scheme + " registered twice")
	}
	formats[scheme] = format{form: form, argument: argument, optional: optional, open: open}
}

// Names returns the forms of name that Open knows, sorted: "mnist", "npz:FILE".
func Names() []string {
	var names []string
	for f := range maps.Values(formats) {
		names = append(names, f.form)
	}
	slices.Sort(names)
	return names
}

// ErrUsage marks a name that cannot be meant, as opposed to data that is missing or damaged.
var ErrUsage = errors.New("unknown data set")

// Open opens the data set that spec names: "mnist", "npz:FILE" and so on, see [Names]. Cancelling ctx stops a download.
func Open(ctx context.Context, spec string, opts Options) (*Sets, error) {
	scheme, argument, colon := strings.Cut(spec, ":")
	f, known := formats[scheme]
	if !known {
		return nil, fmt.Errorf("%w %q, expected %s", ErrUsage, spec, strings.Join(Names(), " or "))
	}
	if colon && argument == "" || colon && !f.argument || !colon && f.argument && !f.optional {
		return nil, fmt.Errorf("%w %q, expected %s", ErrUsage, spec, f.form)
	}
	return f.open(ctx, argument, opts)
}
