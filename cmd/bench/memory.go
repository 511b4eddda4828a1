package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// forgetPeak makes the system forget how much memory this process has had in RAM at most, so that peakMB tells of what comes.
// (The peers' protocol does the same.) Where the system does not, it goes on to count from the start.
func forgetPeak() { os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakMB is the most memory of a process that was in RAM at once, in MiB; 0 where the system does not say (it does on Linux).
func peakMB(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nVmHWM:")
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
