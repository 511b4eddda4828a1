package tui

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode"
)

// log holds back what is written for the terminal while the whole of it shows something else. Before and after, it hands all on
// as it comes. It is safe for concurrent use.
type log struct {
	mu      sync.Mutex
	holding bool
	text    []byte
	parts   []part
}

// part is a stretch of the text that goes to one writer.
type part struct {
	to  *logged
	end int
}

// to is a writer whose text comes to w, or is held back.
func (l *log) to(w io.Writer) io.Writer { return &logged{l, w} }

// logged is one of a log's writers.
type logged struct {
	log *log
	to  io.Writer
}

func (w *logged) Write(text []byte) (int, error) {
	l := w.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.holding {
		return w.to.Write(text)
	}
	l.text = append(l.text, text...)
	if last := len(l.parts) - 1; last >= 0 && l.parts[last].to == w {
		l.parts[last].end = len(l.text)
	} else {
		l.parts = append(l.parts, part{w, len(l.text)})
	}
	return len(text), nil
}

func (l *log) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = true
}

// release writes what was held back, in order, and holds nothing from now on.
func (l *log) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	begin := 0
	for _, p := range l.parts {
		_, failed := p.to.to.Write(l.text[begin:p.end])
		err, begin = errors.Join(err, failed), p.end
	}
	l.holding, l.text, l.parts = false, nil, nil
	return err
}

// tail is the last n lines, without what a terminal would obey.
func (l *log) tail(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := bytes.TrimSuffix(l.text, []byte("\n"))
	var lines []string
	for len(text) > 0 && len(lines) < n {
		begin := bytes.LastIndexByte(text, '\n') + 1
		lines = append([]string{plain(string(text[begin:]))}, lines...)
		text = text[:max(0, begin-1)]
	}
	return lines
}

// plain replaces what is no printable character.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
