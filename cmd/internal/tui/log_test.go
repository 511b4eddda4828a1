package tui

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is held back comes in the order in which it was written, to where it belongs.
func TestLog(t *testing.T) {
	var all bytes.Buffer
	named := func(name string) writer { return func(text []byte) { fmt.Fprintf(&all, "%s(%s)", name, text) } }
	l := &log{}
	out, people := l.to(named("out")), l.to(named("people"))
	fmt.Fprint(out, "before")
	l.hold()
	fmt.Fprint(out, "1\n")
	fmt.Fprint(out, "2\n")
	fmt.Fprint(people, "3\x1b[31m\n")
	fmt.Fprint(out, "4")
	require.Equal(t, "out(before)", all.String())
	require.Equal(t, []string{"2", "3?[31m", "4"}, l.tail(3))
	require.Equal(t, []string{"1", "2", "3?[31m", "4"}, l.tail(100))
	require.Empty(t, l.tail(0))
	require.NoError(t, l.release())
	require.Empty(t, l.tail(3))
	fmt.Fprint(people, "after")
	require.Equal(t, "out(before)out(1\n2\n)people(3\x1b[31m\n)out(4)people(after)", all.String())
}

type writer func([]byte)

func (w writer) Write(text []byte) (int, error) {
	w(text)
	return len(text), nil
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A writer that fails keeps nothing from the others.
func TestLogFails(t *testing.T) {
	var rest bytes.Buffer
	l := &log{}
	l.hold()
	fmt.Fprint(l.to(full{}), "lost")
	fmt.Fprint(l.to(&rest), "kept")
	require.EqualError(t, l.release(), "no space left")
	require.Equal(t, "kept", rest.String())
}
