package pth

import (
	"encoding/binary"
	"fmt"
	"math"
)

// What a pickle makes: nil, bool, int64, float64, string, and these.
type (
	tuple []any
	list  struct{ items []any }
	dict  struct{ keys, values []any } // in order; of a key that is there twice, both
	class string                       // a function or type of Python, by its full name
	large string                       // an integer of more than 64 bits, as its bytes
)

// maxText and maxSteps bound one pickle: its texts together, and the instructions of its program. A tensor takes about two
// hundred bytes and forty instructions. What is made is at most some hundred bytes an instruction, beside the texts.
const (
	maxText  = 4 << 20
	maxSteps = 1 << 20
)

// machine runs a pickle (https://github.com/python/cpython/blob/main/Lib/pickletools.py has the instructions).
type machine struct {
	in         *reader
	persistent func(id any) (any, error) // what stands outside of the pickle

	stack []any
	marks []int // places in the stack
	memo  map[int64]any
	steps int // instructions run, and entries copied
	text  int64
	err   error
}

// unpickle reads one pickle.
func unpickle(in *reader, persistent func(id any) (any, error)) (any, error) {
	m := &machine{in: in, persistent: persistent, memo: map[int64]any{}}
	begin := in.at
	for {
		at := in.at
		instruction := m.byte()
		m.spend(1)
		if m.err == nil && instruction == '.' {
			value := m.pop()
			if m.err == nil {
				return value, nil
			}
		}
		if m.err == nil {
			m.run(instruction)
		}
		if m.err != nil {
			return nil, fmt.Errorf("pickle at byte %d, instruction at byte %d: %w", begin, at, m.err)
		}
	}
}

func (m *machine) run(instruction byte) {
	switch instruction {
	case 0x80: // PROTO
		if version := m.byte(); m.err == nil && version > 5 {
			m.fail("protocol %d, expected at most 5", version)
		}
	case 0x95: // FRAME
		m.bytes(8)

	case 'N':
		m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		m.push(instruction == 0x88)
	case 'J': // BININT
		m.push(int64(int32(m.number(4))))
	case 'K': // BININT1
		m.push(int64(m.number(1)))
	case 'M': // BININT2
		m.push(int64(m.number(2)))
	case 0x8a: // LONG1
		m.long(m.number(1))
	case 'G': // BINFLOAT
		if b := m.bytes(8); b != nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case 'U', 0x8c, 'C': // SHORT_BINSTRING, SHORT_BINUNICODE, SHORT_BINBYTES
		m.string(m.number(1))
	case 'T', 'X', 'B': // BINSTRING, BINUNICODE, BINBYTES
		m.string(m.number(4))
	case 0x8d: // BINUNICODE8
		m.string(m.number(8))

	case '(':
		m.marks = append(m.marks, len(m.stack))
	case '0': // POP
		m.pop()
	case '1': // POP_MARK
		m.items()
	case ')':
		m.push(tuple(nil))
	case 't': // TUPLE
		m.push(tuple(m.items()))
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		m.push(tuple(m.last(int(instruction) - 0x84)))
	case ']':
		m.push(&list{})
	case 'l': // LIST
		m.push(&list{m.items()})
	case 'a': // APPEND
		m.append(m.last(1))
	case 'e': // APPENDS
		m.append(m.items())
	case '}':
		m.push(&dict{})
	case 'd': // DICT
		items := m.items()
		m.push(&dict{})
		m.set(items)
	case 's': // SETITEM
		m.set(m.last(2))
	case 'u': // SETITEMS
		m.set(m.items())

	case 'q': // BINPUT
		m.put(int64(m.number(1)))
	case 'r': // LONG_BINPUT
		m.put(int64(m.number(4)))
	case 0x94: // MEMOIZE
		m.put(int64(len(m.memo)))
	case 'h': // BINGET
		m.get(int64(m.number(1)))
	case 'j': // LONG_BINGET
		m.get(int64(m.number(4)))

	case 'c': // GLOBAL
		m.global(m.line(), m.line())
	case 0x93: // STACK_GLOBAL
		names := m.last(2)
		if m.err != nil {
			return
		}
		module, isText := names[0].(string)
		name, isText2 := names[1].(string)
		if !isText || !isText2 {
			m.fail("a name of %s and %s, expected texts", kind(names[0]), kind(names[1]))
			return
		}
		m.global(module, name)
	case 'R': // REDUCE
		m.call(m.last(2))
	case 'b': // BUILD sets attributes, of which neither a dictionary nor a tensor has any that matter
		m.pop()
		switch top := m.top().(type) {
		case *dict, *array:
		default:
			m.fail("attributes of %s, expected of a dictionary or a tensor", kind(top))
		}
	case 'Q': // BINPERSID
		id := m.pop()
		if m.err == nil {
			var value any
			value, m.err = m.persistent(id)
			m.push(value)
		}
	default:
		m.fail("%#02x is none of those that a dictionary of tensors needs", instruction)
	}
}

