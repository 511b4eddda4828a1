// Package cli is what Fovea's programs share about being programs: exit codes, interrupts and the choice of a device.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"fovea/device"
	_ "fovea/device/all" // the devices that --device may name
)

// Exit codes beside 0.
const (
	failure     = 1
	usage       = 2
	interrupted = 130 // 128 + SIGINT, as shells report it
)

// UsageError is a mistake in how a program was called, as opposed to a failure of what it did.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// ErrInterrupted is the cause with which an interrupt cancels a program's context.
var ErrInterrupted = errors.New("interrupted")

// Main runs a program and exits: 0, 1 for a failure, 2 for wrong usage, 130 after an interrupt. The first interrupt
// cancels the program's context; a second one exits at once.
func Main(name string, program func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel(ErrInterrupted)
		<-signals
		os.Exit(interrupted)
	}()
	os.Exit(Exit(name, program(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// Exit prints an error, if there is one, and returns the exit code for it.
func Exit(name string, err error, stderr io.Writer) int {
	var wrong *UsageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrInterrupted):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return interrupted
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "%s: %v\n(%s --help shows how it is used)\n", name, err, name)
		return usage
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return failure
}

// OpenDevice opens what --device names, and says in one line which device that is and why.
func OpenDevice(spec string, threads int, say func(line string)) (device.Device, error) {
	if threads < 0 {
		return nil, Usagef("--threads: %d, expected at least 1, or 0 for all processors", threads)
	}
	options := device.Options{Threads: threads}
	if spec != "auto" {
		d, err := device.Open(spec, options)
		if errors.Is(err, device.ErrUsage) {
			return nil, Usagef("--device: %w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("--device %s: %w", spec, err)
		}
		say(fmt.Sprintf("Device: %s, as asked for", d.Describe()))
		return d, nil
	}
	d, absent, err := device.Best(options)
	if err != nil {
		return nil, fmt.Errorf("--device auto: %w", err)
	}
	why := "the best present"
	for _, reason := range absent {
		why += fmt.Sprintf("; %v", reason)
	}
	say(fmt.Sprintf("Device: %s, %s", d.Describe(), why))
	return d, nil
}
