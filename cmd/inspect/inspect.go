package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"fovea/cmd/internal/cli"
)

// command is one of the things that inspect does; each has a file of its own.
type command struct {
	name, about string // about is a line of the list that --help prints
	run         func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// inspect hands the command line on to the command that its first word names.
func inspect(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return cli.Usagef("no command, expected one of %s", strings.Join(names(), ", "))
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(stdout)
		return flag.ErrHelp
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	return cli.Usagef("unknown command %q, expected one of %s", args[0], strings.Join(names(), ", "))
}

func names() []string {
	words := make([]string, len(commands))
	for i, c := range commands {
		words[i] = c.name
	}
	return words
}

func usage(w io.Writer) {
	fmt.Fprint(w, "inspect shows what is inside networks, files and data sets.\n\nUsage: inspect COMMAND [flags] ...\n\nCommands (inspect COMMAND --help shows the flags of each):\n")
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range commands {
		fmt.Fprintf(columns, "  %s\t%s\n", c.name, c.about)
	}
	columns.Flush()
}
