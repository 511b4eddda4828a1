package docs

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Every command of the documentation is run, in the order of its page and in a folder with small data, as the rules say; what the
// page shows of its output is what it prints.
func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("runs all programs; TestRules looks the commands up")
	}
	w := newWorld(t)
	for _, p := range pages(t) {
		if !strings.Contains(p.text, "```sh") {
			continue
		}
		t.Run(p.path, func(t *testing.T) {
			s := newShell(t, w, p.path, make([]bool, len(rules)))
			defer s.stopServer()
			s.runAll(p)
		})
	}
}

// shell runs the commands of a page, one after another, in one environment.
type shell struct {
	t      *testing.T
	world  *world // nil: nothing is run
	page   string
	used   []bool // rules
	line   int    // of the block
	port   int    // in place of usualPort
	runner *interp.Runner
	server *server // that the page's last one started
	out    record
	errors record

	mu sync.Mutex // of used and as: the parts of a pipe start at once
	as bool       // all commands of the block ran as they are there
}

func newShell(t *testing.T, w *world, page string, used []bool) *shell {
	s := &shell{t: t, world: w, page: page, used: used, port: freePort(t)}
	dir, env := t.TempDir(), []string{"HOME=/nowhere"}
	if w != nil {
		dir, env = w.dir, w.env
	}
	var err error
	s.runner, err = interp.New(interp.Dir(dir), interp.Env(expand.ListEnviron(env...)), interp.StdIO(nil, &s.out, &s.errors),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }))
	require.NoError(t, err)
	return s
}

func (s *shell) runAll(p *page) {
	for i, b := range p.blocks {
		if b.language != "sh" {
			continue
		}
		shown := ""
		if i+1 < len(p.blocks) && p.blocks[i+1].language == "text" && p.blocks[i+1].follows {
			shown = p.blocks[i+1].text
		}
		s.run(b, shown)
	}
}

func (s *shell) run(b block, shown string) {
	s.line, s.as = b.line, true
	s.out.reset()
	s.errors.reset()
	script, err := syntax.NewParser().Parse(strings.NewReader(b.text), s.page)
	require.NoError(s.t, err, "%s:%d", s.page, b.line)
	for _, statement := range script.Stmts {
		err := s.runner.Run(context.Background(), statement)
		var status interp.ExitStatus
		if errors.As(err, &status) && s.world == nil {
			continue // of a test or the like, of files that are not there
		}
		require.NoError(s.t, err, "%s:%d:\n%s%s", s.page, b.line+int(statement.Pos().Line())-1, s.out.String(), s.errors.String())
	}
	if shown != "" && s.as && s.world != nil {
		require.Regexp(s.t, pattern(shown), strings.TrimRight(s.out.String(), "\n"), "%s:%d: the output is not what the page shows", s.page, b.line)
	}
}

// pattern makes a regular expression of output that a page shows, in which "..." stands for anything.
func pattern(shown string) *regexp.Regexp {
	parts := strings.Split(strings.TrimRight(shown, "\n"), "...")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, `.*`) + `$`)
}

// exec stands in for starting a program.
func (s *shell) exec(ctx context.Context, args []string) error {
	at := interp.HandlerCtx(ctx)
	words := plain(args)
	where := fmt.Sprintf("%s:%d", s.page, s.line+int(at.Pos.Line())-1)
	i := find(strings.Join(words, " "))
	if i < 0 {
		s.t.Errorf("%s: command %q is run by no rule", where, strings.Join(args, " "))
		return nil
	}
	r := rules[i]
	s.note(i, r.instead == "" && len(r.add) == 0)
	if s.world == nil || r.instead != "" {
		return nil
	}
	if r.needs != "" {
		if _, err := exec.LookPath(r.needs); err != nil {
			s.t.Logf("%s: not run: %v", where, err)
			s.note(i, false)
			return nil
		}
	}
	words, changed := s.world.adapt(append(words, r.add...))
	s.note(i, !changed)
	for i, word := range words {
		words[i] = usualPort.ReplaceAllString(word, "${1}"+strconv.Itoa(s.port))
	}
	if r.serves {
		s.stopServer()
		var err error
		s.server, err = serve(s.world.command(context.Background(), at, words))
		return err
	}
	if err := s.finish(ctx, where, at, words); err != nil {
		return err
	}
	if i := slices.Index(words, "-o"); i >= 0 && filepath.Ext(words[i+1]) == ".png" {
		s.comparePicture(where, words[i+1], filepath.Join(at.Dir, words[i+1]), r.add == nil && !changed && !slices.Contains(words, "--run"))
	}
	return nil
}

// note keeps that a rule was used, and whether the command runs as it is there.
func (s *shell) note(rule int, as bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[rule] = true
	s.as = s.as && as
}

// finish runs a program that ends by itself.
func (s *shell) finish(ctx context.Context, where string, at interp.HandlerContext, words []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	begin := time.Now()
	cmd := s.world.command(ctx, at, words)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = at.Stdin, at.Stdout, at.Stderr
	err := cmd.Run()
	s.t.Logf("%s: %.1f s: %s", where, time.Since(begin).Seconds(), strings.Join(words, " "))
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return interp.ExitStatus(failed.ExitCode())
	}
	return err
}

// command is a program of ours as it was built here, else what the machine has.
func (w *world) command(ctx context.Context, at interp.HandlerContext, words []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.program(words[0]), words[1:]...)
	cmd.Dir = at.Dir
	at.Env.Each(func(name string, v expand.Variable) bool {
		if v.Exported {
			cmd.Env = append(cmd.Env, name+"="+v.String())
		}
		return true
	})
	if words[0] == "go" {
		cmd.Env = append(cmd.Env, "GOMODCACHE="+w.goCaches[0], "GOCACHE="+w.goCaches[1])
	}
	return cmd
}

// stopServer ends the server that a command of the page started, if there is one.
func (s *shell) stopServer() {
	if s.server != nil {
		s.server.stop(s.t)
		s.server = nil
	}
}

// comparePicture holds a picture that the documentation shows against the one that its command makes: of the same size, and
// alike where no network is in it.
func (s *shell) comparePicture(where, name, made string, alike bool) {
	shown := filepath.Join(root, filepath.FromSlash(name))
	if !strings.HasPrefix(name, "docs/") {
		return
	}
	got, want := readPicture(s.t, made), readPicture(s.t, shown)
	require.Equal(s.t, want.Bounds(), got.Bounds(), "%s: %s", where, name)
	if !alike {
		return
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			require.Equal(s.t, want.At(x, y), got.At(x, y), "%s: %s at %d, %d", where, name, x, y)
		}
	}
}

func readPicture(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err, path)
	return m
}

// plain is a command without the ways of starting it: "go run ./cmd/train" and "train" are the same.
func plain(args []string) []string {
	if len(args) > 2 && args[0] == "go" && args[1] == "run" {
		if name, is := strings.CutPrefix(args[2], "./cmd/"); is {
			return append([]string{name}, args[3:]...)
		}
	}
	return append([]string(nil), args...)
}
