package devicetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// event is something that happened to some members of a program.
type event struct {
	call int
	what string
	ids  []int
}

func (p *program) note(what string, to map[string]*member) {
	e := event{call: p.calls, what: what}
	for _, m := range to {
		e.ids = append(e.ids, m.id)
	}
	p.log = append(p.log, e)
}

// describe is a call with who its operands are.
func describe(co *course, call Call, a arrangement, members map[string]*member) string {
	text := fmt.Sprintf("%s: %s of %q,", co.row.Op, call.Method, co.c.Name)
	for _, o := range co.c.Operands {
		to := ""
		if slices.Contains(call.Writes, o.Name) {
			to = ", written"
		}
		text += fmt.Sprintf(" %s = %v%s;", o.Name, members[o.Name], to)
	}
	if a.inPlace[0] != "" {
		text += " in place"
	}
	return text
}

// mostEvents is how much of a history is told.
const mostEvents = 40

// tell adds to a failure what happened before to the tensors of the last event.
func (p *program) tell(err error) error {
	last := p.log[len(p.log)-1]
	var lines []string
	for _, e := range p.log {
		if slices.ContainsFunc(e.ids, func(id int) bool { return slices.Contains(last.ids, id) }) {
			lines = append(lines, fmt.Sprintf("call %d: %s", e.call, e.what))
		}
	}
	left := max(0, len(lines)-mostEvents)
	return fmt.Errorf("on device %s, at call %d: %s: %w\n\nWhat happened to its operands (%d earlier events left out):\n%s",
		p.d.Describe(), p.calls, last.what, err, left, strings.Join(lines[left:], "\n"))
}

// distance is ||a - b||, of those elements that are finite.
func distance(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		if difference := v - b[i]; finite(difference) {
			sum += difference * difference
		}
	}
	return math.Sqrt(sum)
}
