// Package cli is what Fovea's programs share about being programs: flags, exit codes, interrupts and the choice of
// a device.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
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
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel(ErrInterrupted)
		<-signals
		restoreTerminal()
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

// Cause is a file error without the path, for messages that have it already.
func Cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Interrupted makes an error that follows from an interrupt be the interrupt.
func Interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// WeightsFile is the file of a run folder that train writes and predict reads.
const WeightsFile = "model.safetensors"

// MaxClasses bounds what a typing mistake, or a file from elsewhere, can make a network allocate.
const MaxClasses = 100_000
