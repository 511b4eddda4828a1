package live

import (
	"slices"
	"sync"

	"fovea/cmd/internal/runs"
)

// Board is the runs that are shown side by side. Its methods, and those of its runs, are safe for concurrent use.
type Board struct {
	mu      sync.Mutex
	runs    []*Run
	changed chan struct{} // closed at the next change
}

// NewBoard makes an empty one.
func NewBoard() *Board { return &Board{changed: make(chan struct{})} }

// Run is a training on a board.
type Run struct {
	board *Board
	name  string

	// What the board's lock guards.
	history  History
	epochs   []runs.Epoch
	done     *runs.Done
	progress *Progress
	problem  string // why the folder cannot be read any more
	written  int64  // when the folder was, in Unix seconds; 0: the run is at work in this process
	told     cursor // how much there is

	dir string // that Follow reads; "": none
}

// cursor is how much of a run somebody has seen.
type cursor struct {
	Rewritten             int // how often what had been said was not true any more
	Steps, Epochs         int
	Details, Now, Endings int // how often these changed
}

// Change is what came since somebody looked last. A page replaces what it has if Reset is set, and else adds to it.
type Change struct {
	Run      int          `json:"run"`
	Name     string       `json:"name"`
	Reset    bool         `json:"reset"`
	Start    *Start       `json:"start,omitempty"` // with Reset; without the samples' pictures
	Steps    []Step       `json:"steps"`
	Epochs   []runs.Epoch `json:"epochs"`
	Details  int          `json:"details"` // another number: there are others
	Progress *Progress    `json:"progress,omitempty"`
	Done     *runs.Done   `json:"done,omitempty"`
	End      *End         `json:"end,omitempty"`
	Problem  string       `json:"problem,omitempty"` // why the folder cannot be read any more
	Written  int64        `json:"written,omitempty"` // Unix seconds of the folder's last change; 0: the server is the training itself
}

// Look is what a page asks for apart, since it is large and shown of one run only.
type Look struct {
	Start   *Start   `json:"start"`
	Details []Detail `json:"details"`
}

// add puts a run on the board.
func (b *Board) add(name string) *Run {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Run{board: b, name: name}
	b.runs = append(b.runs, r)
	b.ring()
	return r
}

// ring wakes those that wait for a change. The lock is held.
func (b *Board) ring() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// since is what changed in all runs, and a channel that is closed when there is more. It moves the cursors on.
func (b *Board) since(cursors map[int]cursor) (changes []Change, more <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range b.runs {
		seen, known := cursors[i]
		if !known || seen != r.told {
			changes = append(changes, r.since(i, seen, known))
			cursors[i] = r.told
		}
	}
	return changes, b.changed
}

func (r *Run) since(number int, seen cursor, known bool) Change {
	c := Change{Run: number, Name: r.name, Details: r.told.Details, Progress: r.progress, Done: r.done, End: r.history.End,
		Problem: r.problem, Written: r.written}
	if !known || seen.Rewritten != r.told.Rewritten {
		c.Reset, seen = true, cursor{}
		if s := r.history.Start; s != nil {
			light := *s
			light.Samples = nil
			c.Start = &light
		}
	}
	c.Steps = slices.Clone(r.history.Steps[seen.Steps:])
	c.Epochs = slices.Clone(r.epochs[seen.Epochs:])
	return c
}

// look is nil for a run that is not on the board.
func (b *Board) look(number int) *Look {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number < 0 || number >= len(b.runs) {
		return nil
	}
	h := &b.runs[number].history
	return &Look{h.Start, slices.Clone(h.Details)}
}

// change lets f change the run, and tells those that watch.
func (r *Run) change(f func()) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	f()
	r.told.Steps, r.told.Epochs = len(r.history.Steps), len(r.epochs)
	r.board.ring()
}

// addStep is History.addStep with what stands where.
func (r *Run) addStep(s Step, p Progress) {
	r.change(func() {
		if r.history.addStep(s) {
			r.told.Rewritten++
		}
		r.progress = &p
		r.told.Now++
	})
}

// addEpoch replaces a line of the same epoch, which was cut, and all after it.
func (r *Run) addEpoch(e runs.Epoch) {
	r.change(func() {
		for len(r.epochs) > 0 && r.epochs[len(r.epochs)-1].Epoch >= e.Epoch {
			r.epochs = r.epochs[:len(r.epochs)-1]
			r.told.Rewritten++
		}
		r.epochs = append(r.epochs, e)
	})
}
