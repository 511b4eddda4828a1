package devicetest

import "os"

// Fast is the device that tests above this layer compute on: cpu, or what the environment variable FOVEA_TEST_DEVICE names
// ("cuda:0"), so that every suite runs on a new device too. Names is the reference device and that one.
func Fast() string {
	if name := os.Getenv("FOVEA_TEST_DEVICE"); name != "" {
		return name
	}
	return "cpu"
}

// Names lists the devices that results are compared on, the reference first.
func Names() []string { return []string{"reference", Fast()} }
