package isa

import "golang.org/x/sys/cpu"

// x/sys/cpu asks the operating system too, whether it saves the wide registers.
func init() {
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA {
		present = append([]Set{AVX2}, present...)
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
			present = append([]Set{AVX512}, present...)
			if x.HasAMXTile && x.HasAMXBF16 && tilesAllowed() {
				present = append([]Set{AMX}, present...)
			}
		}
	}
}
