package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"

	"fovea/data/internal/raster"
)

// ErrUnsupported says that a picture may be in order, but is none for this package.
var ErrUnsupported = errors.New("not a baseline JPEG in grey or YCbCr")

// ErrDamaged is what damage is.
var ErrDamaged = errors.New("damaged JPEG")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Decoder decodes one picture after another and keeps its memory between them.
type Decoder struct {
	Width, Height int

	content    []byte
	components []component
	quant      [4][64]int32 // in zigzag order
	haveQuant  [4]bool
	dc, ac     [4]table
	restart    int // MCUs between two restart markers; 0: there are none
	scan       int // where the coded data begin
	planes     raster.Planes
}

// component is brightness or one of the two differences of colour.
type component struct {
	id, h, v      int   // blocks in an MCU, across and down
	quant, dc, ac int   // tables
	before        int32 // the last block's first coefficient
}

const (
	markerSOF0, markerSOF1  = 0xc0, 0xc1
	markerDHT               = 0xc4
	markerRST0, markerRST7  = 0xd0, 0xd7
	markerSOI, markerEOI    = 0xd8, 0xd9
	markerSOS               = 0xda
	markerDQT               = 0xdb
	markerDRI               = 0xdd
	markerAPP0, markerAPP14 = 0xe0, 0xee
)

// Header reads all that comes before the coded data; Decode may follow.
func (d *Decoder) Header(content []byte) error {
	d.Width, d.Height, d.content, d.components, d.restart, d.scan = 0, 0, content, d.components[:0], 0, 0
	d.haveQuant = [4]bool{}
	for i := range d.dc {
		d.dc[i].defined, d.ac[i].defined = false, false
	}
	if len(content) < 2 || content[0] != 0xff || content[1] != markerSOI {
		return ErrUnsupported
	}
	jfif, adobe := false, -1
	for at := 2; ; {
		marker, segment, next, err := segment(content, at)
		if err != nil {
			return err
		}
		at = next
		switch {
		case marker == markerSOF0 || marker == markerSOF1:
			err = d.frame(segment)
		case marker == markerDHT:
			err = d.huffman(segment)
		case marker == markerDQT:
			err = d.quantisation(segment)
		case marker == markerDRI:
			if len(segment) != 2 {
				return damaged("restart interval of %d bytes, expected 2", len(segment))
			}
			d.restart = int(binary.BigEndian.Uint16(segment))
		case marker == markerSOS:
			d.scan = at
			if err := d.order(segment); err != nil {
				return err
			}
			return d.colours(jfif, adobe)
		case marker == markerAPP0:
			jfif = jfif || len(segment) >= 5 && string(segment[:5]) == "JFIF\x00"
		case marker == markerAPP14:
			if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
				adobe = int(segment[11])
			}
		case marker > markerAPP0 && marker <= 0xef || marker == 0xfe: // other applications', comments
		default:
			return ErrUnsupported
		}
		if err != nil {
			return err
		}
	}
}

// segment finds the next marker and what belongs to it. Bytes between two segments are passed over, as others do.
func segment(content []byte, at int) (marker byte, body []byte, next int, err error) {
	for at+4 <= len(content) {
		if content[at] != 0xff || content[at+1] == 0 || content[at+1] == 0xff {
			at++
			continue
		}
		marker = content[at+1]
		if marker >= markerRST0 && marker <= markerEOI {
			return 0, nil, 0, damaged("marker %x before any picture", marker)
		}
		length := int(binary.BigEndian.Uint16(content[at+2:]))
		if length < 2 || at+2+length > len(content) {
			return 0, nil, 0, damaged("segment %x of %d bytes, expected 2 to %d", marker, length, len(content)-at-2)
		}
		return marker, content[at+4 : at+2+length], at + 2 + length, nil
	}
	return 0, nil, 0, damaged("cut short before the picture")
}

func (d *Decoder) frame(s []byte) error {
	if len(d.components) > 0 {
		return damaged("two frames")
	}
	if len(s) < 6 || len(s) != 6+3*int(s[5]) {
		return damaged("frame header of %d bytes", len(s))
	}
	n := int(s[5])
	d.Height, d.Width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	if s[0] != 8 || n != 1 && n != 3 || d.Height == 0 {
		return ErrUnsupported
	}
	if d.Width == 0 {
		return damaged("width 0")
	}
	for i := range n {
		c := component{id: int(s[6+3*i]), h: int(s[7+3*i] >> 4), v: int(s[7+3*i] & 15), quant: int(s[8+3*i])}
		if c.quant > 3 {
			return damaged("quantisation table %d, expected 0 to 3", c.quant)
		}
		if n == 1 {
			c.h, c.v = 1, 1 // what a single component says of this has no meaning
		}
		if most := 2 - min(i, 1); c.h < 1 || c.v < 1 || c.h > most || c.v > most {
			return ErrUnsupported
		}
		d.components = append(d.components, c)
	}
	return nil
}

func (d *Decoder) quantisation(s []byte) error {
	for len(s) > 0 {
		wide, id := int(s[0]>>4), s[0]&15
		if wide > 1 || id > 3 || len(s) < 1+64*(1+wide) {
			return damaged("quantisation table")
		}
		for k := range 64 {
			if wide == 1 {
				d.quant[id][k] = int32(binary.BigEndian.Uint16(s[1+2*k:]))
			} else {
				d.quant[id][k] = int32(s[1+k])
			}
		}
		d.haveQuant[id] = true
		s = s[1+64*(1+wide):]
	}
	return nil
}

func (d *Decoder) huffman(s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 || s[0]>>4 > 1 || s[0]&15 > 3 {
			return damaged("Huffman table")
		}
		t := &d.dc[s[0]&3]
		if s[0]>>4 == 1 {
			t = &d.ac[s[0]&3]
		}
		n, err := t.define(s[1:], s[0]>>4 == 1)
		if err != nil {
			return err
		}
		s = s[1+n:]
	}
	return nil
}

// order reads the head of the scan, which must be the only one.
func (d *Decoder) order(s []byte) error {
	n := len(d.components)
	if n == 0 {
		return damaged("coded data before the frame header")
	}
	if len(s) < 1 || len(s) != 4+2*int(s[0]) {
		return damaged("scan header of %d bytes", len(s))
	}
	if int(s[0]) != n {
		return ErrUnsupported
	}
	for i := range n {
		c := &d.components[i]
		if int(s[1+2*i]) != c.id {
			return ErrUnsupported
		}
		c.dc, c.ac = int(s[2+2*i]>>4), int(s[2+2*i]&15)
		if c.dc > 3 || c.ac > 3 || !d.dc[c.dc].defined || !d.ac[c.ac].defined {
			return damaged("Huffman tables %d and %d of component %d are not there", c.dc, c.ac, i)
		}
		if !d.haveQuant[c.quant] {
			return damaged("quantisation table %d of component %d is not there", c.quant, i)
		}
	}
	return nil
}

// colours refuses three components that are red, green and blue.
func (d *Decoder) colours(jfif bool, adobe int) error {
	if len(d.components) == 1 || jfif {
		return nil
	}
	c := d.components
	if adobe == 0 || adobe < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' {
		return ErrUnsupported
	}
	return nil
}

// Memory is how many bytes the planes hold, which a decoder keeps.
func (d *Decoder) Memory() int { return d.planes.Memory() }
