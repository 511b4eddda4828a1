package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"fovea/cmd/internal/cli"
	"fovea/nn/onnx"
)

const aboutONNX = `inspect onnx lists what is in an ONNX file, and says whether train and predict can use it.

Usage: inspect onnx [flags] FILE.onnx

Flags:
`

func listONNX(_ context.Context, args []string, stdout, _ io.Writer) error {
	f := cli.NewFlags("onnx")
	withWeights := f.Bool("weights", false, "list the weights too")
	arguments, err := cli.Parse(f, aboutONNX, args, stdout)
	if err != nil {
		return err
	}
	if len(arguments) != 1 {
		return cli.Usagef("%d files, expected one", len(arguments))
	}
	c, err := onnx.List(arguments[0])
	if err != nil {
		return err
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "written by %q, operators of version %d, %d nodes, %d weights\n", c.Producer, c.Opset, len(c.Nodes), len(c.Weights))
	for _, t := range c.Inputs {
		fmt.Fprintf(table, "input\t%q\t%s %s\n", t.Name, t.Type, open(t.Shape))
	}
	for _, t := range c.Outputs {
		fmt.Fprintf(table, "output\t%q\t%s %s\n", t.Name, t.Type, open(t.Shape))
	}
	for _, n := range c.Nodes {
		fmt.Fprintf(table, "%s\t%q\t%s -> %s\n", n.Op, n.Name, quoted(n.In), quoted(n.Out))
	}
	if *withWeights {
		for _, t := range c.Weights {
			fmt.Fprintf(table, "weight\t%q\t%s %s\n", t.Name, t.Type, open(t.Shape))
		}
	}
	if c.Unread == "" {
		fmt.Fprintln(table, "can be used")
	} else {
		fmt.Fprintf(table, "cannot be used: %s\n", c.Unread)
	}
	table.Flush()
	_, err = io.WriteString(stdout, out.String())
	return err
}

// open writes a shape in which a dimension may be open: [?, 3, 224, 224].
func open(shape []int) string {
	words := make([]string, len(shape))
	for i, n := range shape {
		if words[i] = strconv.Itoa(n); n < 0 {
			words[i] = "?"
		}
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func quoted(names []string) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = strconv.Quote(n)
	}
	return strings.Join(words, ", ")
}
