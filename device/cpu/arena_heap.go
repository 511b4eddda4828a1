//go:build !linux || race

package cpu

// mapped returns n bytes of Go's heap. (The race detector watches no other memory.)
func mapped(n int) (memory []byte, giveUp func() error, err error) {
	return aligned(make([]byte, n+cacheLine), n, cacheLine), func() error { return nil }, nil
}
