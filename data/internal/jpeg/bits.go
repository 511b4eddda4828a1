package jpeg

import "encoding/binary"

// bits reads coded data, whose bytes ff are each followed by a 0 that does not count.
type bits struct {
	content []byte
	at      int
	word    uint64 // the next bits, from the top
	n       int    // how many of them there are
	made    int    // how many at the end of those are zeros that the file does not have
}

// fill makes at least 32 bits ready.
func (b *bits) fill() {
	if b.at+4 <= len(b.content) {
		next := binary.BigEndian.Uint32(b.content[b.at:])
		if (^next-0x01010101)&next&0x80808080 == 0 { // no byte is ff
			b.word |= uint64(next) << (32 - b.n)
			b.n += 32
			b.at += 4
			return
		}
	}
	b.fillSlowly()
}

func (b *bits) fillSlowly() {
	for b.n <= 56 {
		var next byte
		switch {
		case b.at >= len(b.content):
			b.made += 8
		case b.content[b.at] != 0xff:
			next = b.content[b.at]
			b.at++
		case b.at+1 < len(b.content) && b.content[b.at+1] == 0:
			next = 0xff
			b.at += 2
		default: // a marker
			b.made += 8
		}
		b.word |= uint64(next) << (56 - b.n)
		b.n += 8
	}
}

// over says that more was read than there is.
func (b *bits) over() bool { return b.made > b.n }

// skipMarker goes behind the restart marker that must come next, and begins anew.
func (b *bits) skipMarker(number int) error {
	if b.over() {
		return damaged("cut short")
	}
	at := b.at // never behind a marker
	for at+1 < len(b.content) {
		if b.content[at] != 0xff || b.content[at+1] == 0 || b.content[at+1] == 0xff {
			at++
			continue
		}
		if got := int(b.content[at+1]) - markerRST0; got != number {
			return damaged("marker %x, expected restart marker %d", b.content[at+1], number)
		}
		b.at, b.word, b.n, b.made = at+2, 0, 0, 0
		return nil
	}
	return damaged("cut short before restart marker %d", number)
}
