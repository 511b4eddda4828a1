//go:build !amd64

package gemm

// call is nothing: plain Go takes arguments.
type call struct{}
