package nn

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"gorgonia.org/tensor"

	"fovea/device"
)

// Row is one layer of a summary.
type Row struct {
	Name, Kind string
	Shape      tensor.Shape // of the output, as a batch of one
	Parameters int
}

// Summary prints the network as Keras does: a line per layer, then the number of parameters.
func (n *Network) Summary(w io.Writer, name string) error {
	trainable, fixed := 0, 0
	for _, p := range n.Parameters {
		if p.Frozen {
			fixed += device.Size(p.Shape())
		} else {
			trainable += device.Size(p.Shape())
		}
	}
	for _, b := range n.Buffers {
		fixed += b.Tensor.Size()
	}
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	fmt.Fprintf(columns, "Layer (type)\tOutput shape\tParam #\n")
	fmt.Fprintf(columns, "input (Input)\t%s\t0\n", batchShape(n.Input))
	for _, r := range n.Rows {
		fmt.Fprintf(columns, "%s (%s)\t%s\t%s\n", r.Name, r.Kind, batchShape(r.Shape), thousands(r.Parameters))
	}
	columns.Flush()
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	width := 0
	for _, l := range lines {
		width = max(width, len(l))
	}
	fmt.Fprintf(w, "Model: %q\n%s\n%s\n%s\n", name, strings.Repeat("_", width), lines[0], strings.Repeat("=", width))
	for _, l := range lines[1:] {
		fmt.Fprintln(w, l)
	}
	_, err := fmt.Fprintf(w, "%s\nTotal params: %s\nTrainable params: %s\nNon-trainable params: %s\n", strings.Repeat("=", width),
		thousands(trainable+fixed), thousands(trainable), thousands(fixed))
	return err
}

// batchShape writes a shape whose batch is open: (None, 32, 24, 24).
func batchShape(s tensor.Shape) string {
	words := []string{"None"}
	for _, d := range s[1:] {
		words = append(words, strconv.Itoa(d))
	}
	return "(" + strings.Join(words, ", ") + ")"
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
