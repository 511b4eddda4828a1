package extending

import (
	"errors"
	"fmt"
	"io"

	"fovea/nn/fit"
)

// ErrReached ends a training that is good enough.
var ErrReached = errors.New("the accuracy that was asked for is reached")

// StopAt is an OnEpoch that ends training once validation finds that share of the classes. Run then returns ErrReached, and
// the network has the weights of that epoch.
func StopAt(accuracy float64) func(fit.Epoch) error {
	return func(e fit.Epoch) error {
		if e.Validation != nil && e.Validation.Accuracy >= accuracy {
			return ErrReached
		}
		return nil
	}
}

// Log is an OnStep that writes where training stands, about ten times a second.
func Log(w io.Writer) func(fit.Progress) {
	return func(p fit.Progress) {
		fmt.Fprintf(w, "epoch %d of %d, step %d of %d: loss %.3f\n", p.Epoch, p.Epochs, p.Step, p.Steps, p.Train.Loss)
	}
}
