package main

import (
	"flag"
	"fmt"
	"sort"

	"go.yaml.in/yaml/v3"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
)

// readConfig sets the flags that a file names and the command line did not.
func readConfig(path string, f *flag.FlagSet) error {
	values, err := runs.ReadSettings(path)
	if err != nil {
		return fmt.Errorf("--config %s: %w", path, err)
	}
	return setFlags("--config "+path, values, f)
}

// setFlags sets the flags that were not given. From is where the values are from, for errors.
func setFlags(from string, values map[string]any, f *flag.FlagSet) error {
	given := map[string]bool{}
	f.Visit(func(each *flag.Flag) { given[each.Name] = true })
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names) // so that of several mistakes the same one is reported
	for _, name := range names {
		if f.Lookup(name) == nil || !isSetting(name) {
			return cli.Usagef("%s: unknown setting %q, expected the name of a flag", from, name)
		}
		switch values[name].(type) {
		case string, bool, int, int64, uint64, float64:
		default:
			return cli.Usagef("%s: %s is %v, expected a single text, number or truth value", from, name, values[name])
		}
		if given[name] {
			continue
		}
		if err := f.Set(name, fmt.Sprint(values[name])); err != nil {
			return cli.Usagef("%s: %s: invalid value %q: %w", from, name, fmt.Sprint(values[name]), err)
		}
	}
	return nil
}

// isSetting says that a flag may stand in a file of settings.
func isSetting(name string) bool { return name != "config" && name != "resume" }

// writeConfig keeps the settings of a run, see configText.
func writeConfig(path string, f *flag.FlagSet) error {
	text, err := configText(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return cli.WriteBytes(path, text)
}

// configText is the settings of a run, in the order of the flags, in the form that --config reads. The run's own folder and
// where it was seen are left out, so that the file can start another one.
func configText(f *flag.FlagSet) ([]byte, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	f.VisitAll(func(each *flag.Flag) {
		if !isSetting(each.Name) || each.Name == "out" || each.Name == "serve" || each.Name == "ui" {
			return
		}
		value := &yaml.Node{}
		if get, typed := each.Value.(flag.Getter); typed {
			value.SetString(each.Value.String())
			if _, text := get.Get().(string); !text {
				value.Tag, value.Style = "", 0
			}
		} else {
			value.Kind, value.Value = yaml.ScalarNode, each.Value.String()
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: each.Name}, value)
	})
	return yaml.Marshal(node)
}
