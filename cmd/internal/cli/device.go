package cli

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"fovea/device"
	_ "fovea/device/all" // the devices that --device may name
)

const maxThreads = 1024

// Device is the user's choice of a device and of how it works.
type Device struct {
	Spec    string
	Options device.Options
}

// Declare makes the flags of the choice.
func (c *Device) Declare(f *flag.FlagSet) {
	f.StringVar(&c.Spec, "device", "auto", "`device`: auto (the best present), "+strings.Join(device.Names(), ", ")+"; cuda:N is GPU number N")
	c.DeclareOptions(f)
}

// DeclareOptions makes those that say how it works, for programs that choose the device otherwise.
func (c *Device) DeclareOptions(f *flag.FlagSet) {
	f.IntVar(&c.Options.Threads, "threads", 0, "processors to use; 0: all")
	f.TextVar(&c.Options.Precision, "precision", device.FP32, "`precision` of arithmetic: fp32; cuda also tf32 (products of numbers rounded to 10 bits), or bf16\n(those and activations in bfloat16; parameters stay float32); cpu, with AMX, also bf16 (large products)")
	f.BoolVar(&c.Options.Deterministic, "deterministic-algorithms", false, "algorithms by rule, not by what was measured to be fastest on this machine; on cuda, only such as give\nthe same bits each time")
}

// Open opens it, and says in one line which device that is and why.
func (c *Device) Open() (d device.Device, line string, err error) {
	if n := c.Options.Threads; n < 0 || n > maxThreads {
		return nil, "", Usagef("--threads: %d, expected 1 to %d, or 0 for all processors", n, maxThreads)
	}
	if c.Spec != "auto" {
		d, err := device.Open(c.Spec, c.Options)
		switch {
		case errors.Is(err, device.ErrPrecision):
			return nil, "", Usagef("--precision: %w", err)
		case errors.Is(err, device.ErrUsage):
			return nil, "", Usagef("--device: %w", err)
		case err != nil:
			return nil, "", fmt.Errorf("--device %s: %w", c.Spec, err)
		}
		return d, fmt.Sprintf("Device: %s, as asked for", d.Describe()), nil
	}
	d, absent, err := device.Best(c.Options)
	if err != nil {
		return nil, "", fmt.Errorf("--device auto: %w", err)
	}
	why := "the best present"
	for _, reason := range absent {
		why += fmt.Sprintf("; %v", reason)
	}
	return d, fmt.Sprintf("Device: %s, %s", d.Describe(), why), nil
}