func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// spend counts steps.
func (m *machine) spend(n int) {
	if m.steps += n; m.steps > maxSteps {
		m.fail("more than %d instructions", maxSteps)
	}
}

func (m *machine) byte() byte {
	if b := m.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// bytes are valid until the next call; nil after a failure.
func (m *machine) bytes(n int64) []byte {
	if m.err != nil {
		return nil
	}
	var b []byte
	b, m.err = m.in.next(n)
	return b
}

// number is a little-endian one of n bytes.
func (m *machine) number(n int64) uint64 {
	var wide [8]byte
	copy(wide[:], m.bytes(n))
	return binary.LittleEndian.Uint64(wide[:])
}

// long pushes a signed little-endian integer.
func (m *machine) long(n uint64) {
	b := m.bytes(int64(n))
	if m.err != nil {
		return
	}
	if n > 8 {
		m.push(large(b))
		return
	}
	var wide [8]byte
	if n > 0 && b[n-1]&0x80 != 0 {
		for i := range wide {
			wide[i] = 0xff
		}
	}
	copy(wide[:], b)
	m.push(int64(binary.LittleEndian.Uint64(wide[:])))
}

func (m *machine) string(n uint64) {
	if m.err == nil && n > uint64(maxText-m.text) {
		m.fail("texts of more than %d bytes", maxText)
		return
	}
	m.text += int64(n)
	b := m.bytes(int64(n))
	if m.err == nil {
		m.push(string(b))
	}
}

// line reads a text up to the end of its line.
func (m *machine) line() string {
	const longest = 200
	var text []byte
	for m.err == nil {
		b := m.byte()
		if b == '\n' {
			break
		}
		if text = append(text, b); len(text) > longest {
			m.fail("a name of more than %d bytes", longest)
		}
	}
	return string(text)
}

func (m *machine) push(value any) { m.stack = append(m.stack, value) }

// floor is the last mark, below which nothing can be taken.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *machine) top() any {
	if m.err == nil && len(m.stack) == m.floor() {
		m.fail("nothing is there to be taken")
	}
	if m.err != nil {
		return nil
	}
	return m.stack[len(m.stack)-1]
}

func (m *machine) pop() any {
	value := m.top()
	if m.err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return value
}

// last takes n values off, nil after a failure.
func (m *machine) last(n int) []any {
	at := len(m.stack) - n
	if m.err == nil && at < m.floor() {
		m.fail("%d values to be taken, expected %d", len(m.stack)-m.floor(), n)
	}
	if m.err != nil {
		return nil
	}
	taken := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return taken
}

// items takes all values off that came after the last mark, and the mark.
func (m *machine) items() []any {
	if m.err == nil && len(m.marks) == 0 {
		m.fail("no mark is set")
	}
	if m.err != nil {
		return nil
	}
	taken := m.last(len(m.stack) - m.floor())
	m.marks = m.marks[:len(m.marks)-1]
	return taken
}

func (m *machine) append(items []any) {
	switch to := m.top().(type) {
	case *list:
		to.items = append(to.items, items...)
	default:
		m.fail("elements for %s, expected a list", kind(to))
	}
}

func (m *machine) set(items []any) {
	to, is := m.top().(*dict)
	switch {
	case m.err != nil:
	case !is:
		m.fail("entries for %s, expected a dictionary", kind(m.top()))
	case len(items)%2 != 0:
		m.fail("a key without a value")
	default:
		for i := 0; i < len(items); i += 2 {
			to.keys, to.values = append(to.keys, items[i]), append(to.values, items[i+1])
		}
	}
}

func (m *machine) put(at int64) {
	if value := m.top(); m.err == nil {
		m.memo[at] = value
	}
}

func (m *machine) get(at int64) {
	value, there := m.memo[at]
	if !there {
		m.fail("nothing was kept as number %d", at)
		return
	}
	m.push(value)
}

// kind says what a value is.
func kind(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		return "a truth value"
	case int64, large:
		return "an integer"
	case float64:
		return "a number"
	case string:
		return "a text"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dictionary"
	case class:
		return "the class " + string(v)
	case *storage:
		return "a storage"
	case *array:
		return "a tensor"
	}
	return "something else"
}
