package cli

import (
	"fmt"
	"io"

	"fovea/nn"
	"fovea/nn/zoo"
)

// ListModels prints what --model list shows: every network of the zoo, as it was designed.
func ListModels(w io.Writer) error {
	fmt.Fprintf(w, "%-20s %11s %8s %12s %15s  %s\n", "network", "input", "classes", "parameters", "multiply-adds", "paper")
	for _, name := range zoo.Names() {
		m, err := zoo.Find(name)
		if err != nil {
			return err
		}
		net, err := nn.Describe(m.New(m.Classes), m.Sample)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := fmt.Fprintf(w, "%-20s %11s %8d %12s %15s  %s\n", name, Sample(m.Sample), m.Classes,
			nn.Thousands(net.ParameterCount()), nn.Thousands(net.MultiplyAdds), m.Paper); err != nil {
			return err
		}
	}
	return nil
}
