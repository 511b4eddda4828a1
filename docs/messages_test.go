package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// literals are the texts of the programs' own source, and what the standard library says of flags.
func literals(t *testing.T) []string {
	t.Helper()
	all := []string{"flag provided but not defined: "}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(entry.Name(), "gen_") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, is := n.(*ast.BasicLit); is && l.Kind == token.STRING {
				text, err := strconv.Unquote(l.Value)
				require.NoError(t, err)
				all = append(all, text)
			}
			return true
		})
		return nil
	}))
	return all
}

var (
	message = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	verb    = regexp.MustCompile(`%[-+#0-9.\[\]]*[a-zA-Z]`)
)

// Each message of docs/troubleshooting.md is one that a program gives: what stands between its dots is in texts of the source.
func TestMessages(t *testing.T) {
	all := literals(t)
	for i, text := range all {
		all[i] = verb.ReplaceAllString(text, "...")
	}
	quoted := message.FindAllStringSubmatch(readPage(t, "docs/troubleshooting.md").text, -1)
	require.Greater(t, len(quoted), 20)
	for _, m := range quoted {
		for _, part := range strings.Split(m[1], "...") {
			part = strings.Trim(part, " ")
			if len(part) < 3 {
				continue
			}
			var found bool
			for _, text := range all {
				found = found || strings.Contains(text, part)
			}
			if !found {
				t.Errorf("message %q: %q is in no text of the source", m[1], part)
			}
		}
	}
}
