package isa

import "golang.org/x/sys/unix"

// tilesAllowed asks the system for AMX's registers, which it gives to programs that want them (Linux 5.16; Documentation/arch/x86/xstate.rst).
func tilesAllowed() bool {
	const requestPermission, tileData = 0x1023, 18
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return errno == 0
}
