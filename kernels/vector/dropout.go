package vector

import "fovea/device/philox"

// Dropout says what is dropped: elements whose number of the stream is below Threshold become 0, the others are multiplied
// by Factor.
type Dropout struct {
	Threshold uint32
	Factor    float32
	stream    philox.Stream
	keys      [20]uint32 // of the ten rounds
}

// NewDropout prepares a stream.
func NewDropout(stream philox.Stream, threshold uint32, factor float32) *Dropout {
	d := &Dropout{Threshold: threshold, Factor: factor, stream: stream}
	key := [2]uint32{uint32(stream.Seed), uint32(stream.Seed >> 32)}
	for round := range len(d.keys) / 2 {
		d.keys[2*round], d.keys[2*round+1] = key[0], key[1]
		key[0] += weyl0
		key[1] += weyl1
	}
	return d
}

// What a round adds to Philox's key.
const (
	weyl0 = 0x9E3779B9
	weyl1 = 0xBB67AE85
)

func (d *Dropout) apply(v float32, number uint32) float32 {
	if number < d.Threshold {
		return 0
	}
	return v * d.Factor
}

func (d *Dropout) generic(y, x []float32, first int) {
	x = x[:len(y)]
	for i := 0; i < len(y); i += 4 {
		numbers := d.stream.Four(uint64(first+i) / 4)
		for j := i; j < min(i+4, len(y)); j++ {
			y[j] = d.apply(x[j], numbers[j-i])
		}
	}
}

func (d *Dropout) genericLanes(y, x []float32, first, step int) {
	x = x[:len(y)]
	for lane := range Lanes {
		number := first + lane*step
		numbers := d.stream.Four(uint64(number) / 4)
		for i := lane; i < len(y); i += Lanes {
			y[i] = d.apply(x[i], numbers[number%4])
			if number++; number%4 == 0 {
				numbers = d.stream.Four(uint64(number) / 4)
			}
		}
	}
}
