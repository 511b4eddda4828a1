//go:build !cuda

package cli

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// In a build without CUDA, asking for it is a failure that says so, and "auto" says why it went without.
func TestOpenDeviceAbsent(t *testing.T) {
	for _, spec := range []string{"cuda", "cuda:1"} {
		_, _, err := (&Device{Spec: spec}).Open()
		require.ErrorContains(t, err, "--device "+spec+": this build is pure Go")
		require.Equal(t, 1, Exit("prog", err, io.Discard))
	}
	d, line, err := (&Device{Spec: "auto"}).Open()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.Contains(t, line, "the best present; cuda: this build is pure Go")
}
