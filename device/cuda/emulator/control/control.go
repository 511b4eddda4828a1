//go:build cuda

package control

// #cgo LDFLAGS: -ldl
// #define _GNU_SOURCE
// #include <dlfcn.h>
// #include <stdlib.h>
//
// static int (*do_command)(const char *);
// static unsigned long long (*counter)(const char *);
// static int (*report)(char *, size_t);
//
// // The emulator is whichever libcuda.so.1 the program was linked with and the loader found; nothing else is opened.
// static int find(void) {
//     void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
//     if (!lib) return 0;
//     do_command = (int (*)(const char *))dlsym(lib, "emu_control");
//     counter = (unsigned long long (*)(const char *))dlsym(lib, "emu_counter");
//     report = (int (*)(char *, size_t))dlsym(lib, "emu_report");
//     return do_command && counter && report;
// }
// static int call_command(const char *text) { return do_command(text); }
// static unsigned long long call_counter(const char *name) { return counter(name); }
// static int call_report(char *text, size_t bytes) { return report(text, bytes); }
import "C"

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

// ErrAbsent says that the driver of this process is not the emulated one.
var ErrAbsent = errors.New("emulated GPU: libcuda.so.1 is not the emulator's (run with LD_LIBRARY_PATH=device/cuda/emulator/build)")

// hidden names an environment variable: where it is set, tests take the emulated GPU for a real one.
const hidden = "FOVEA_EMU_HIDDEN"

var found = sync.OnceValue(func() bool { return os.Getenv(hidden) == "" && C.find() != 0 })

// Present reports whether the process runs on the emulated GPU.
func Present() bool { return found() }

// Do carries out a command, such as "fail-alloc 3".
func Do(command string) error {
	if !Present() {
		return ErrAbsent
	}
	text := C.CString(command)
	defer C.free(unsafe.Pointer(text))
	if C.call_command(text) != 0 {
		return fmt.Errorf("emulated GPU: command not understood: %q", command)
	}
	return nil
}

// Counter answers a counter, such as "launches"; one that nothing has counted, or without the emulator, is 0.
func Counter(name string) uint64 {
	if !Present() {
		return 0
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return uint64(C.call_counter(text))
}

// Reset sets every counter to 0 and takes back all injected faults.
func Reset() {
	for _, command := range []string{"reset-counters", "clear-faults"} {
		_ = Do(command) // fails only without the emulator, and then there is nothing to reset
	}
}

// Report says what is wrong now: rules broken and not announced, and everything that was not released. It is empty when all
// is well.
func Report() string {
	if !Present() {
		return ""
	}
	const room = 64 << 10
	text := (*C.char)(C.calloc(1, room))
	defer C.free(unsafe.Pointer(text))
	C.call_report(text, room)
	return C.GoString(text)
}

// Main is what TestMain of a package with device tests calls: it runs them and fails if the emulator has something to report.
// It is needed because a Go program ends without the C library's exit, where the emulator would report by itself.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if text := Report(); text != "" {
		fmt.Fprintf(os.Stderr, "emulated GPU: at the end of the tests:\n%s", text)
		if code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}
