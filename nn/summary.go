package nn

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"gorgonia.org/tensor"

	"fovea/device"
)

// Row is one layer of a summary.
type Row struct {
	Name, Kind   string
	Shape        tensor.Shape // of the output, as a batch of one
	Parameters   int
	MultiplyAdds int  // of one sample, see Builder.MultiplyAdds
	Auxiliary    bool // part of an auxiliary head: computed in training only
}

// Column is something that a summary shows beside a layer's output and parameters.
type Column int

// The columns that Summary knows.
const (
	MultiplyAdds Column = iota // of one sample
	Memory                     // what a layer gives of one sample, and its parameters, in bytes of float32
)

// floatSize is the bytes of a float32.
const floatSize = 4

// Summary prints the network as Keras does: a line per layer, then the number of parameters.
func (n *Network) Summary(w io.Writer, name string, more ...Column) error {
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	line := func(layer, shape, parameters, multiplyAdds, gives, holds string) {
		fmt.Fprint(columns, layer, "\t", shape, "\t", parameters)
		if slices.Contains(more, MultiplyAdds) {
			fmt.Fprint(columns, "\t", multiplyAdds)
		}
		if slices.Contains(more, Memory) {
			fmt.Fprint(columns, "\t", gives, "\t", holds)
		}
		fmt.Fprintln(columns)
	}
	row := func(r Row) {
		line(fmt.Sprintf("%s (%s)", r.Name, r.Kind), batchShape(r.Shape), Thousands(r.Parameters), Thousands(r.MultiplyAdds),
			Thousands(floatSize*device.Size(r.Shape)), Thousands(floatSize*r.Parameters))
	}
	line("Layer (type)", "Output shape", "Param #", "Multiply-adds", "Output bytes", "Param bytes")
	row(Row{Name: "input", Kind: "Input", Shape: n.Input})
	for _, r := range n.Rows {
		row(r)
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
	_, err := fmt.Fprintf(w, "%s\n%s", strings.Repeat("=", width), n.totals(more))
	return err
}

// totals is the end of a summary.
func (n *Network) totals(more []Column) string {
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
	text := fmt.Sprintf("Total params: %s\nTrainable params: %s\nNon-trainable params: %s\n", Thousands(trainable+fixed), Thousands(trainable), Thousands(fixed))
	heads, gives := 0, device.Size(n.Input)
	for _, r := range n.Rows {
		gives += device.Size(r.Shape)
		if r.Auxiliary {
			heads += r.MultiplyAdds
		}
	}
	if slices.Contains(more, MultiplyAdds) {
		text += fmt.Sprintf("Multiply-adds of a sample: %s\n", Thousands(n.MultiplyAdds))
		if heads > 0 {
			text += fmt.Sprintf("Multiply-adds of auxiliary heads, in training: %s\n", Thousands(heads))
		}
	}
	if slices.Contains(more, Memory) {
		text += fmt.Sprintf("Outputs of all layers for a sample: %s\nParams: %s\n", mebibytes(gives), mebibytes(trainable+fixed))
	}
	return text
}

// mebibytes is the memory of so many float32.
func mebibytes(elements int) string {
	return fmt.Sprintf("%s bytes (%.1f MiB)", Thousands(floatSize*elements), float64(floatSize*elements)/(1<<20))
}

// batchShape writes a shape whose batch is open: (None, 32, 24, 24).
func batchShape(s tensor.Shape) string {
	words := []string{"None"}
	for _, d := range s[1:] {
		words = append(words, strconv.Itoa(d))
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// Thousands writes a number as 1,234,567.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
