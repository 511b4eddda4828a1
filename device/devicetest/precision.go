package devicetest

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// Precision is what a device is held to that computes with less than float32 by its user's wish.
type Precision struct {
	// Relative replaces the usual bound of 1e-5; every tolerance of a row widens in the same proportion. What is exact, and
	// where zeros, NaN and infinities are, stays as it is.
	Relative float64
	Why      string
	// Ops are the rows to try; nil for all, and those of memory too.
	Ops []string
	// Activations tries tensors of Memory.New and of device.Compact: each where a step has it, and in another mix. The
	// optimisers' rows have Memory.New's alone.
	Activations bool
	// BFloat16 says that device.Compact's are bfloat16. Operands are numbers that bfloat16 has.
	BFloat16 bool
}

// of is the precision of a row.
func (p Precision) of(r Row) Precision {
	if r.Single {
		p.Relative, p.Activations, p.BFloat16 = 0, false, false
	}
	return p
}

// widen applies the precision to a call's tolerance.
func (p Precision) widen(tol Tolerance) Tolerance {
	if p.Relative == 0 {
		return tol
	}
	if tol.Relative == 0 {
		tol.Relative = relative
	}
	tol.Relative *= p.Relative / relative
	tol.Absolute *= p.Relative / relative
	return tol
}

// given rounds elements to what every operand can hold.
func (p Precision) given(x []float64) []float64 {
	if p.BFloat16 {
		return brain(x)
	}
	return singles(x)
}

// brain rounds to bfloat16.
func brain(x []float64) []float64 {
	for i, v := range x {
		x[i] = RoundBFloat16(v)
	}
	return x
}

// RoundBFloat16 rounds to the nearest bfloat16, of two to the even one; NaN stays NaN.
func RoundBFloat16(v float64) float64 {
	bits := math.Float32bits(float32(v))
	if v == v {
		bits += 0x7fff + bits>>16&1
	}
	return float64(math.Float32frombits(bits &^ 0xffff))
}

// usual says which operands of a case are activations in a step.
func (p Precision) usual(c Case) map[string]bool {
	few := map[string]bool{}
	for _, o := range c.Operands {
		few[o.Name] = p.Activations && !o.Labels && !o.Kept
	}
	return few
}

// mix says which operands are activations otherwise: all, or some.
func (p Precision) mix(c Case, seed uint64) map[string]bool {
	few := map[string]bool{}
	for _, letter := range c.Name {
		seed = seed*31 + uint64(letter)
	}
	src := philox.NewSource(philox.Stream{Seed: seed, ID: 1 << 42})
	all := src.Intn(2) == 0
	for _, o := range c.Operands {
		few[o.Name] = !o.Labels && (all || src.Intn(2) == 0)
	}
	return few
}

// fromSlice is device.FromSlice, of an activation if few is set.
func fromSlice(d device.Device, s tensor.Shape, elements []float64, few bool) (*device.Tensor, error) {
	if !few {
		return device.FromSlice(d, s, elements)
	}
	compact, has := d.(device.Compact)
	if !has {
		return nil, fmt.Errorf("device %s does not offer device.Compact", d.Name())
	}
	t, err := compact.NewActivation(s)
	if err != nil {
		return nil, err
	}
	if err := d.Upload(t, elements); err != nil {
		t.Release()
		return nil, err
	}
	return t, nil
}
