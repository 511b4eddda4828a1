// Package control drives the emulated GPU from tests: it counts what a device did, injects faults and announces planted
// bugs. It is for tests only. With another libcuda.so.1 than the emulator's (a real driver, or none) Present answers
// false and everything else does nothing. Built with the tag cuda.
//
// The commands and the counters are listed in device/cuda/emulator/README.md.
package control
