package runs

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"fovea/cmd/internal/cli"
)

// maxSettings bounds a file of settings; ours have less than a thousand bytes.
const maxSettings = 1 << 20

// ReadSettings reads a file of train's settings, by the names of its flags. What is wrong with the content is a
// cli.UsageError; the path is not in the error.
func ReadSettings(path string) (map[string]any, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSettings+1))
	if err != nil {
		return nil, cli.Cause(err)
	}
	if len(content) > maxSettings {
		return nil, cli.Usagef("longer than %d bytes: not a configuration", maxSettings)
	}
	return parseSettings(content, strings.ToLower(filepath.Ext(path)))
}

// parseSettings reads settings in the language that a file's name says. Neither library takes more than a share of what
// the text has by references to itself.
func parseSettings(content []byte, extension string) (map[string]any, error) {
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
