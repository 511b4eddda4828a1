package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
)

func TestLoading(t *testing.T) {
	data := programtest.BarsNPZ(t, 40, 8)
	r := programtest.Succeed(t, bench, "--work", "load", "--data", "npz:"+data, "--batch", "16", "--steps", "3", "--threads", "1", "--json")
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		var l loadLine
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		require.Equal(t, []any{40, 16, 1, []int{1, 8, 8}}, []any{l.Samples, l.Batch, l.Threads, l.Sample})
		require.InDelta(t, 40, l.ImagesPerS*l.Seconds, 1e-6)
	}
	require.Contains(t, programtest.Succeed(t, bench, "--work", "load", "--data", "npz:"+data, "--steps", "1").Stdout, "40 samples [1 8 8] in ")
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{[]string{"--data", "nothing"}, 2, `--data: unknown data set "nothing"`},
		{[]string{"--data", "npz:none"}, 1, `npz "none": stat none: no such file or directory`},
		{[]string{"--side", "0"}, 2, "--side: 0, expected at least 1"},
		{[]string{"--crop", "x"}, 2, `--crop: crop "x"`},
		{[]string{"--augment", "x"}, 2, "--augment: "},
	} {
		r := programtest.Run(bench, append([]string{"--work", "load"}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Contains(t, r.Stderr, row.shown, "%v", row.args)
	}
}
