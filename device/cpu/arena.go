package cpu

import (
	"fmt"
	"math/bits"
	"slices"
	"unsafe"

	"fovea/device"
)

// arena hands out pieces of one endless range of addresses, always the first free one that is large enough, and merges what
// comes back with its neighbours. Which piece that is depends on what is free alone, not on how much of the range has memory
// behind it yet: so a step that starts from the same tensors as the step before takes the same pieces, and asks the system
// for nothing. (Of a training step of ResNet-50, first fit holds no more than the most that lives at once.)
//
// Memory is laid behind the range in segments, each as long as all before it, when they are first used; a piece lies in one
// segment. What is mapped but was never used costs nothing.
type arena struct {
	first    int // bytes in the first segment, a power of two
	segments []segment
	free     []extent // by address; two touch only where segments meet
}

type segment struct {
	memory []byte // nil as long as nothing of it was used
	used   int    // bytes from its start that have been
	giveUp func() error
}

// extent is the addresses [from, to).
type extent struct{ from, to int }

// cacheLine is what pieces are multiples of and aligned to: a line of the cache, a vector of any instruction set.
const cacheLine = 64

// page is the least that a system gives.
const page = 4096

// limit is more than any machine has.
const limit = 1 << 46

// place is where segment number i lies.
func (a *arena) place(i int) extent {
	if i == 0 {
		return extent{0, a.first}
	}
	return extent{a.first << (i - 1), a.first << i}
}

// segmentAt is its inverse.
func (a *arena) segmentAt(address int) int { return bits.Len(uint(address / a.first)) }

// take finds n bytes and returns their place and memory.
func (a *arena) take(n int, stats *device.Stats) (extent, unsafe.Pointer, error) {
	if n > limit {
		return extent{}, nil, fmt.Errorf("cpu: a tensor of %d bytes", n)
	}
	i := slices.IndexFunc(a.free, func(s extent) bool { return s.to-s.from >= n })
	for i < 0 {
		next := a.place(len(a.segments))
		a.segments, a.free = append(a.segments, segment{}), append(a.free, next)
		if next.to-next.from >= n {
			i = len(a.free) - 1
		}
	}
	at := extent{a.free[i].from, a.free[i].from + n}
	number := a.segmentAt(at.from)
	s, start := &a.segments[number], a.place(number)
	if s.memory == nil {
		memory, giveUp, err := mapped(start.to - start.from)
		if err != nil {
			return extent{}, nil, fmt.Errorf("cpu: no memory for a tensor of %d bytes: %w", n, err)
		}
		s.memory, s.giveUp = memory, giveUp
	}
	if a.free[i].from = at.to; at.to == a.free[i].to {
		a.free = slices.Delete(a.free, i, i+1)
	}
	if end := (at.to - start.from + page - 1) / page * page; end > s.used {
		stats.SystemAllocations++
		stats.SystemBytes += int64(end - s.used)
		s.used = end
	}
	return at, unsafe.Pointer(&s.memory[at.from-start.from]), nil
}

// give takes a piece back.
func (a *arena) give(piece extent) {
	i, _ := slices.BinarySearchFunc(a.free, piece.from, func(s extent, from int) int { return s.from - from })
	segment := a.segmentAt(piece.from)
	before := i > 0 && a.free[i-1].to == piece.from && a.segmentAt(a.free[i-1].from) == segment
	after := i < len(a.free) && a.free[i].from == piece.to && a.segmentAt(piece.to) == segment
	switch {
	case before && after:
		a.free[i-1].to = a.free[i].to
		a.free = slices.Delete(a.free, i, i+1)
	case before:
		a.free[i-1].to = piece.to
	case after:
		a.free[i].from = piece.from
	default:
		a.free = slices.Insert(a.free, i, piece)
	}
}

// close gives all memory back to the system.
func (a *arena) close(stats *device.Stats) error {
	for _, s := range a.segments {
		if s.memory == nil {
			continue
		}
		if err := s.giveUp(); err != nil {
			return fmt.Errorf("cpu: giving memory back: %w", err)
		}
		stats.SystemBytes -= int64(s.used)
	}
	a.segments, a.free = nil, nil
	return nil
}

// aligned cuts n bytes that start at a multiple of alignment out of memory that is at least alignment-1 bytes longer.
func aligned(memory []byte, n, alignment int) []byte {
	past := int(uintptr(unsafe.Pointer(unsafe.SliceData(memory))) % uintptr(alignment))
	return memory[(alignment-past)%alignment:][:n:n]
}
