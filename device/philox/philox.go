package philox

import (
	"math"
	"runtime"
	"sync"
)

const (
	multiplier0 = 0xD2511F53
	multiplier1 = 0xCD9E8D57
	weyl0       = 0x9E3779B9
	weyl1       = 0xBB67AE85
	rounds      = 10
)

// Block is the bijection itself: ten rounds on a 128-bit counter under a 64-bit key.
func Block(key [2]uint32, ctr [4]uint32) [4]uint32 {
	a, b, c, d := block(key[0], key[1], ctr[0], ctr[1], ctr[2], ctr[3])
	return [4]uint32{a, b, c, d}
}

// block keeps its numbers in registers: an array of four is copied by one load, which waits for the four stores before it.
func block(k, l, a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	for range rounds {
		p, q := uint64(a)*multiplier0, uint64(c)*multiplier1
		a, b, c, d = uint32(q>>32)^b^k, uint32(q), uint32(p>>32)^d^l, uint32(p)
		k += weyl0
		l += weyl1
	}
	return a, b, c, d
}

// Stream names one sequence of random numbers.
type Stream struct {
	Seed uint64
	ID   uint64
}

// Four returns numbers 4i to 4i+3 of the stream: the counter is (i, ID), low words first.
func (s Stream) Four(i uint64) [4]uint32 {
	a, b, c, d := s.four(i)
	return [4]uint32{a, b, c, d}
}

func (s Stream) four(i uint64) (uint32, uint32, uint32, uint32) {
	return block(uint32(s.Seed), uint32(s.Seed>>32), uint32(i), uint32(i>>32), uint32(s.ID), uint32(s.ID>>32))
}

// Sub derives a stream for a part of what s stands for: stream ID is the hash of the two words by the generator itself.
func (s Stream) Sub(a, b uint64) Stream {
	k := s.ID ^ 0x5DEECE66D
	r := Block([2]uint32{uint32(k), uint32(k >> 32)}, [4]uint32{uint32(a), uint32(a >> 32), uint32(b), uint32(b >> 32)})
	return Stream{Seed: s.Seed, ID: uint64(r[0]) | uint64(r[1])<<32}
}

// Source reads a stream from its beginning. It is not safe for concurrent use.
type Source struct {
	stream Stream
	next   uint64
	block  [4]uint32
}

// NewSource returns a reader at position 0 of s.
func NewSource(s Stream) *Source { return &Source{stream: s} }

// Uint32 returns the next number of the stream.
func (s *Source) Uint32() uint32 {
	lane := s.next & 3
	if lane == 0 {
		s.block[0], s.block[1], s.block[2], s.block[3] = s.stream.four(s.next >> 2)
	}
	s.next++
	return s.block[lane]
}

// Float64 returns a number in [0, 1) with 32 random bits.
func (s *Source) Float64() float64 { return float64(s.Uint32()) / (1 << 32) }

// Uniform returns a number in [low, high).
func (s *Source) Uniform(low, high float64) float64 { return low + (high-low)*s.Float64() }

// Normal returns a normally distributed number (Box and Muller, 1958; the cosine branch only, two numbers a draw).
func (s *Source) Normal(mean, deviation float64) float64 {
	return mean + deviation*normal(s.Uint32(), s.Uint32())
}

func normal(radius, angle uint32) float64 {
	u, v := (float64(radius)+0.5)/(1<<32), float64(angle)/(1<<32)
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
}

// Normals fills dst with what as many calls of Normal return. A number depends on its position alone, so processors share
// the work.
func (s *Source) Normals(dst []float32, mean, deviation float64) {
	workers := max(1, min(runtime.GOMAXPROCS(0), len(dst)/normalsOfWorker))
	var others sync.WaitGroup
	for worker := range workers {
		from, to := len(dst)*worker/workers, len(dst)*(worker+1)/workers
		part := s.after(2 * uint64(from))
		others.Go(func() {
			part.normals(dst[from:to], mean, deviation)
		})
	}
	others.Wait()
	*s = *s.after(2 * uint64(len(dst)))
}

func (s *Source) normals(dst []float32, mean, deviation float64) {
	for len(dst) > 1 && s.next&3 == 0 {
		a, b, c, d := s.stream.four(s.next >> 2)
		dst[0], dst[1] = float32(mean+deviation*normal(a, b)), float32(mean+deviation*normal(c, d))
		s.next += 4
		dst = dst[2:]
	}
	for i := range dst {
		dst[i] = float32(s.Normal(mean, deviation))
	}
}

// normalsOfWorker are as many as take a hundred times longer than starting a goroutine.
const normalsOfWorker = 4096

// after is a reader that has read so many numbers more.
func (s *Source) after(count uint64) *Source {
	at := &Source{stream: s.stream, next: s.next + count}
	if at.next&3 != 0 {
		at.block = s.stream.Four(at.next >> 2)
	}
	return at
}

// Intn returns a number in [0, n) without bias (Lemire 2019, rejection of the short interval). n must be in 1..2^32-1.
func (s *Source) Intn(n int) int {
	if n <= 0 || n > math.MaxUint32 {
		panic("philox: Intn of a number outside 1..2^32-1")
	}
	bound := uint32(n)
	threshold := -bound % bound
	for {
		product := uint64(s.Uint32()) * uint64(bound)
		if uint32(product) >= threshold {
			return int(product >> 32)
		}
	}
}

// Perm returns a random order of 0..n-1 (Fisher and Yates, from the end).
func (s *Source) Perm(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := s.Intn(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
