package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/live"
)

// started is a screen on a simulated terminal, and what it writes when it is gone.
func started(t *testing.T, ctx context.Context, terminal tcell.Screen, interrupt func()) (s *Screen, out, people *bytes.Buffer) {
	t.Helper()
	out, people = &bytes.Buffer{}, &bytes.Buffer{}
	s = newScreen(terminal, out, people, interrupt)
	require.False(t, s.Up())
	require.NoError(t, s.Close(), "it has not begun")
	require.NoError(t, s.Start(ctx, live.NewBoard(), "mlp", []string{"Device: cpu"}))
	require.True(t, s.Up())
	t.Cleanup(func() { s.Close() })
	return s, out, people
}

func eventually(t *testing.T, terminal tcell.Screen, shown string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(text(terminal), shown) }, 10*time.Second, 10*time.Millisecond, "%q", shown)
}

func TestScreen(t *testing.T) {
	terminal := tcell.NewSimulationScreen("UTF-8")
	s, out, people := started(t, t.Context(), terminal, nil)
	eventually(t, terminal, "before the first step")
	s.Show(Now{Epoch: 3, Epochs: 9, Step: 1, Steps: 4, Left: "3s left", Figures: []string{"loss 0.250"}})
	eventually(t, terminal, "loss 0.250")
	require.Contains(t, text(terminal), "Epoch 3/9  step 1/4   25% ██")
	fmt.Fprintln(s.Out, "Epoch 2/9: 7.0 s")
	fmt.Fprintln(s.People, "a picture is damaged\x07")
	eventually(t, terminal, "Epoch 2/9: 7.0 s\na picture is damaged?")
	terminal.SetSize(30, 10)
	eventually(t, terminal, "needs 76 x 16\nthe training goes on")
	terminal.SetSize(200, 60)
	eventually(t, terminal, "step 1/4   25% "+strings.Repeat("█", 36))
	terminal.InjectKey(tcell.KeyRune, 'x', tcell.ModNone) // means nothing
	terminal.InjectKey(tcell.KeyCtrlZ, 0, tcell.ModNone)  // likewise
	time.Sleep(2 * between)
	require.True(t, s.Up())
	require.Empty(t, out.String()+people.String())

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	require.False(t, s.Up())
	require.Equal(t, "Epoch 2/9: 7.0 s\n", out.String())
	require.Equal(t, "a picture is damaged\x07\n", people.String())
	fmt.Fprint(s.Out, "after")
	require.Equal(t, "Epoch 2/9: 7.0 s\nafter", out.String())
}

// Both keys interrupt once, and the terminal is free at once: another Ctrl+C is a signal then.
func TestKeys(t *testing.T) {
	for _, key := range []*tcell.EventKey{tcell.NewEventKey(tcell.KeyRune, 'q', tcell.ModNone), tcell.NewEventKey(tcell.KeyCtrlC, 0, tcell.ModCtrl)} {
		t.Run(key.Name(), func(t *testing.T) {
			terminal, calls := tcell.NewSimulationScreen("UTF-8"), 0
			s, out, _ := started(t, t.Context(), terminal, func() { calls++ })
			fmt.Fprint(s.Out, "line")
			terminal.InjectKey(key.Key(), key.Rune(), key.Modifiers())
			terminal.InjectKey(key.Key(), key.Rune(), key.Modifiers())
			require.Eventually(t, func() bool { return !s.Up() }, 10*time.Second, time.Millisecond)
			require.Equal(t, 1, calls)
			require.Equal(t, "line", out.String())
		})
	}
}

// An interrupt from outside ends the screen, however many keys are pressed meanwhile.
func TestInterruptedScreen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	terminal := tcell.NewSimulationScreen("UTF-8")
	s, _, _ := started(t, ctx, terminal, nil)
	go func() {
		for range 1000 {
			terminal.InjectKey(tcell.KeyRune, 'x', tcell.ModNone)
		}
	}()
	cancel()
	require.Eventually(t, func() bool { return !s.Up() }, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Close())
}

// A result that nobody got is a failure.
func TestScreenOutputFails(t *testing.T) {
	s := newScreen(tcell.NewSimulationScreen("UTF-8"), full{}, full{}, nil)
	require.NoError(t, s.Start(t.Context(), live.NewBoard(), "mlp", nil))
	fmt.Fprint(s.Out, "line")
	require.EqualError(t, s.Close(), "no space left")
}

// faulty is a terminal that cannot begin, or a mistake of the screen's own.
type faulty struct {
	tcell.SimulationScreen
	begin error
}

func (f *faulty) Init() error {
	if f.begin != nil {
		return f.begin
	}
	return f.SimulationScreen.Init()
}
func (f *faulty) EventQ() chan tcell.Event {
	return f.SimulationScreen.(interface{ EventQ() chan tcell.Event }).EventQ()
}
func (f *faulty) Show() { panic("index out of range") }

func TestNoTerminal(t *testing.T) {
	s := newScreen(&faulty{tcell.NewSimulationScreen("UTF-8"), errors.New("no such device")}, nil, nil, nil)
	require.EqualError(t, s.Start(t.Context(), live.NewBoard(), "mlp", nil), "terminal: no such device")
	require.False(t, s.Up())
	require.NoError(t, s.Close())
}

// A mistake in the screen costs the screen, and nothing that was written.
func TestMistake(t *testing.T) {
	s, out, people := started(t, t.Context(), &faulty{tcell.NewSimulationScreen("UTF-8"), nil}, nil)
	fmt.Fprint(s.Out, "line")
	require.Eventually(t, func() bool { return !s.Up() }, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Close())
	require.Equal(t, "line", out.String())
	require.Regexp(t, `^the screen has failed, and lines follow: index out of range\n(?s:.*)faulty`, people.String())
}

func TestTerminalNames(t *testing.T) {
	t.Setenv("TERM", "dumb")
	_, err := New(nil, nil, nil)
	require.EqualError(t, err, "the terminal cannot place characters (TERM is dumb)")
}
