package device

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Options are what the user may choose about a device.
type Options struct {
	Threads int // 0: as many as the machine has processors
	// Deterministic asks for algorithms that give the same bits each time, where a device has faster ones that do not, and
	// for a choice among them by rule and not by measuring.
	Deterministic bool
	Precision     Precision
}

// Driver makes the devices of one kind. Each device's package registers its own in a short file.
type Driver struct {
	Name string
	// Preference orders drivers for "auto": the highest that opens wins; a negative one is never chosen so.
	Preference int
	// Precisions are those that it offers beside FP32.
	Precisions []Precision
	// Open makes device number index of this kind (0 unless the user said otherwise).
	Open func(index int, o Options) (Device, error)
}

// offers refuses a precision that the driver does not have.
func (d Driver) offers(p Precision) error {
	if p == FP32 || slices.Contains(d.Precisions, p) {
		return nil
	}
	has := FP32.String()
	for _, p := range d.Precisions {
		has += ", " + p.String()
	}
	return fmt.Errorf("%w %v, expected what %s offers: %s", ErrPrecision, p, d.Name, has)
}

var drivers = map[string]Driver{}

// Register adds a kind of device; it is called from init.
func Register(d Driver) {
	if _, twice := drivers[d.Name]; twice {
		panic("device: driver " + d.Name + " registered twice")
	}
	drivers[d.Name] = d
}

// ErrUsage marks a choice that cannot be meant, as opposed to a device that is not there.
var ErrUsage = errors.New("device")

// ErrPrecision marks a precision that the device does not have.
var ErrPrecision = errors.New("precision")

// Open makes the device that spec names: "auto" (the best present), a registered name, or name:index.
func Open(spec string, o Options) (Device, error) {
	if o.Threads < 0 {
		return nil, fmt.Errorf("%w: %d threads, expected at least 1, or 0 for all processors", ErrUsage, o.Threads)
	}
	if spec == "auto" {
		d, _, err := Best(o)
		return d, err
	}
	name, number, numbered := strings.Cut(spec, ":")
	d, known := drivers[name]
	if !known {
		return nil, fmt.Errorf("%w: unknown %q, expected auto, %s", ErrUsage, spec, strings.Join(Names(), ", "))
	}
	index := 0
	if numbered {
		var err error
		if index, err = strconv.Atoi(number); err != nil || index < 0 {
			return nil, fmt.Errorf("%w: in %q, %q is not a device number, expected for example %s:0", ErrUsage, spec, number, name)
		}
	}
	if err := d.offers(o.Precision); err != nil {
		return nil, err
	}
	return d.Open(index, o)
}

// Best opens the device of highest preference that is present, and says why better ones are not.
func Best(o Options) (best Device, absent []error, err error) {
	order := make([]Driver, 0, len(drivers))
	for _, d := range drivers {
		if d.Preference >= 0 {
			order = append(order, d)
		}
	}
	sort.Slice(order, func(i, j int) bool { return order[i].Preference > order[j].Preference })
	for _, d := range order {
		if err = d.offers(o.Precision); err == nil {
			best, err = d.Open(0, o)
		}
		if err == nil {
			return best, absent, nil
		}
		absent = append(absent, fmt.Errorf("%s: %w", d.Name, err))
	}
	return nil, absent, fmt.Errorf("no device could be opened: %w", errors.Join(absent...))
}

// Names lists the registered kinds in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(drivers))
	for n := range drivers {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
