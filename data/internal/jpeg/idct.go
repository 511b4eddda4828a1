package jpeg

// The constants of the transform, times 2^13.
const (
	c0298 = 2446
	c0390 = 3196
	c0541 = 4433
	c0765 = 6270
	c0899 = 7373
	c1175 = 9633
	c1501 = 12299
	c1847 = 15137
	c1961 = 16069
	c2053 = 16819
	c2562 = 20995
	c3072 = 25172

	constBits = 13
	passBits  = 2 // kept between the columns and the rows
)

// flat writes a block of one value.
func flat(dc int32, to []uint64, stride int) {
	four := uint64(clamp((dc+4)>>3+128)) * 0x0001000100010001
	for y := range 8 {
		row := to[y*stride:][:2]
		row[0], row[1] = four, four
	}
}

func clamp(v int32) uint32 {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint32(v)
}

// inverse writes the block that the coefficients stand for: columns, then rows.
func inverse(b *[64]int32, to []uint64, stride int) {
	for x := range 8 {
		b1, b2, b3, b4, b5, b6, b7 := b[x+8], b[x+16], b[x+24], b[x+32], b[x+40], b[x+48], b[x+56]
		if b1|b2|b3|b4|b5|b6|b7 == 0 {
			dc := b[x] << passBits
			b[x], b[x+8], b[x+16], b[x+24], b[x+32], b[x+40], b[x+48], b[x+56] = dc, dc, dc, dc, dc, dc, dc, dc
			continue
		}
		const round, shift = 1 << (constBits - passBits - 1), constBits - passBits
		z1 := (b2 + b6) * c0541
		t2, t3 := z1-b6*c1847, z1+b2*c0765
		t0, t1 := (b[x]+b4)<<constBits+round, (b[x]-b4)<<constBits+round
		e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2
		o0, o1, o2, o3 := odd(b1, b3, b5, b7)
		b[x], b[x+56] = (e0+o3)>>shift, (e0-o3)>>shift
		b[x+8], b[x+48] = (e1+o2)>>shift, (e1-o2)>>shift
		b[x+16], b[x+40] = (e2+o1)>>shift, (e2-o1)>>shift
		b[x+24], b[x+32] = (e3+o0)>>shift, (e3-o0)>>shift
	}
	for y := range 8 {
		r := (*[8]int32)(b[8*y:])
		const shift = constBits + passBits + 3
		const round = 1<<(shift-1) + 128<<shift // grey is 0
		z1 := (r[2] + r[6]) * c0541
		t2, t3 := z1-r[6]*c1847, z1+r[2]*c0765
		t0, t1 := (r[0]+r[4])<<constBits+round, (r[0]-r[4])<<constBits+round
		e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2
		o0, o1, o2, o3 := odd(r[1], r[3], r[5], r[7])
		row := to[y*stride:][:2]
		row[0] = uint64(clamp((e0+o3)>>shift)) | uint64(clamp((e1+o2)>>shift))<<16 | uint64(clamp((e2+o1)>>shift))<<32 | uint64(clamp((e3+o0)>>shift))<<48
		row[1] = uint64(clamp((e3-o0)>>shift)) | uint64(clamp((e2-o1)>>shift))<<16 | uint64(clamp((e1-o2)>>shift))<<32 | uint64(clamp((e0-o3)>>shift))<<48
	}
}

// odd is the half of the transform that has coefficients 1, 3, 5 and 7.
func odd(b1, b3, b5, b7 int32) (o0, o1, o2, o3 int32) {
	z5 := (b7 + b3 + b5 + b1) * c1175
	z3, z4 := z5-(b7+b3)*c1961, z5-(b5+b1)*c0390
	z1, z2 := -(b7+b1)*c0899, -(b5+b3)*c2562
	return b7*c0298 + z1 + z3, b5*c2053 + z2 + z4, b3*c3072 + z2 + z3, b1*c1501 + z1 + z4
}
