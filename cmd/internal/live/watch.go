package live

// Watch is somebody in this process who looks at a board now and then, as a page does.
type Watch struct {
	board   *Board
	cursors map[int]cursor
}

// Watch begins to look: the first Changes are all that there is.
func (b *Board) Watch() *Watch { return &Watch{b, map[int]cursor{}} }

// Changes is what came since the last call, a Change for each run that has any.
func (w *Watch) Changes() []Change {
	changes, _ := w.board.since(w.cursors)
	return changes
}
