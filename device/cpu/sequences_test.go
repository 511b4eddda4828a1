package cpu

import (
	"fmt"
	"testing"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/kernels/isa"
)

// TestSequences: what the device keeps between calls is right whatever comes in between. Numbers of programs differ, for there to be many.
func TestSequences(t *testing.T) {
	programs := 5
	if testing.Short() {
		programs = 1
	}
	first := 0
	for _, set := range isa.Available() {
		for _, threads := range []int{1, 2, 3} {
			for _, exact := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v, %d threads, exact %t", set, threads, exact), func(t *testing.T) {
					t.Setenv(isa.Variable, set.String())
					devicetest.RunSequences(t, func() (device.Device, error) {
						d, err := New(threads)
						if err == nil {
							d.exact = exact
							if !exact {
								d.always = byParts // the programs are too small for anything to be measured
							}
						}
						return d, err
					}, devicetest.Sequences{First: first, Programs: programs})
				})
				first += programs
			}
		}
	}
}
