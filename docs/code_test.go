package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sources are the repository's Go files, without the indentation of their lines.
func sources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		content, err := os.ReadFile(path)
		all[path] = flat(string(content))
		return err
	}))
	return all
}

// flat is a text without indentation and blank lines.
func flat(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

// Go code in the documentation stands, line by line, in a file that is compiled and, if it is an example or a test, run.
func TestCode(t *testing.T) {
	all := sources(t)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "go" {
				continue
			}
			code, found := flat(b.text), ""
			for path, content := range all {
				if strings.Contains(content, code) {
					found = path
				}
			}
			if found == "" {
				t.Errorf("%s:%d: this code is in no Go file:\n%s", p.path, b.line, b.text)
			}
		}
	}
}

// The README shows the whole of the short program, which is as short as it is said to be.
func TestShortProgram(t *testing.T) {
	program, err := os.ReadFile(filepath.Join(root, "examples", "digits", "main.go"))
	require.NoError(t, err)
	require.Less(t, strings.Count(string(program), "\n"), 40)
	var shown bool
	for _, b := range readPage(t, "README.md").blocks {
		shown = shown || b.language == "go" && b.text == string(program)
	}
	require.True(t, shown, "README.md does not show examples/digits/main.go as it is")
}
