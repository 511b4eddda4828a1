package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository's folder, from this one.
const root = ".."

// page is a Markdown file.
type page struct {
	path   string // from the repository's folder
	text   string
	blocks []block
}

// block is what stands between two fences.
type block struct {
	language string
	line     int // of the first line in it, from 1
	text     string
	follows  bool // nothing but blank lines is between it and the block before
}

var fence = regexp.MustCompile("^ *```(.*)$")

func readPage(t *testing.T, path string) *page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	p := &page{path: path, text: string(content)}
	var open *block
	blank := false
	for i, line := range strings.Split(p.text, "\n") {
		marks := fence.FindStringSubmatch(line)
		switch {
		case open == nil && marks == nil:
			blank = blank && strings.TrimSpace(line) == ""
		case open == nil:
			open = &block{language: marks[1], line: i + 2, follows: blank}
		case marks == nil:
			open.text += line + "\n"
		default:
			require.Empty(t, marks[1], "%s:%d: a fence with a language inside of a block", path, i+1)
			p.blocks, open, blank = append(p.blocks, *open), nil, true
		}
	}
	require.Nil(t, open, "%s: the last block has no end", path)
	return p
}

// pages are all of the repository's.
func pages(t *testing.T) []*page {
	t.Helper()
	var all []*page
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "build" || name == "bin" || name == "runs") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			from, err := filepath.Rel(root, path)
			require.NoError(t, err)
			all = append(all, readPage(t, filepath.ToSlash(from)))
		}
		return nil
	}))
	require.Greater(t, len(all), 15)
	return all
}

// Every block says what is in it, so that no command escapes TestCommands and no code TestCode.
func TestBlocks(t *testing.T) {
	known := []string{"sh", "text", "go", "json", "ini", "yaml", "python"}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			require.Contains(t, known, b.language, "%s:%d: expected sh for commands, which are run, and go for code, which is compiled", p.path, b.line-1)
		}
	}
}
