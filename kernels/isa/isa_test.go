package isa_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/kernels/isa"
)

func TestBestFollowsTheVariable(t *testing.T) {
	all := isa.Available()
	require.True(t, slices.IsSortedFunc(all, func(a, b isa.Set) int { return int(b - a) }), "best first: %v", all)
	require.Contains(t, all, isa.Generic)
	t.Setenv(isa.Variable, "")
	best, err := isa.Best()
	require.NoError(t, err)
	require.Equal(t, all[0], best)
	for _, set := range all {
		t.Setenv(isa.Variable, set.String())
		best, err := isa.Best()
		require.NoError(t, err)
		require.Equal(t, set, best)
	}
	t.Setenv(isa.Variable, "altivec")
	_, err = isa.Best()
	require.ErrorContains(t, err, `environment variable FOVEA_CPU: instruction set "altivec", expected one that this machine has: `)
}
