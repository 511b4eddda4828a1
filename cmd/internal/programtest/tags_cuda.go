//go:build cuda

package programtest

const tags = "cuda"
