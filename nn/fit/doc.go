// Package fit trains a network on batches and measures it.
//
// [Trainer.Run] is the whole loop: for each epoch, for each batch, forward, loss, backward, update; then the validation
// set. Cancelling its context stops it after the step at work. A loss that is not a number stops it with a
// [DivergedError], which names the step and the layer, and puts the last weights known to be good back: those with which
// a finite loss has been computed. An epoch's last weights are tried once more before OnEpoch may keep them.
//
// docs/training.md has what else it can do: schedules of the learning rate and finding one, early stopping, smoothed labels,
// weights of classes, clipped gradients, batches in parts, the average of the weights. [Trainer.OnCheckpoint] gives out what it
// takes to go on after a stop of any kind, [Trainer.Resume] takes it: docs/checkpoints.md.
package fit
