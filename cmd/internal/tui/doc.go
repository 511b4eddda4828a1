// Package tui shows a training on the whole of a terminal: where it is, and the curves of its losses and accuracies.
package tui
