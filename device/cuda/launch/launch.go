package launch

import (
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/device"
)

// Type is how the elements of an activation are stored.
type Type int

// The storage types.
const (
	F32 Type = iota
	BF16
)

func (t Type) String() string { return [...]string{"f32", "bf16"}[t] }

// Bytes is the size of an element.
func (t Type) Bytes() int { return [...]int{4, 2}[t] }

// pack is how many elements a thread moves at a time: 16 bytes.
func (t Type) pack() int { return 16 / t.Bytes() }

// Launch is one kernel launch. Args are the parameters packed as the kernel expects them, each at its own alignment
// (CU_LAUNCH_PARAM_BUFFER_POINTER). One with an empty grid has nothing to do and must not be made.
type Launch struct {
	Kernel      string
	Grid, Block [3]uint32
	Shared      uint32 // bytes of dynamic shared memory
	Args        []byte
}

// Empty says whether there is nothing to do.
func (l Launch) Empty() bool { return l.Grid[0] == 0 || l.Grid[1] == 0 || l.Grid[2] == 0 }

// threads is the size of a block: THREADS of storage.cuh.
const threads = 256

// launch makes a launch of blocks of the usual size.
func launch(kernel string, grid [2]int, args ...argument) Launch {
	l := Launch{Kernel: kernel, Grid: [3]uint32{uint32(grid[0]), uint32(grid[1]), 1}, Block: [3]uint32{threads, 1, 1}}
	size := 0
	for _, a := range args {
		size = roundUp(size, a.align) + len(a.bytes)
	}
	l.Args = make([]byte, 0, size)
	for _, a := range args {
		l.Args = append(l.Args, make([]byte, roundUp(len(l.Args), a.align)-len(l.Args))...)
		l.Args = append(l.Args, a.bytes...)
	}
	return l
}

// argument is the memory of one parameter.
type argument struct {
	bytes []byte
	align int
}

// arg copies a number, or a struct of numbers that has the same layout in C.
func arg[T any](v T) argument {
	bytes := make([]byte, unsafe.Sizeof(v))
	copy(bytes, unsafe.Slice((*byte)(unsafe.Pointer(&v)), len(bytes)))
	return argument{bytes, int(unsafe.Alignof(v))}
}

func pointer(p uint64) argument { return arg(p) }
func long(n int) argument       { return arg(int64(n)) }
func integer(n int) argument    { return arg(int32(n)) }
func float(v float64) argument  { return arg(float32(v)) }

func flag(b bool) argument {
	if b {
		return integer(1)
	}
	return integer(0)
}

func ceil(n, by int) int    { return (n + by - 1) / by }
func roundUp(n, by int) int { return ceil(n, by) * by }

// powerOfTwo is the smallest that is at least n.
func powerOfTwo(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// packs is the grid of kernels that give each thread a pack of n elements.
func (t Type) packs(n int) [2]int { return [2]int{ceil(n, threads*t.pack()), 1} }

// lies reads a shape of rank 2 or more as [outer, channels, inner] in memory.
func lies(shape tensor.Shape) (outer, channels, inner int) {
	if len(shape) == 4 {
		return shape[0] * shape[2] * shape[3], shape[1], 1
	}
	return device.Channels(shape)
}

// inMemory gives the axes of a rank from the outermost in memory to the innermost.
func inMemory(rank int) []int {
	if rank == 4 {
		return []int{0, 2, 3, 1}
	}
	axes := make([]int, rank)
	for i := range axes {
		axes[i] = i
	}
	return axes
}

// strides are distances in elements, by logical axis.
func strides(shape tensor.Shape) []int {
	s, step := make([]int, len(shape)), 1
	axes := inMemory(len(shape))
	for i := len(axes) - 1; i >= 0; i-- {
		s[axes[i]] = step
		step *= shape[axes[i]]
	}
	return s
}
