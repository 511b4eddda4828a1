package vector

import "fovea/kernels/amd64"

func dropout(f func(n int, y, x *float32, block, id uint64, keys *uint32, threshold uint32, factor float32)) func(d *Dropout, y, x []float32, first int) {
	return func(d *Dropout, y, x []float32, first int) {
		for x = x[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &x[0], uint64(first)/4, d.stream.ID, &d.keys[0], d.Threshold, d.Factor)
			y, x, first = y[n:], x[n:], first+n
		}
	}
}

// starts are where the channels of a block stand in the stream.
type starts struct {
	blocks  [Lanes]uint64 // in groups as large as a register: the even channels of the group, then the odd ones
	offsets [Lanes]uint32
}

func startsOf(first, step, group int) (s starts) {
	for lane := range Lanes {
		number := first + lane*step
		s.blocks[lane/group*group+lane%2*group/2+lane%group/2] = uint64(number) / 4
		s.offsets[lane] = uint32(number) % 4
	}
	return s
}

// after moves on by a multiple of 4 pixels.
func (s *starts) after(pixels int) {
	for i := range s.blocks {
		s.blocks[i] += uint64(pixels) / 4
	}
}

func dropoutLanesAVX512(d *Dropout, y, x []float32, first, step int) {
	s := startsOf(first, step, 16)
	for x = x[:len(y)]; len(y) >= Lanes; {
		n := amd64.Piece(len(y)/Lanes*Lanes, most)
		amd64.DropoutLanesAVX512(n/Lanes, &y[0], &x[0], &s.blocks[0], &s.offsets[0], d.stream.ID, &d.keys[0], d.Threshold, d.Factor)
		s.after(n / Lanes)
		y, x = y[n:], x[n:]
	}
}

func dropoutLanesAVX2(d *Dropout, y, x []float32, first, step int) {
	s := startsOf(first, step, 8)
	for x = x[:len(y)]; len(y) >= Lanes; {
		n := amd64.Piece(len(y)/Lanes*Lanes, most)
		for half := 0; half < Lanes; half += 8 {
			amd64.DropoutLanesAVX2(n/Lanes, &y[half], &x[half], &s.blocks[half], &s.offsets[half], d.stream.ID, &d.keys[0], d.Threshold, d.Factor)
		}
		s.after(n / Lanes)
		y, x = y[n:], x[n:]
	}
}
