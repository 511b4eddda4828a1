package amd64

// Piece is the smaller of n, what is left to do, and most, what one call of assembly may do. A loop that cuts work into
// pieces asks it for each, because the scheduler can stop a goroutine at the start of a Go function whose frame is large
// enough for a check of the stack, and nowhere in a loop that spends its time in assembly: the signals that should stop it
// nearly always come there, where they have no effect.
//
//go:noinline
func Piece(n, most int) int {
	var frame [256]byte // beyond what functions may use unchecked
	return min(n, most) + int(frame[n&255])
}
