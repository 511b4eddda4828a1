package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/live"
	"fovea/cmd/internal/runs"
)

const aboutServe = `inspect serve shows runs of train in a browser, side by side: curves, what the networks look like inside, sample predictions.
A run that another process is training is followed. An interrupt (Ctrl-C) ends it. docs/live.md says what is shown.

Usage: inspect serve [--addr ADDR] RUN...

Examples:
  inspect serve runs/cnn-small-20260131-120000
        one run, on a port of this machine that it prints
  inspect serve --addr 8080 runs
        all runs in a folder, on http://127.0.0.1:8080

Flags:
`

// mostRuns is what a page can still tell apart.
const mostRuns = 32

func serve(ctx context.Context, args []string, stdout, _ io.Writer) error {
	f := cli.NewFlags("serve")
	address := f.String("addr", "0", "`address`: PORT of this machine, or HOST:PORT; 0 is a port that is free.\nHOST 0.0.0.0 lets anyone look who reaches this machine")
	arguments, err := cli.Parse(f, aboutServe, args, stdout)
	if err != nil {
		return err
	}
	dirs, err := runFolders(arguments)
	if err != nil {
		return err
	}
	board := live.NewBoard()
	for _, dir := range dirs {
		if err := board.Open(dir); err != nil {
			return err
		}
	}
	listener, line, err := cli.Listen(ctx, "addr", *address)
	if err != nil {
		return err
	}
	server := live.Serve(listener, board)
	follower, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { board.Follow(follower) })
	defer following.Wait()
	defer stop()
	if _, err := fmt.Fprintln(stdout, line); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-server.Failed():
		return fmt.Errorf("--addr %s: %w", *address, err)
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), server.Close())
	}
}

// runFolders are the folders that the user names, and those within one that is no run itself.
func runFolders(arguments []string) (dirs []string, err error) {
	for _, dir := range arguments {
		if isRun(dir) {
			dirs = append(dirs, dir)
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w, expected a run folder of train, or a folder with some in it", dir, cli.Cause(err))
		}
		found := len(dirs)
		for _, e := range entries {
			if within := filepath.Join(dir, e.Name()); isRun(within) {
				dirs = append(dirs, within)
			}
		}
		if len(dirs) == found {
			return nil, fmt.Errorf("%s: no %s in it or in a folder of it, expected a run folder of train, or a folder with some in it", dir, runs.ConfigFile)
		}
	}
	switch {
	case len(dirs) == 0:
		return nil, cli.Usagef("no run: expected run folders of train, or a folder with some in it")
	case len(dirs) > mostRuns:
		return nil, cli.Usagef("%d runs, expected at most %d", len(dirs), mostRuns)
	}
	return dirs, nil
}

func isRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, runs.ConfigFile))
	return err == nil
}
