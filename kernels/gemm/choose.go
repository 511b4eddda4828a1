package gemm

import "fovea/kernels/isa"

// kernels has one for each instruction set of this architecture.
var kernels = map[isa.Set]*Kernel{isa.Generic: {Name: "generic", MR: 4, NR: 4, lie: 512, tiles: []tiles{{4, 4, generic}}, skinny: genericSkinny}}

// For returns the kernel of an instruction set that this machine has.
func For(set isa.Set) *Kernel { return kernels[set] }
