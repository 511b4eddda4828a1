package inference

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// lists takes samples as nested lists of numbers, [N][C][H][W], from JSON whose syntax is known to be right. (encoding/json
// would make an interface of each number.)
func (p *parser) lists(text []byte) error {
	l := &listReader{text: text, sample: p.sample}
	if !l.opens() {
		return l.fail("a list of samples")
	}
	for i := 0; !l.closes(i); i++ {
		if len(p.found) == p.most {
			return p.add(input{})
		}
		l.path = append(l.path[:0], i)
		values := make([]float32, 0, p.sample.TotalSize())
		values, err := l.read(values, 0)
		if err != nil {
			return err
		}
		if err := p.add(input{row: &i, values: values}); err != nil {
			return err
		}
	}
	return nil
}

// listReader is at a place in the text.
type listReader struct {
	text   []byte
	at     int
	sample []int
	path   []int // of the list or number that is read
}

func (l *listReader) space() {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
}

// opens passes over the beginning of a list, if there is one.
func (l *listReader) opens() bool {
	l.space()
	if l.at == len(l.text) || l.text[l.at] != '[' {
		return false
	}
	l.at++
	return true
}

// closes passes over the end of a list after its element i-1, or over what stands between that and the next.
func (l *listReader) closes(i int) bool {
	l.space()
	if l.at == len(l.text) || l.text[l.at] == ']' {
		l.at++
		return true
	}
	if i > 0 {
		l.at++ // a comma
	}
	return false
}

// read appends the numbers of what is at depth within a sample.
func (l *listReader) read(values []float32, depth int) ([]float32, error) {
	if depth == len(l.sample) {
		v, err := l.number()
		return append(values, v), err
	}
	if !l.opens() {
		return nil, l.fail(fmt.Sprintf("a list of %d", l.sample[depth]))
	}
	l.path = append(l.path, 0)
	i := 0
	for ; !l.closes(i); i++ {
		l.path[len(l.path)-1] = i
		if i == l.sample[depth] {
			break
		}
		var err error
		if values, err = l.read(values, depth+1); err != nil {
			return nil, err
		}
	}
	l.path = l.path[:len(l.path)-1]
	if i != l.sample[depth] || l.text[l.at-1] != ']' {
		found := strconv.Itoa(i)
		if i == l.sample[depth] {
			found = "more"
		}
		return nil, failf(http.StatusUnprocessableEntity, "%s: %s elements, expected %d (samples are %v)", l.place(), found, l.sample[depth], l.sample)
	}
	return values, nil
}

func (l *listReader) number() (float32, error) {
	l.space()
	end := l.at
	for end < len(l.text) && strings.IndexByte("+-.0123456789eE", l.text[end]) >= 0 {
		end++
	}
	v, err := strconv.ParseFloat(string(l.text[l.at:end]), 32)
	if err != nil {
		return 0, l.fail("a number that fits float32")
	}
	l.at = end
	return float32(v), nil
}

// fail says what was expected in the place of what is here.
func (l *listReader) fail(expected string) error {
	l.space()
	return failf(http.StatusUnprocessableEntity, "%s: found %.20q, expected %s (samples are %v)", l.place(), l.text[l.at:], expected, l.sample)
}

// place names what is read: "inputs[0][2]".
func (l *listReader) place() string {
	var b strings.Builder
	b.WriteString("inputs")
	for _, i := range l.path {
		fmt.Fprintf(&b, "[%d]", i)
	}
	return b.String()
}
