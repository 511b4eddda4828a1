package cpu_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/cpu"
	"fovea/kernels/isa"
)

func TestDescribeNamesKernelAndThreads(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		d, err := cpu.New(3)
		require.NoError(t, err)
		set, err := isa.Best()
		require.NoError(t, err)
		require.Equal(t, "cpu (float32, "+runtime.GOOS+"/"+runtime.GOARCH+", "+set.String()+" kernels, 3 threads)", d.Describe())
		require.NoError(t, d.Close())
	})
}

func TestUnknownInstructionSet(t *testing.T) {
	t.Setenv("FOVEA_CPU", "altivec")
	_, err := cpu.New(1)
	require.ErrorContains(t, err, `environment variable FOVEA_CPU: instruction set "altivec"`)
}

// Workers end with their device.
func TestCloseEndsTheWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		d, err := cpu.New(8)
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5e9, 1e6)
}
