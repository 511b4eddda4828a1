package gemm

import (
	"fmt"
	"os"
	"strings"
)

// kernels are those that this machine can run, best first. The assembly ones are put in front by the file for their
// architecture.
var kernels = []*Kernel{{Name: "generic", MR: 4, NR: 4, tile: generic}}

// Available lists the kernels that this machine can run, best first.
func Available() []*Kernel { return kernels }

// Best returns the kernel that FOVEA_CPU names, or the best one where it is not set.
func Best() (*Kernel, error) {
	name := os.Getenv("FOVEA_CPU")
	if name == "" {
		return kernels[0], nil
	}
	k, err := ByName(name)
	if err != nil {
		return nil, fmt.Errorf("environment variable FOVEA_CPU: %w", err)
	}
	return k, nil
}

// ByName returns the kernel of that name.
func ByName(name string) (*Kernel, error) {
	var names []string
	for _, k := range kernels {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return nil, fmt.Errorf("instruction set %q, expected one that this machine has: %s", name, strings.Join(names, ", "))
}
