// Package inference is what cmd/predict says of its inputs, and the HTTP server that says it to whoever asks.
package inference
