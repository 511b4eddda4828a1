package tui

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gdamore/tcell/v2"
)

// terminal opens the terminal that controls this process. Nothing of it is changed yet.
func terminal() (tcell.Screen, error) {
	if name := os.Getenv("TERM"); name == "dumb" {
		return nil, errors.New("the terminal cannot place characters (TERM is dumb)")
	}
	tty, err := tcell.NewDevTty()
	if err != nil {
		return nil, err
	}
	tcell.SetEncodingFallback(tcell.EncodingFallbackASCII) // for locales that are neither that nor UTF-8
	s, err := tcell.NewTerminfoScreenFromTty(calm{tty})
	if err != nil {
		return nil, fmt.Errorf("TERM is %q: %w", os.Getenv("TERM"), err)
	}
	return s, nil
}

// calm reads no faster than keys are pressed: a flood of input could keep tcell from ever closing the terminal, since what it reads
// goes through channels of a fixed size, which nobody empties any more by then. What the terminal has no room for it drops.
type calm struct{ tcell.Tty }

func (c calm) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return c.Tty.Read(b)
}

// asciiCurves shows braille as asterisks where the terminal has no such characters.
func asciiCurves(s tcell.Screen) {
	for bits := rune(1); bits < 256; bits++ {
		s.RegisterRuneFallback(0x2800+bits, "*")
	}
}
