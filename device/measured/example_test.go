package measured_test

import (
	"fmt"
	"os"

	"fovea/device/measured"
)

// A device asks before it measures, and keeps what it found.
func Example() {
	cache, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(cache)
	os.Setenv("XDG_CACHE_HOME", cache)
	f := measured.Load[string]("cpu", "some processor")
	if _, known := f.Find("3x3, 64 channels"); !known {
		f.Keep("3x3, 64 channels", "winograd")
	}
	f.Save()
	fmt.Println(measured.Load[string]("cpu", "some processor").Find("3x3, 64 channels"))
	// Output: winograd true
}
