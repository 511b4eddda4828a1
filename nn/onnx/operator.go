package onnx

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"fovea/autograd"
)

// operator is one of ONNX's. It computes on the tape if an operand is there, and on the host what only says shapes.
type operator struct {
	// attributes are the names that it knows, of any version.
	attributes string
	// tape computes on the device, host with arrays; either may be nil.
	tape func(c *call) *autograd.Value
	host func(c *call) *array
}

// operators are all that are read, by name; each file of a family adds its own.
var operators = map[string]operator{}

func register(name string, o operator) {
	if _, twice := operators[name]; twice {
		panic("onnx: operator " + name + " registered twice")
	}
	operators[name] = o
}

// Operators lists what is read, in alphabetical order.
func Operators() []string {
	names := make([]string, 0, len(operators))
	for n := range operators {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func (o operator) knows(attribute string) bool {
	for _, a := range strings.Fields(o.attributes) {
		if a == attribute {
			return true
		}
	}
	return false
}

// call is one computation of a node. The first failure stays on it, and what follows gives zeros.
type call struct {
	*node
	tape *autograd.Tape
	run  *run
	in   []operand
	// spent is how many elements the computation has made in the host's memory.
	spent *int
	err   error
}

// onHost computes the node in the host's memory.
func (c *call) onHost() *array {
	a := c.operator.host(c)
	if c.err == nil && a.fill == nil && c.afford(a.size()) {
		*c.spent += a.size()
	}
	return a
}

// afford says whether so many elements more may be made.
func (c *call) afford(n int) bool {
	if c.err == nil && n > maxHost-*c.spent {
		c.fail("%d elements in the host's memory after %d, expected at most %d", n, *c.spent, maxHost)
	}
	return c.err == nil
}

// operand is a value of the graph: on the tape, in the host's memory, or a weight, which may come to be either.
type operand struct {
	value  *autograd.Value
	array  *array
	weight *weight
}

func (o operand) there() bool { return o.value != nil || o.array != nil || o.weight != nil }

func (c *call) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// given says whether operand i is there; those at the end may be left out, others have an empty name.
func (c *call) given(i int) bool { return i < len(c.in) && c.in[i].there() }

// value is operand i on the tape.
func (c *call) value(i int) *autograd.Value {
	if !c.given(i) {
		c.fail("operand %d is missing", i)
		return nil
	}
	switch o := c.in[i]; {
	case o.value != nil:
		return o.value
	case o.weight != nil:
		v, err := c.run.parameter(o.weight)
		if err != nil {
			c.fail("operand %d: %w", i, err)
		}
		return v
	default:
		if !o.array.real() {
			c.fail("operand %d holds integers, expected real numbers", i)
			return nil
		}
		if o.array.size() == 0 {
			c.fail("operand %d is empty", i)
			return nil
		}
		return c.run.constant(c.tape, o.array)
	}
}

// onTape is operand i as a value that belongs to the tape, which a parameter does not.
func (c *call) onTape(i int) *autograd.Value {
	v := c.value(i)
	if v != nil && v.Tape() == nil {
		return c.tape.Use(v)
	}
	return v
}

var errNotConstant = errors.New("expected a constant, or what follows from shapes alone")

// host is operand i in the host's memory.
func (c *call) host(i int) *array {
	none := &array{shape: []int{0}, ints: []int64{}}
	if !c.given(i) {
		c.fail("operand %d is missing", i)
		return none
	}
	switch o := c.in[i]; {
	case o.array != nil:
		return o.array
	case o.weight != nil:
		if product(o.weight.shape) > maxHost {
			c.fail("operand %d has %v elements, expected at most %d of what says shapes", i, o.weight.shape, maxHost)
			return none
		}
		o.weight.hosted = true
		a, err := o.weight.read()
		if err != nil {
			c.fail("operand %d: %w", i, err)
			return none
		}
		return a
	}
	c.fail("operand %d: %w", i, errNotConstant)
	return none
}

// integers are the elements of operand i, a vector of whole numbers.
func (c *call) integers(i int) []int {
	a := c.host(i)
	if a.real() {
		c.fail("operand %d holds real numbers, expected integers", i)
		return nil
	}
	list := make([]int, len(a.ints))
	for k, v := range a.ints {
		list[k] = int(v)
	}
	return list
}

// reals are the elements of operand i.
func (c *call) reals(i int) []float64 {
	a := c.host(i)
	if !a.real() {
		c.fail("operand %d holds integers, expected real numbers", i)
		return nil
	}
	list := make([]float64, 0, a.size())
	for _, v := range a.values() {
		list = append(list, float64(v))
	}
	return list
}

// scalar is operand i, one number.
func (c *call) scalar(i int) float64 {
	list := c.reals(i)
	if len(list) != 1 {
		c.fail("operand %d has %d elements, expected one number", i, len(list))
		return 0
	}
	return list[0]
}
