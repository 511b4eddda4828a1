package jpeg

// look is how many bits a table looks at in one go; longer codes are rare.
const look = 10

// table is a Huffman table. Each entry of fast is for all bit strings that begin with one code: how many bits the code and
// the number after it take, how many zeros come before that number, and the number itself if it is among the bits looked
// at. Entry 0 is a longer code, or none.
type table struct {
	defined bool
	fast    [1 << look]uint32
	first   [17]int32 // of codes of each length: the first code,
	last    [17]int32 // the last, -1 if there is none of that length,
	place   [17]int32 // and where its symbol is
	symbols [256]byte
}

// An entry: the value in the upper half, then these. The longest code and number take 16 + 15 bits.
const (
	entryBits  = 31      // both together
	entrySize  = 15 << 5 // the number's
	entryRun   = 15 << 9
	entryValue = 1 << 13 // the value is here
	entryCode  = 1 << 14 // there is such a code: so that no entry is 0
)

// symbolEntry is an entry without a value.
func symbolEntry(symbol byte, length int) uint32 {
	size := uint32(symbol & 15)
	return uint32(length) + size | size<<5 | uint32(symbol>>4)<<9 | entryCode
}

// define reads a table: 16 counts, then the symbols. It returns how many bytes those were.
func (t *table) define(s []byte, ac bool) (int, error) {
	total, code := 0, int32(0)
	t.defined = false
	clear(t.fast[:])
	for _, n := range s[:16] {
		total += int(n)
	}
	if total == 0 || total > 256 || len(s) < 16+total {
		return 0, damaged("Huffman table of %d symbols in %d bytes", total, len(s))
	}
	copy(t.symbols[:], s[16:16+total])
	at := 0
	for length := 1; length <= 16; length++ {
		n := int(s[length-1])
		t.first[length], t.place[length], t.last[length] = code, int32(at), code+int32(n)-1
		if n == 0 {
			t.last[length] = -1
		}
		if int(code)+n > 1<<length {
			return 0, damaged("Huffman table has more codes of %d bits than there are", length)
		}
		for range n {
			symbol := t.symbols[at]
			if !ac && symbol > 15 {
				return 0, damaged("Huffman table: a first coefficient of %d bits, expected at most 15", symbol)
			}
			if length <= look {
				t.enter(code, length, symbol)
			}
			code++
			at++
		}
		code <<= 1
	}
	t.defined = true
	return 16 + total, nil
}

// enter fills in all that begins with a code.
func (t *table) enter(code int32, length int, symbol byte) {
	free := look - length
	size := int(symbol & 15)
	for rest := range 1 << free {
		e := symbolEntry(symbol, length)
		if size > 0 && size <= free {
			e |= entryValue | uint32(uint16(extend(int32(rest>>(free-size)), size)))<<16
		}
		t.fast[int(code)<<free|rest] = e
	}
}

// extend is the number that size bits stand for: the lower half of them are negative.
func extend(bits int32, size int) int32 {
	if bits < 1<<(size-1) {
		return bits - 1<<size + 1
	}
	return bits
}

// slow looks a code up that is longer than look; 0 is none.
func (t *table) slow(bits uint64) uint32 {
	for length := look + 1; length <= 16; length++ {
		code := int32(bits >> (64 - length))
		if code <= t.last[length] && code >= t.first[length] {
			return symbolEntry(t.symbols[t.place[length]+code-t.first[length]], length)
		}
	}
	return 0
}
