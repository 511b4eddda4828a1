package devicetest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/reference"
)

func TestBrain(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 1: 1, 1 + 1.0/256: 1, 1 + 1.1/256: 1 + 1.0/128, 1 + 3.0/256: 1 + 4.0/256, -3 - 1.0/64: -3 - 1.0/64,
		math.MaxFloat32: inf, -inf: -inf, 0x1p-133: 0x1p-133, 0x1p-135: 0} {
		require.Equal(t, want, RoundBFloat16(v), "%v", v)
	}
	require.True(t, math.IsNaN(RoundBFloat16(nan)))
	require.True(t, math.Signbit(RoundBFloat16(minus0)))
}

// A wider precision widens what is computed, and nothing else.
func TestPrecisionWidens(t *testing.T) {
	p := Precision{Relative: 1e-3}
	require.Equal(t, Tolerance{Relative: 1e-3}, p.widen(Tolerance{}))
	require.Equal(t, Tolerance{Relative: 1e-2, Absolute: 1e-3, Mask: true}, p.widen(Tolerance{Relative: 1e-4, Absolute: 1e-5, Mask: true}))
	require.Equal(t, Tolerance{Exact: true, Relative: 1e-3}, p.widen(moved.plain()))
	require.Equal(t, Tolerance{}, Precision{}.widen(Tolerance{}))
	for _, row := range Rows() {
		single := row.Op == "sgd" || row.Op == "rmsprop" || row.Op == "adam"
		require.Equal(t, single, p.of(row).Relative == 0, row.Op)
	}
}

// A device that stores everything alike cannot be tested for more.
func TestActivationsNeedCompact(t *testing.T) {
	row := activationRows()[0]
	require.ErrorContains(t, row.CheckPrecision(reference.New(), row.Cases[2], 1, Precision{Activations: true}), "does not offer device.Compact")
}

func (tol Tolerance) plain() Tolerance { tol.Why = ""; return tol }
