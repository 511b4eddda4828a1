// Package tensorboard writes event files that TensorBoard reads: numbers, texts, pictures and histograms by step, while a
// training runs.
package tensorboard
