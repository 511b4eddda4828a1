package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	span   = regexp.MustCompile("`([^`\n]+)`")
	ours   = regexp.MustCompile(`^(--|train |predict |inspect |bench |bin/|go run ./cmd/)`)
	flag   = regexp.MustCompile(`(?:^| )--([a-z][a-z0-9-]*)`)
	target = regexp.MustCompile(`\bmake ([a-z][a-z0-9-]*)`)
	script = regexp.MustCompile(`\b(scripts|docker)/[a-z_0-9/]+\.(sh|py)\b`)
	test   = regexp.MustCompile(`go test (\./[a-z0-9/.]+)(.*)`)
	choose = regexp.MustCompile(`-run '?([^' ]+)`)
)

// What stands in the middle of a sentence, or in a table, is there too: flags of our programs, targets of the Makefile, scripts,
// packages and the names of their tests.
func TestInline(t *testing.T) {
	words := map[string]bool{}
	for _, text := range literals(t) {
		words[text] = true
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, p := range pages(t) {
		known := map[string]bool{"help": true, "gpus": true} // which is Docker's
		if p.path == "docker/README.md" {
			known = nil // nearly all are
		}
		for _, m := range span.FindAllStringSubmatch(outside(p), -1) {
			code := m[1]
			for _, f := range flag.FindAllStringSubmatch(code, -1) {
				if known != nil && ours.MatchString(code) && !known[f[1]] && !words[f[1]] {
					t.Errorf("%s: `%s`: no program has a flag --%s", p.path, code, f[1])
				}
			}
			for _, m := range target.FindAllStringSubmatch(code, -1) {
				if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
					t.Errorf("%s: `%s`: the Makefile has no target %s", p.path, code, m[1])
				}
			}
			if s := script.FindString(code); s != "" && !exists(filepath.Join(root, s)) && !exists(filepath.Join(root, filepath.Dir(p.path), s)) {
				t.Errorf("%s: `%s`: there is no %s", p.path, code, s)
			}
			if m := test.FindStringSubmatch(code); m != nil {
				checkTest(t, p.path, m[1], m[2])
			}
		}
	}
}

// checkTest says whether a package is there, and a test in it that -run chooses.
func checkTest(t *testing.T, page, pattern, args string) {
	t.Helper()
	folder := filepath.Join(root, strings.TrimSuffix(pattern, "/..."))
	if !exists(folder) {
		t.Errorf("%s: there is no package %s", page, pattern)
		return
	}
	run := choose.FindStringSubmatch(args)
	if run == nil || run[1] == "^$" || strings.HasSuffix(pattern, "...") { // a benchmark, or any test
		return
	}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	var found bool
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, is := d.(*ast.FuncDecl)
			found = found || is && strings.HasPrefix(f.Name.Name, "Test") && regexp.MustCompile(run[1]).MatchString(f.Name.Name)
		}
	}
	if !found {
		t.Errorf("%s: no test of %s is chosen by -run %s", page, pattern, run[1])
	}
}
