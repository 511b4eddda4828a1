package tui

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gdamore/tcell/v2"

	"fovea/cmd/internal/live"
)

// between is the time between two pictures of the screen. One of 200 x 60 cells takes 2 ms.
const between = 200 * time.Millisecond

// Screen shows a training from Start to Close.
type Screen struct {
	// Out and People take what a program writes without a screen. It comes to where it belongs when the screen is gone.
	Out, People io.Writer

	log       *log
	interrupt func()
	terminal  tcell.Screen

	mu  sync.Mutex
	now Now

	started atomic.Bool
	end     sync.Once
	stop    chan struct{} // closed when the screen shall end
	ended   chan struct{} // closed when it has
	err     error         // of writing what was held back, once it has
}

// New is a screen on the terminal of this process, or an error that says why there is none. The keys q and Ctrl+C call interrupt.
func New(out, people io.Writer, interrupt func()) (*Screen, error) {
	t, err := terminal()
	if err != nil {
		return nil, err
	}
	return newScreen(t, out, people, interrupt), nil
}

func newScreen(t tcell.Screen, out, people io.Writer, interrupt func()) *Screen {
	held := &log{}
	return &Screen{Out: held.to(out), People: held.to(people), log: held, interrupt: interrupt, terminal: t,
		stop: make(chan struct{}), ended: make(chan struct{})}
}

// Start takes the whole terminal, once, and shows the last run of a board, until Close or until ctx is cancelled: what an
// interrupted training still does is soon over, and the next interrupt must find a terminal that is as it was.
func (s *Screen) Start(ctx context.Context, board *live.Board, title string, facts []string) error {
	s.started.Store(true)
	if err := s.terminal.Init(); err != nil {
		close(s.ended)
		return fmt.Errorf("terminal: %w", err)
	}
	s.log.hold()
	asciiCurves(s.terminal)
	v := &view{title: plain(title)}
	for _, fact := range facts {
		v.facts = append(v.facts, plain(fact))
	}
	go s.run(ctx, board.Watch(), v)
	return nil
}

// Up says whether the terminal is the screen's.
func (s *Screen) Up() bool {
	select {
	case <-s.ended:
		return false
	default:
		return s.started.Load()
	}
}

// Show notes where the training is, and does not wait for the terminal.
func (s *Screen) Show(n Now) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = n
}

// Close gives the terminal back as it was, and writes what was held back. It may be called more than once, and by many.
func (s *Screen) Close() error {
	if !s.started.Load() {
		return nil
	}
	s.end.Do(func() { close(s.stop) })
	<-s.ended
	return s.err
}

// run draws until the end. A mistake in it ends the screen, and the training goes on.
func (s *Screen) run(ctx context.Context, watch *live.Watch, v *view) {
	defer close(s.ended)
	defer func() { s.err = s.log.release() }()
	defer func() {
		if mistake := recover(); mistake != nil {
			fmt.Fprintf(s.People, "the screen has failed, and lines follow: %v\n%s", mistake, debug.Stack())
		}
	}()
	events := s.terminal.(interface{ EventQ() chan tcell.Event }).EventQ() // of all of tcell's own screens
	defer s.leave(events)
	clock := time.NewTicker(between)
	defer clock.Stop()
	resized := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stop:
			return
		case <-clock.C:
			s.draw(watch, v)
			if resized { // the terminal may have lost or moved what was on it
				s.terminal.Sync()
			} else {
				s.terminal.Show()
			}
			resized = false
		case event := <-events:
			switch e := event.(type) {
			case *tcell.EventResize:
				resized = true
			case *tcell.EventKey:
				if e.Key() == tcell.KeyCtrlC || e.Key() == tcell.KeyRune && e.Rune() == 'q' {
					s.interrupt()
					return
				}
			}
		}
	}
}

func (s *Screen) draw(watch *live.Watch, v *view) {
	for _, c := range watch.Changes() {
		v.change(c)
	}
	s.mu.Lock()
	v.now = s.now
	s.mu.Unlock()
	_, height := s.terminal.Size()
	v.tail = s.log.tail(height / 6)
	v.draw(s.terminal)
}

// leave ends the terminal's screen. Events are taken as long as that lasts: what reads them would wait for room, and be waited for.
func (s *Screen) leave(events <-chan tcell.Event) {
	left := make(chan struct{})
	defer close(left)
	go func() {
		for {
			select {
			case <-events:
			case <-left:
				return
			}
		}
	}()
	s.terminal.Fini()
}
