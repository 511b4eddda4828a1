// Package infer computes a trained network on samples: an [Evaluator] on one batch after another, a [Batcher] for many
// callers at once, whose samples share batches, on one or more replicas of it.
package infer
