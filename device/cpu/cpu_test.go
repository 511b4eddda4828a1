package cpu_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/devicetest"
	"fovea/kernels/isa"
)

// eachKernel runs a test with every instruction set that this machine has.
func eachKernel(t *testing.T, test func(t *testing.T)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			t.Setenv("FOVEA_CPU", set.String())
			test(t)
		})
	}
}

func TestConformance(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%d threads", threads), func(t *testing.T) {
				if testing.Short() && threads < 3 {
					t.Skip("three threads give the same bits, as the next test shows")
				}
				open := func() (device.Device, error) { return cpu.New(threads) }
				devicetest.Run(t, open)
				t.Run("activations", func(t *testing.T) { devicetest.RunPrecision(t, open, devicetest.Precision{Activations: true}) })
			})
		}
	})
}

func TestResultsDoNotDependOnTheNumberOfThreads(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		var devices []device.Device
		for _, threads := range []int{1, 2, 3, 8} {
			d, err := cpu.New(threads)
			require.NoError(t, err)
			defer func() { require.NoError(t, d.Close()) }()
			devices = append(devices, d)
		}
		for _, p := range []devicetest.Precision{{}, {Activations: true}} {
			for _, row := range devicetest.Rows() {
				row.EachCase(func(c devicetest.Case, seed uint64) {
					want, err := row.Results(devices[0], c, seed, p)
					require.NoError(t, err)
					for _, d := range devices[1:] {
						got, err := row.Results(d, c, seed, p)
						require.NoError(t, err)
						for i, w := range want {
							for at, v := range w.Elements {
								if g := got[i].Elements[at]; math.Float64bits(g) != math.Float64bits(v) {
									t.Fatalf("%s, case %q, activations %t, seed %d, %s: element %d of tensor %s is %v, with one thread %v (%s)",
										row.Op, c.Name, p.Activations, seed, w.Method, at, w.Operand, g, v, d.Describe())
								}
							}
						}
					}
				})
			}
		}
	})
}
