package isa

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Set is what kernels are written for.
type Set int

// The instruction sets, from the least to the best.
const (
	Generic Set = iota // plain Go
	AVX2               // AVX2 and FMA: 16 registers of 8 float32s
	AVX512             // AVX-512F, BW, DQ and VL: 32 registers of 16 float32s, and masks
	AMX                // AVX512, and large products of matrices and convolutions by tiles of bfloat16, as exact
)

var names = [...]string{"generic", "avx2", "avx512", "amx"}

func (s Set) String() string { return names[s] }

// Vectors is the set of what is not multiplied by tiles: AMX has AVX512's vectors.
func (s Set) Vectors() Set { return min(s, AVX512) }

// Variable is the environment variable that chooses an instruction set by name.
const Variable = "FOVEA_CPU"

// Available lists what this machine can run, best first.
func Available() []Set { return slices.Clone(present) }

// present is put in order by the file for the architecture.
var present = []Set{Generic}

// Best returns the set that the environment variable names, or the best one where that is not set.
func Best() (Set, error) {
	name := os.Getenv(Variable)
	if name == "" {
		return present[0], nil
	}
	var known []string
	for _, s := range present {
		if s.String() == name {
			return s, nil
		}
		known = append(known, s.String())
	}
	return Generic, fmt.Errorf("environment variable %s: instruction set %q, expected one that this machine has: %s", Variable, name, strings.Join(known, ", "))
}
