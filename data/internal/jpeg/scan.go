package jpeg

import (
	"bytes"
	"image"

	"fovea/data/internal/raster"
)

// margin is how far colour of half the resolution reaches beyond a rectangle, in pixels.
const margin = 2

// Decode decodes what is needed of the rectangle of the picture that Header has read. The planes belong to the decoder
// and hold until the next call of Decode.
func (d *Decoder) Decode(region image.Rectangle) (*raster.Planes, error) {
	across, down := 8*d.components[0].h, 8*d.components[0].v
	need := region.Inset(-margin).Intersect(image.Rect(0, 0, d.Width, d.Height))
	columns := (d.Width + across - 1) / across
	// In MCUs.
	part := image.Rect(need.Min.X/across, need.Min.Y/down, (need.Max.X+across-1)/across, (need.Max.Y+down-1)/down)
	d.planes.Reset(len(d.components) == 3, d.Width, d.Height)
	for i, c := range d.components {
		p := &d.planes.Plane[i]
		p.Across, p.Down = across/8/c.h, down/8/c.v
		p.Width, p.Height = (d.Width+p.Across-1)/p.Across, (d.Height+p.Down-1)/p.Down
		p.Grow(image.Rect(part.Min.X*8*c.h, part.Min.Y*8*c.v, part.Max.X*8*c.h, part.Max.Y*8*c.v))
		d.components[i].before = 0
	}
	in := bits{content: d.content[d.scan:]}
	var block [64]int32
	for my, done := 0, 0; my < part.Max.Y; my++ {
		for mx := range columns {
			if d.restart > 0 && done > 0 && done%d.restart == 0 {
				if err := in.skipMarker((done/d.restart - 1) % 8); err != nil {
					return nil, err
				}
				for i := range d.components {
					d.components[i].before = 0
				}
			}
			done++
			wanted := my >= part.Min.Y && mx >= part.Min.X && mx < part.Max.X
			for i := range d.components {
				c := &d.components[i]
				dc, ac := &d.dc[c.dc], &d.ac[c.ac]
				for b := range c.h * c.v {
					if !wanted {
						if err := in.pass(dc, ac, &c.before); err != nil {
							return nil, err
						}
						continue
					}
					last, err := in.block(dc, ac, &d.quant[c.quant], &c.before, &block)
					if err != nil {
						return nil, err
					}
					x, y := (mx-part.Min.X)*c.h+b%c.h, (my-part.Min.Y)*c.v+b/c.h
					p := &d.planes.Plane[i]
					to := p.Words[y*8*p.Stride+x*2:]
					switch {
					case last == 0:
						flat(block[0], to, p.Stride)
					default:
						inverse(&block, to, p.Stride)
					}
				}
			}
		}
		if in.over() {
			return nil, damaged("cut short at row %d of %d", min(my*down, d.Height), d.Height)
		}
	}
	// What lies below is not read, but a file that was cut there is to be known, whatever the rectangle.
	if bytes.LastIndex(in.content[in.at:], []byte{0xff, markerEOI}) < 0 {
		return nil, damaged("cut short: no end marker")
	}
	return &d.planes, nil
}

// coefficient reads a block's first coefficient, as the difference to that of the block before.
func (b *bits) coefficient(t *table, before *int32) error {
	if b.n < 32 {
		b.fill()
	}
	e := t.fast[b.word>>(64-look)]
	if e == 0 {
		if e = t.slow(b.word); e == 0 {
			return damaged("no such Huffman code")
		}
	}
	if n := int(e & entryBits); e&entryValue != 0 {
		*before += int32(e) >> 16
		b.word <<= n
		b.n -= n
	} else {
		*before += b.long(e)
	}
	return nil
}

// long reads a number that is not in the entry itself.
func (b *bits) long(e uint32) int32 {
	size, n := int(e>>5&15), int(e&entryBits)
	var v int32
	if size > 0 {
		v = extend(int32(b.word<<(n-size)>>(64-size)), size)
	}
	b.word <<= n
	b.n -= n
	return v
}

// block reads a block and multiplies with the quantisation; last is the place of its last coefficient, in zigzag order.
func (b *bits) block(dc, ac *table, quant *[64]int32, before *int32, out *[64]int32) (last int, err error) {
	clear(out[:])
	if err := b.coefficient(dc, before); err != nil {
		return 0, err
	}
	out[0] = *before * quant[0]
	word, n := b.word, b.n
	for k := 1; k < 64; k++ {
		if n < 32 {
			b.word, b.n = word, n
			b.fill()
			word, n = b.word, b.n
		}
		e := ac.fast[word>>(64-look)]
		if e == 0 {
			if e = ac.slow(word); e == 0 {
				return 0, damaged("no such Huffman code")
			}
		}
		k += int(e >> 9 & 15)
		taken := e & entryBits
		var v int32
		if e&entryValue != 0 {
			v = int32(e) >> 16
		} else {
			size := e >> 5 & 15
			if size == 0 {
				word <<= taken
				n -= int(taken)
				if e>>9&15 == 15 {
					continue // 16 zeros
				}
				break
			}
			bits := int32(word << (taken - size) >> (64 - size))
			// extend, without a branch
			v = bits - (1<<size-1)&^(-(bits >> (size - 1)))
		}
		word <<= taken
		n -= int(taken)
		last = k & 63
		out[natural[last]] = v * quant[last]
	}
	b.word, b.n = word, n
	return last, nil
}

// pass reads a block that nobody wants.
func (b *bits) pass(dc, ac *table, before *int32) error {
	if err := b.coefficient(dc, before); err != nil {
		return err
	}
	word, n := b.word, b.n
	for k := 1; k < 64; k++ {
		if n < 32 {
			b.word, b.n = word, n
			b.fill()
			word, n = b.word, b.n
		}
		e := ac.fast[word>>(64-look)]
		if e == 0 {
			if e = ac.slow(word); e == 0 {
				return damaged("no such Huffman code")
			}
		}
		taken := e & entryBits
		word <<= taken
		n -= int(taken)
		run := e >> 9 & 15
		if e>>5&15 == 0 && run != 15 {
			break
		}
		k += int(run)
	}
	b.word, b.n = word, n
	return nil
}

// natural is where the coefficients lie, in the order of the file.
var natural = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}
