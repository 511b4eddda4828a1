// Package extending has a layer, an operation, a loss, a data set, a transform and a callback of one's own, as docs/extending.md
// shows them.
package extending
