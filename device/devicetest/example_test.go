package devicetest_test

import (
	"fmt"
	"testing"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/devicetest"
)

// This is the whole conformance test of a device.
func ExampleRun() {
	_ = func(t *testing.T) {
		devicetest.Run(t, func() (device.Device, error) { return cpu.New(2) })
	}
}

// The rows can also be tried one by one.
func ExampleRow_Check() {
	d, err := cpu.New(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range devicetest.Rows() {
		if row.Op == "rotate180" {
			for _, c := range row.Cases {
				fmt.Println(row.Op, c.Name, row.Check(d, c, 1))
			}
		}
	}
	fmt.Println(d.Close())
	// Output:
	// rotate180 (1, 1, 1, 1) <nil>
	// rotate180 (2, 3, 3, 3) <nil>
	// rotate180 (3, 2, 2, 5) <nil>
	// rotate180 (4, 1) <nil>
	// rotate180 (0, 3, 3, 3) <nil>
	// rotate180 (33, 31, 5, 5) <nil>
	// <nil>
}
