package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// residentMB is the memory of a process that is in RAM now, in MiB; 0 where the system does not say (it does on Linux).
// Ours is asked after the last step: the devices' pools keep what they took, so it is the most too.
func residentMB(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	kib, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return 0
	}
	return kib / 1024
}
