package philox

import "math"

const (
	multiplier0 = 0xD2511F53
	multiplier1 = 0xCD9E8D57
	weyl0       = 0x9E3779B9
	weyl1       = 0xBB67AE85
	rounds      = 10
)

// Block is the bijection itself: ten rounds on a 128-bit counter under a 64-bit key.
func Block(key [2]uint32, ctr [4]uint32) [4]uint32 {
	for range rounds {
		p0 := uint64(ctr[0]) * multiplier0
		p1 := uint64(ctr[2]) * multiplier1
		ctr = [4]uint32{uint32(p1>>32) ^ ctr[1] ^ key[0], uint32(p1), uint32(p0>>32) ^ ctr[3] ^ key[1], uint32(p0)}
		key[0] += weyl0
		key[1] += weyl1
	}
	return ctr
}

// Stream names one sequence of random numbers.
type Stream struct {
	Seed uint64
	ID   uint64
}

// Four returns numbers 4i to 4i+3 of the stream: the counter is (i, ID), low words first.
func (s Stream) Four(i uint64) [4]uint32 {
	return Block([2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)},
		[4]uint32{uint32(i), uint32(i >> 32), uint32(s.ID), uint32(s.ID >> 32)})
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
		s.block = s.stream.Four(s.next >> 2)
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
	u := (float64(s.Uint32()) + 0.5) / (1 << 32)
	v := s.Float64()
	return mean + deviation*math.Sqrt(-2*math.Log(u))*math.Cos(2*math.Pi*v)
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
