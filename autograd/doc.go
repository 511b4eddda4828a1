// Package autograd records what a network computes and runs it backwards.
//
// A [Tape] is define-by-run: functions such as [Conv2D] compute at once and note how to send the gradient back;
// [Tape.Backward] then walks the notes from the last to the first (reverse accumulation, Linnainmaa 1970). The tape owns
// every value and gradient made while it records. It gives each back to the device's pool as soon as the walk has passed
// it, and the rest with Reset; parameters (see [NewParameter]) belong to their maker and outlive it.
//
// Functions return no error, so that a network reads like its formula: the first failure stays on the tape, everything
// after it does nothing, and [Tape.Err], Backward and reading a value report it.
package autograd
