//go:build !cuda

package programtest

// tags are the build tags of the tests, which Build passes on.
const tags = ""
