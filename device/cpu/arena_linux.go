//go:build linux && !race

package cpu

import "golang.org/x/sys/unix"

// hugePage is the size of x86-64's and arm64's larger pages: fewer of them must be looked up, and fewer faults.
const hugePage = 2 << 20

// mapped returns n bytes that the system backs, in huge pages where it can, as they are first touched: outside of Go's heap,
// which would count them as garbage to be and clear them.
func mapped(n int) (memory []byte, giveUp func() error, err error) {
	region, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, err
	}
	memory = aligned(region, n, hugePage)
	if n >= hugePage {
		_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // a wish: some systems have none
	}
	return memory, func() error { return unix.Munmap(region) }, nil
}
