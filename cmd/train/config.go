package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
)

// maxConfig bounds a configuration file; ours have less than a thousand bytes.
const maxConfig = 1 << 20

// readConfig sets the flags that a file names and the command line did not.
func readConfig(path string, f *flag.FlagSet) error {
	values, err := decodeConfig(path)
	if err != nil {
		return fmt.Errorf("--config %s: %w", path, err)
	}
	given := map[string]bool{}
	f.Visit(func(each *flag.Flag) { given[each.Name] = true })
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names) // so that of several mistakes the same one is reported
	for _, name := range names {
		if f.Lookup(name) == nil || name == "config" {
			return cli.Usagef("--config %s: unknown setting %q, expected the name of a flag", path, name)
		}
		switch values[name].(type) {
		case string, bool, int, int64, uint64, float64:
		default:
			return cli.Usagef("--config %s: %s is %v, expected a single text, number or truth value", path, name, values[name])
		}
		if given[name] {
			continue
		}
		if err := f.Set(name, fmt.Sprint(values[name])); err != nil {
			return cli.Usagef("--config %s: %s: invalid value %q: %w", path, name, fmt.Sprint(values[name]), err)
		}
	}
	return nil
}

func decodeConfig(path string) (map[string]any, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cli.Cause(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, cli.Cause(err)
	}
	if len(content) > maxConfig {
		return nil, cli.Usagef("longer than %d bytes: not a configuration", maxConfig)
	}
	return parseConfig(content, strings.ToLower(filepath.Ext(path)))
}

// parseConfig reads settings in the language that a file's name says. Neither library takes more than a share of what the
// text has by references to itself.
func parseConfig(content []byte, extension string) (map[string]any, error) {
	values := map[string]any{}
	var err error
	switch extension {
	case ".yaml", ".yml":
		err = yaml.Unmarshal(content, &values)
	case ".toml":
		err = toml.Unmarshal(content, &values)
	default:
		return nil, cli.Usagef("file name ends in %q, expected .yaml, .yml or .toml", extension)
	}
	if err != nil {
		return nil, cli.Usagef("%w", err)
	}
	return values, nil
}

// writeConfig keeps the settings of a run, in the order of the flags, in the form that --config reads. The run's own
// folder is left out, so that the file can start another one.
func writeConfig(path string, f *flag.FlagSet) error {
	node := &yaml.Node{Kind: yaml.MappingNode}
	f.VisitAll(func(each *flag.Flag) {
		if each.Name == "config" || each.Name == "out" {
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
	return atomic.WriteFile(path, func(w io.Writer) error {
		encoder := yaml.NewEncoder(w)
		if err := encoder.Encode(node); err != nil {
			return err
		}
		return encoder.Close()
	})
}
