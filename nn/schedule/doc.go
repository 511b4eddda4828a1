// Package schedule says with which learning rate each update of a training is made: step, exponential, cosine, one-cycle
// and plateau, each with a linear warm-up. A rate depends on nothing but the place in the training and the validation
// losses so far, so that a training that is resumed goes on with the same rates.
package schedule
