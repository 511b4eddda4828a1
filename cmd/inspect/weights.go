package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"fovea/cmd/internal/cli"
	"fovea/nn/weights"
)

const aboutWeights = `inspect weights lists the tensors of a file of weights: safetensors, or what PyTorch's torch.save wrote of a state_dict
(.pth, .pt). Nothing in the file is run.

Usage: inspect weights [flags] FILE

Examples:
  inspect weights resnet18-f37072fd.pth
        names, element types, shapes and bytes, in the file's order
  inspect weights before.safetensors --diff after.safetensors
        what differs, and by how much: the norm of the difference, relative to the first

Flags:
`

func listWeights(_ context.Context, args []string, stdout, _ io.Writer) error {
	f := cli.NewFlags("weights")
	other := f.String("diff", "", "`file` of weights to compare with")
	arguments, err := cli.Parse(f, aboutWeights, args, stdout)
	if err != nil {
		return err
	}
	if len(arguments) != 1 {
		return cli.Usagef("%d files, expected one", len(arguments))
	}
	first, err := weights.Open(arguments[0])
	if err != nil {
		return err
	}
	defer first.Close()
	var out strings.Builder
	if *other == "" {
		err = table(&out, first, arguments[0])
	} else {
		var second *weights.File
		if second, err = weights.Open(*other); err != nil {
			return err
		}
		defer second.Close()
		err = difference(&out, first, second)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, out.String())
	return err
}

// table lists a file.
func table(w io.Writer, f *weights.File, path string) error {
	card, err := weights.ReadCard(path)
	if err != nil {
		return err
	}
	columns, bytes := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), int64(0)
	for _, x := range f.Tensors {
		fmt.Fprintf(columns, "%s\t%s\t%v\t%d bytes\n", plain(x.Name), x.DType, x.Shape, x.Bytes)
		bytes += x.Bytes
	}
	columns.Flush()
	fmt.Fprintf(w, "%s, %d tensors, %d bytes\n", f.Format, len(f.Tensors), bytes)
	if card != nil {
		fmt.Fprintf(w, "of network %q, samples %v, %d outputs\n", card.Model, []int(card.Sample), card.Outputs)
	}
	return nil
}

// plain is a name that does nothing to a terminal.
func plain(name string) string {
	if quoted := strconv.QuoteToGraphic(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// difference lists what is not the same in two files.
func difference(w io.Writer, first, second *weights.File) error {
	columns, same, by := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), 0, map[string]weights.Info{}
	for _, x := range second.Tensors {
		by[x.Name] = x
	}
	for _, a := range first.Tensors {
		b, there := by[a.Name]
		delete(by, a.Name)
		switch {
		case !there:
			fmt.Fprintf(columns, "%s\tin the first file alone\n", plain(a.Name))
		case !slices.Equal(a.Shape, b.Shape):
			fmt.Fprintf(columns, "%s\t%v in the first, %v in the second\n", plain(a.Name), a.Shape, b.Shape)
		case !real(a.DType) || !real(b.DType):
			fmt.Fprintf(columns, "%s\t%s and %s are not compared\n", plain(a.Name), a.DType, b.DType)
		default:
			x, err := first.Floats(a.Name)
			if err != nil {
				return err
			}
			y, err := second.Floats(a.Name)
			if err != nil {
				return err
			}
			relative, largest, unequal := apart(x, y)
			if unequal == 0 {
				same++
				continue
			}
			fmt.Fprintf(columns, "%s\toff by %.3g, an element by at most %.3g; %d of %d differ\n", plain(a.Name), relative, largest, unequal, len(x))
		}
	}
	for _, b := range second.Tensors {
		if _, left := by[b.Name]; left {
			fmt.Fprintf(columns, "%s\tin the second file alone\n", plain(b.Name))
		}
	}
	columns.Flush()
	_, err := fmt.Fprintf(w, "%d of %d tensors are the same in both files\n", same, len(first.Tensors)+len(by))
	return err
}

func real(dtype string) bool { return slices.Contains([]string{"F64", "F32", "F16", "BF16"}, dtype) }

// apart is ||y - x|| / ||x||, the largest difference, and how many elements differ. A NaN is the same as another.
func apart(x, y []float64) (relative, largest float64, unequal int) {
	diff, norm := 0.0, 0.0
	for i, a := range x {
		norm += a * a
		if b := y[i]; a != b && !(math.IsNaN(a) && math.IsNaN(b)) {
			unequal++
			diff += (b - a) * (b - a)
			largest = math.Max(largest, math.Abs(b-a))
		}
	}
	return math.Sqrt(diff / norm), largest, unequal
}
