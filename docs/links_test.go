package docs

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Links lead to files and headings that are there, and every picture beside the pages is shown by one of them.
func TestLinks(t *testing.T) {
	linked := map[string]bool{}
	for _, p := range pages(t) {
		for _, l := range link.FindAllStringSubmatch(outside(p), -1) {
			target, err := url.Parse(l[1])
			require.NoError(t, err, "%s: %s", p.path, l[1])
			if target.Scheme != "" {
				continue
			}
			to := p.path
			if target.Path != "" {
				to = path.Join(path.Dir(p.path), target.Path)
			}
			linked[to] = true
			require.True(t, exists(filepath.Join(root, to)), "%s: %s leads nowhere", p.path, l[1])
			if target.Fragment != "" {
				require.Contains(t, headings(t, to), target.Fragment, "%s: %s", p.path, l[1])
			}
		}
	}
	for _, folder := range []string{"docs", "docs/tutorial"} {
		files, err := os.ReadDir(filepath.Join(root, folder))
		require.NoError(t, err)
		for _, f := range files {
			name := path.Join(folder, f.Name())
			require.True(t, path.Ext(name) != ".png" || linked[name], "%s is shown by no page", name)
		}
	}
}

// outside is a page's text without its blocks.
func outside(p *page) string {
	text := p.text
	for _, b := range p.blocks {
		text = strings.Replace(text, b.text, "", 1)
	}
	return text
}

// headings are a page's, as links name them.
func headings(t *testing.T, path string) []string {
	t.Helper()
	if filepath.Ext(path) != ".md" {
		return nil
	}
	var all []string
	for _, line := range strings.Split(outside(readPage(t, path)), "\n") {
		if title, is := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); is && strings.HasPrefix(line, "#") {
			name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
			all = append(all, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return all
}
