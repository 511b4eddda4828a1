package augment

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"fovea/data"
)

// presets are short names for what others train with.
var presets = map[string]string{
	"cifar":    "crop:4,flip",
	"mnist":    "translate:0.08,rotate:10",
	"imagenet": "flip,jitter",
}

// most bounds how many transforms a specification may name.
const most = 64

// Parse reads transforms as a user writes them, in the order in which they are made: names after commas, each with its
// parameters after a colon and slashes, "crop:4,flip,jitter:0.4/0.4/0.4/0.1". Parameters left out at the end have their
// defaults. A preset ("cifar", "mnist", "imagenet") stands for its list.
func Parse(spec string) ([]data.Transform, error) {
	var all []data.Transform
	for _, item := range strings.Split(spec, ",") {
		made, err := parseItem(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		if all = append(all, made...); len(all) > most {
			return nil, fmt.Errorf("augmentation: more than %d transforms", most)
		}
	}
	return all, nil
}

func parseItem(item string) ([]data.Transform, error) {
	name, arguments, given := strings.Cut(item, ":")
	if preset, is := presets[name]; is {
		if given {
			return nil, fmt.Errorf("augmentation %q: the preset %s has no parameters, expected %s", item, name, name)
		}
		return Parse(preset)
	}
	k, known := kinds[name]
	if !known {
		return nil, fmt.Errorf("augmentation %q: unknown, expected %s", item, strings.Join(slices.Concat(slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(presets))), ", "))
	}
	var words []string
	if given {
		words = strings.Split(arguments, "/")
	}
	if len(words) > len(k.Parameters) {
		return nil, fmt.Errorf("augmentation %q: %d parameters, expected at most %d: %s", item, len(words), len(k.Parameters), k.Form())
	}
	values := make([]float64, len(k.Parameters))
	for i, p := range k.Parameters {
		if values[i] = p.Default; i < len(words) {
			var err error
			if values[i], err = p.read(words[i]); err != nil {
				return nil, fmt.Errorf("augmentation %q: %w (%s)", item, err, k.Form())
			}
		}
	}
	t, err := k.New(values)
	if err != nil {
		return nil, fmt.Errorf("augmentation %q: %w (%s)", item, err, k.Form())
	}
	return []data.Transform{t}, nil
}

// Text writes transforms as Parse reads them.
func Text(transforms []data.Transform) string {
	words := make([]string, len(transforms))
	for i, t := range transforms {
		words[i] = t.String()
	}
	return strings.Join(words, ",")
}

// List writes what Parse knows.
func List(w io.Writer) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "FORM\tBY DEFAULT\tWHAT IT DOES")
	for _, k := range Kinds() {
		fmt.Fprintf(columns, "%s\t%s\t%s\n", k.Form(), k.Default(), k.About)
	}
	for _, name := range slices.Sorted(maps.Keys(presets)) {
		made, err := Parse(name)
		if err != nil {
			return errors.Join(errors.New("augment: preset "+name), err)
		}
		fmt.Fprintf(columns, "%s\t%s\ta preset\n", name, Text(made))
	}
	return columns.Flush()
}
