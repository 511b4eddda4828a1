//go:build cuda

package control

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func needEmulator(t *testing.T) {
	if !Present() {
		t.Skip(ErrAbsent)
	}
}

func TestCommands(t *testing.T) {
	needEmulator(t)
	for _, command := range []string{"fail-alloc 1", "fail-alloc-all", "fail-call cudnnCreate 2", "count-bytes 0", "clear-faults"} {
		require.NoError(t, Do(command), command)
	}
	for _, command := range []string{"", "nonsense", "fail-alloc", "fail-alloc -1", "fail-launch one"} {
		require.ErrorContains(t, Do(command), "not understood", command)
	}
	Reset()
	require.Zero(t, Counter("launches"))
}

func TestReport(t *testing.T) {
	needEmulator(t)
	require.Empty(t, Report())
	require.NoError(t, Do("expect-violations 2"))
	require.Equal(t, "expected violations that did not come: 2\n", Report())
	require.NoError(t, Do("clear-violations"))
	require.Empty(t, strings.TrimSpace(Report()))
}
