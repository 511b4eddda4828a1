package device

// Capturer is a device's offer to take down all the work of a step and start it at once, instead of piece by piece.
type Capturer interface {
	// Capture runs step, whose work is not done while it runs but when Capture returns, as one launch. Step must not read
	// anything back. After an error from step or from the device nothing of it has been done.
	Capture(step func() error) error
}
