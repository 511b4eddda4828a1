package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
)

const aboutCompare = `inspect compare shows runs side by side: what their settings differ in, and what was measured. Best validation is that
of the epoch with the least validation loss.

Usage: inspect compare [flags] RUN...

Examples:
  inspect compare runs/*
        a table of all runs
  inspect compare runs/adam runs/sgd -o both.png
        and their curves over one another
  inspect compare --csv runs/* > runs.csv
        for a spreadsheet; all numbers as they were measured

Flags:
`

// mostCompared bounds the runs of a comparison.
const mostCompared = 1000

func compare(_ context.Context, args []string, stdout, _ io.Writer) error {
	f := cli.NewFlags("compare")
	asCSV := f.Bool("csv", false, "write the table as comma-separated values")
	asJSON := f.Bool("json", false, "write a JSON line for each run")
	out := f.String("o", "", "`file` to draw the curves in: .png or .svg")
	dirs, err := cli.Parse(f, aboutCompare, args, stdout)
	switch kind := strings.ToLower(filepath.Ext(*out)); {
	case err != nil:
		return err
	case len(dirs) == 0 || len(dirs) > mostCompared:
		return cli.Usagef("%d runs, expected 1 to %d", len(dirs), mostCompared)
	case *asCSV && *asJSON:
		return cli.Usagef("--csv and --json: expected one or the other")
	case *out != "" && kind != ".png" && kind != ".svg":
		return cli.Usagef("-o: %q, expected a file.png or file.svg", *out)
	}
	var all []*runs.Run
	for _, dir := range dirs {
		r, err := runs.Read(dir)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	if *out != "" {
		if err := runs.DrawComparison(*out, all); err != nil {
			return err
		}
	}
	c := newComparison(all)
	switch {
	case *asCSV:
		return c.csv(stdout)
	case *asJSON:
		return c.json(stdout)
	}
	return c.text(stdout)
}
