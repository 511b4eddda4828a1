package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExit(t *testing.T) {
	for _, row := range []struct {
		name  string
		err   error
		code  int
		shown string
	}{
		{"success", nil, 0, ""},
		{"help", flag.ErrHelp, 0, ""},
		{"failure", errors.New("no such file"), 1, "prog: no such file\n"},
		{"usage", Usagef("--lr: %d", 3), 2, "prog: --lr: 3\n(prog --help shows how it is used)\n"},
		{"usage inside", fmt.Errorf("--config x: %w", Usagef("bad")), 2, "prog: --config x: bad\n(prog --help shows how it is used)\n"},
		{"interrupt", fmt.Errorf("%w; saved", ErrInterrupted), 130, "prog: interrupted; saved\n"},
		{"interrupt and failure", errors.Join(ErrInterrupted, errors.New("disk full")), 130, "prog: interrupted\ndisk full\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var stderr bytes.Buffer
			require.Equal(t, row.code, Exit("prog", row.err, &stderr))
			require.Equal(t, row.shown, stderr.String())
		})
	}
}

func TestParse(t *testing.T) {
	for _, row := range []struct {
		args      []string
		n         int
		arguments []string
		usage     string
	}{
		{args: []string{}, n: 7},
		{args: []string{"--n", "3"}, n: 3},
		{args: []string{"a", "--n=3", "b"}, n: 3, arguments: []string{"a", "b"}},
		{args: []string{"--n", "3", "--", "a", "--n"}, n: 3, arguments: []string{"a", "--n"}},
		{args: []string{"a", "--", "--", "b"}, n: 7, arguments: []string{"a", "--", "b"}},
		{args: []string{"-"}, n: 7, arguments: []string{"-"}},
		{args: []string{"a", "--m"}, usage: "flag provided but not defined: -m"},
		{args: []string{"--n", "x"}, usage: `invalid value "x" for flag -n: parse error`},
		{args: []string{"a", "--n"}, usage: "flag needs an argument: -n"},
	} {
		t.Run(fmt.Sprint(row.args), func(t *testing.T) {
			f := NewFlags("prog")
			n := f.Int("n", 7, "a number")
			arguments, err := Parse(f, "", row.args, io.Discard)
			if row.usage != "" {
				var usage *UsageError
				require.ErrorAs(t, err, &usage)
				require.EqualError(t, err, row.usage)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.n, *n)
			require.Equal(t, row.arguments, arguments)
		})
	}
}

func TestParseHelp(t *testing.T) {
	f := NewFlags("prog")
	f.Int("n", 7, "a number")
	var stdout bytes.Buffer
	_, err := Parse(f, "About.\n", []string{"a", "-h"}, &stdout)
	require.ErrorIs(t, err, flag.ErrHelp)
	require.Equal(t, "About.\n  -n int\n    \ta number (default 7)\n", stdout.String())
}

func TestNumber(t *testing.T) {
	for text, wrong := range map[string]string{"0.5": "", "-1e-3": "", "x": "expected a number", "": "expected a number",
		"NaN": "expected a finite number", "inf": "expected a finite number", "-Inf": "expected a finite number", "1e999": "expected a number"} {
		n := Number{}
		require.Equal(t, "auto", n.String())
		err := n.Set(text)
		if wrong != "" {
			require.EqualError(t, err, wrong, "%q", text)
			require.False(t, n.Given, "%q", text)
			n.Fallback(3)
			require.Equal(t, 3.0, n.Value)
			continue
		}
		require.NoError(t, err, "%q", text)
		value := n.Value
		n.Fallback(3)
		require.Equal(t, value, n.Value, "%q: a given number must win over the fallback", text)
	}
}

func TestInterrupted(t *testing.T) {
	failure := errors.New("failure")
	ctx, cancel := context.WithCancelCause(context.Background())
	require.Equal(t, failure, Interrupted(ctx, failure))
	cancel(ErrInterrupted)
	require.Equal(t, ErrInterrupted, Interrupted(ctx, failure))
	require.NoError(t, Interrupted(ctx, nil))
}
