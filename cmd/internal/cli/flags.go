package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Number is a flag of a finite number whose default depends on other flags: it has no value until one is given.
type Number struct {
	Given bool
	Value float64
}

func (n *Number) String() string {
	if n == nil || !n.Given {
		return "auto"
	}
	return strconv.FormatFloat(n.Value, 'g', -1, 64)
}

// Set implements flag.Value.
func (n *Number) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("expected a number")
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return errors.New("expected a finite number")
	}
	n.Given, n.Value = true, v
	return nil
}

// Fallback gives the number a value if it has none.
func (n *Number) Fallback(v float64) {
	if !n.Given {
		n.Given, n.Value = true, v
	}
}

// NewFlags makes an empty set of flags for Parse, which alone prints.
func NewFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// Parse reads a command line: flags, and arguments between and after them (all that follows "--" are arguments). If it
// asks for help, about and the flags are printed and the error is flag.ErrHelp.
func Parse(f *flag.FlagSet, about string, args []string, stdout io.Writer) (arguments []string, err error) {
	var plain []string
	if at := slices.Index(args, "--"); at >= 0 {
		args, plain = args[:at], args[at+1:]
	}
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, about)
			f.SetOutput(stdout)
			f.PrintDefaults()
			return nil, err
		} else if err != nil {
			return nil, Usagef("%w", err)
		}
		if f.NArg() == 0 {
			return append(arguments, plain...), nil
		}
		arguments, args = append(arguments, f.Arg(0)), f.Args()[1:]
	}
}

// AtLeast refuses a number that is too small for the flag of that name.
func AtLeast(name string, value, least int) error {
	if value < least {
		return Usagef("--%s: %d, expected at least %d", name, value, least)
	}
	return nil
}
