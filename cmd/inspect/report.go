package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
)

const aboutReport = `inspect report makes the page of a run again, of what its folder has: curves, the test set class by class, the network,
the settings. train makes it at the end of a run; this is for one that was stopped, or is at work.

Usage: inspect report [flags] RUN

Examples:
  inspect report runs/large
        writes runs/large/report.html
  inspect report runs/large -o large.html
        elsewhere; the page needs no other file

Flags:
`

func writeReport(_ context.Context, args []string, stdout, _ io.Writer) error {
	f := cli.NewFlags("report")
	out := f.String("o", "", "`file` to write (default report.html in the run folder)")
	arguments, err := cli.Parse(f, aboutReport, args, stdout)
	if err != nil {
		return err
	}
	if len(arguments) != 1 {
		return cli.Usagef("%d runs, expected one", len(arguments))
	}
	path := *out
	if path == "" {
		path = filepath.Join(arguments[0], runs.ReportFile)
	}
	if err := runs.WriteReport(arguments[0], path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, path)
	return err
}
