package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// load watches what other programs ask of the processors meanwhile: times taken beside them mean little. It knows on
// Linux only.
type load struct {
	since  time.Time
	busy   float64 // seconds of all processors since the system started
	own    float64 // of those, this process's
	guests float64 // and those of peers, which we wait for
}

func watchLoad() *load {
	l := &load{since: time.Now()}
	l.busy, l.own = busySeconds(), processSeconds(os.Getpid())
	return l
}

// others is how many processors other programs kept busy on average since the watch began; nil if that is not known.
func (l *load) others() *float64 {
	if l.busy == 0 {
		return nil
	}
	used := busySeconds() - l.busy - (processSeconds(os.Getpid()) - l.own) - l.guests
	n := max(0, used/time.Since(l.since).Seconds())
	return &n
}

// ticks a second, in which Linux counts towards programs.
const ticks = 100

// busySeconds adds up what the first line of /proc/stat has: user, nice, system, (idle, iowait,) irq, softirq.
func busySeconds() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	words := strings.Fields(line)
	return sum(words, 1, 2, 3, 6, 7) / ticks
}

// processSeconds adds up a process's user and system time, and that of its children that have ended.
func processSeconds(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // the name before may hold anything
	return sum(words, 11, 12, 13, 14) / ticks
}

func sum(words []string, at ...int) (total float64) {
	for _, i := range at {
		if i < len(words) {
			v, _ := strconv.ParseFloat(words[i], 64)
			total += v
		}
	}
	return total
}
