package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
)

func TestUIRefusals(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	for _, row := range []struct {
		args  []string
		shown string
	}{
		{[]string{"--ui", "x"}, `--ui: "x", expected auto or tui`},
		{[]string{"--ui", "tui"}, "--ui tui: standard output is not a terminal, expected one (--ui auto prints lines)"},
		{[]string{"--ui", "tui", "--log", "json"}, "--ui tui: --log json is for other programs, expected one of the two"},
		{[]string{"--ui", "tui", "--find-lr"}, "--ui tui: --find-lr draws a picture of its own, expected one of the two"},
	} {
		r := programtest.Run(train, short("x.npz", out, row.args...)...)
		require.Equal(t, 2, r.Code)
		require.Equal(t, "program: "+row.shown+"\n(program --help shows how it is used)\n", r.Stderr)
		require.NoDirExists(t, out)
	}
}
