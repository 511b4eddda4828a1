package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device/philox"
	"fovea/nn"
)

const one = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`

// two has tensors a and b at the given offsets of a body of 16 bytes.
func two(a, b string) []byte {
	return assemble(`{"a":{"dtype":"F32","shape":[2],"data_offsets":`+a+`},"b":{"dtype":"F32","shape":[2],"data_offsets":`+b+`}}`, make([]byte, 16))
}

func entryOf(text string) []byte { return assemble(`{"a":`+text+`}`, make([]byte, 8)) }

func TestBadFiles(t *testing.T) {
	length := func(n uint64, rest string) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), rest...) }
	long := strings.Repeat("n", 1<<16)
	for _, c := range []struct {
		name string
		file []byte
		want string // "": the header is right
	}{
		{"right", assemble(one, make([]byte, 8)), ""},
		{"spaces after", assemble(one+"   ", make([]byte, 8)), ""},
		{"no tensors", assemble("{}", nil), ""},
		{"other order", two("[8,16]", "[0,8]"), ""},
		{"scalar", assemble(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, make([]byte, 4)), ""},
		{"no elements", assemble(`{"z":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)), ""},

		{"empty", nil, "0 bytes, expected at least 8"},
		{"cut length", make([]byte, 7), "7 bytes, expected at least 8"},
		{"huge length", length(math.MaxUint64, one), "header of 18446744073709551615 bytes, expected at most 4194304"},
		{"large length", length(maxHeader+1, one), "header of 4194305 bytes, expected at most 4194304"},
		{"cut header", length(uint64(len(one)), one[:9]), "cut short: header of 54 bytes in a file of 17"},
		{"cut body", assemble(one, make([]byte, 7)), "cut short: tensor a ends at byte 8 of 7"},
		{"longer", assemble(one, make([]byte, 9)), "1 bytes follow the last tensor"},

		{"no JSON", assemble("PK\x03\x04", nil), "header: not a JSON object"},
		{"array", assemble("[]", nil), "header: not a JSON object"},
		{"null", assemble("null", nil), "header: not a JSON object"},
		{"nothing", assemble("", nil), "header: not a JSON object"},
		{"open", assemble("{", nil), "header: "},
		{"open entry", assemble(`{"a":{"dtype":"F32"`, nil), "header: tensor a: "},
		{"key is no text", assemble(`{1:2}`, nil), "header: "},
		{"two objects", assemble(one+one, make([]byte, 8)), "header: more follows"},
		{"tensor twice", assemble(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)), "tensor a is there twice"},
		{"metadata twice", assemble(`{"__metadata__":{},"__metadata__":{}}`, nil), "__metadata__ is there twice"},
		{"metadata of numbers", assemble(`{"__metadata__":{"a":1}}`, nil), "__metadata__: json: "},

		{"null entry", entryOf(`null`), `tensor a: element type "" is not known`},
		{"text entry", entryOf(`"F32"`), "tensor a: json: cannot unmarshal string"},
		{"no type", entryOf(`{"shape":[2],"data_offsets":[0,8]}`), `tensor a: element type "" is not known`},
		{"other type", entryOf(`{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}`), `tensor a: element type "F8_E4M3" is not known`},
		{"no shape", entryOf(`{"dtype":"F32","data_offsets":[0,8]}`), "tensor a: no shape"},
		{"no offsets", entryOf(`{"dtype":"F32","shape":[2]}`), "tensor a: 0 data offsets, expected 2"},
		{"three offsets", entryOf(`{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}`), "tensor a: 3 data offsets, expected 2"},
		{"other key", entryOf(`{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}`), `tensor a: json: unknown field "x"`},
		{"fraction", entryOf(`{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}`), "tensor a: json: cannot unmarshal number 2.5"},
		{"33 dimensions", entryOf(`{"dtype":"F32","shape":[2` + strings.Repeat(",1", 32) + `],"data_offsets":[0,8]}`), "tensor a: 33 numbers, expected at most 32"},

		{"negative", entryOf(`{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}`), "shape [-1 -2] of F32 does not make the 8 bytes"},
		{"wrong size", entryOf(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), "shape [3] of F32 does not make the 8 bytes"},
		{"wrong type", entryOf(`{"dtype":"F16","shape":[2],"data_offsets":[0,8]}`), "shape [2] of F16 does not make the 8 bytes"},
		{"wraps to 8", entryOf(`{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}`), "does not make the 8 bytes"},
		{"wraps to 0", assemble(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, nil), "does not make the 0 bytes"},
		{"wraps, times 0", assemble(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, nil), "does not make the 0 bytes"},
		{"beyond int64", entryOf(`{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}`), "cannot unmarshal number"},

		{"overlap", two("[0,8]", "[4,12]"), "tensor b: bytes [4, 12), expected to begin at 8"},
		{"same place", two("[0,8]", "[0,8]"), "tensor b: bytes [0, 8), expected to begin at 8"},
		{"gap", two("[0,8]", "[9,17]"), "tensor b: bytes [9, 17), expected to begin at 8"},
		{"gap at the start", two("[4,12]", "[12,16]"), "tensor a: bytes [4, 12), expected to begin at 0"},
		{"backwards", two("[0,8]", "[8,0]"), "tensor b: bytes [8, 0), expected to begin at 8"},
		{"negative offset", two("[-8,0]", "[0,8]"), "tensor a: bytes [-8, 0), expected to begin at 0"},
		{"far offset", two("[0,8]", "[8,9223372036854775807]"), "cut short: tensor b ends at byte 9223372036854775807 of 16"},

		{"long name", assemble(`{"`+long+`":1}`, nil), "tensor nnnn"},
		{"long type", entryOf(`{"dtype":"` + long + `"}`), "is not known"},
		{"long number", entryOf(`{"dtype":"F32","shape":[` + strings.Repeat("9", 1<<16) + `]}`), "cannot unmarshal number"},
		{"long key", entryOf(`{"` + long + `":1}`), "unknown field"},
	} {
		_, err := readHeader(bytes.NewReader(c.file), int64(len(c.file)))
		if c.want == "" {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorContains(t, err, c.want, c.name)
		require.Less(t, len(err.Error()), 500, "%s: the message is too long", c.name)
		path := write(t, c.file)
		_, err = ReadCard(path)
		require.ErrorContains(t, err, "weights "+path+": not a whole safetensors file: ", c.name)
		require.ErrorContains(t, err, c.want, c.name)
	}
}

func TestEveryCutIsFound(t *testing.T) {
	whole, err := os.ReadFile("testdata/foreign.safetensors")
	require.NoError(t, err)
	for n := range whole {
		_, err := readHeader(bytes.NewReader(whole[:n]), int64(n))
		require.Error(t, err, "the first %d bytes of %d", n, len(whole))
	}
}

// damaged makes the n-th broken copy of a file, whose header ends at byte end: cut, longer, with a byte of the header changed,
// taken out or put in. (A changed number of a tensor cannot be seen: the format has no checksums.)
func damaged(whole []byte, end, n int) []byte {
	random := philox.NewSource(philox.Stream{Seed: 12, ID: uint64(n)})
	broken, at := bytes.Clone(whole), random.Intn(end)
	switch n % 5 {
	case 0:
		return broken[:random.Intn(len(broken))]
	case 1:
		return append(broken, make([]byte, 1+at)...)
	case 2:
		broken[at] ^= 1 << random.Intn(8)
	case 3:
		return append(broken[:at], whole[at+1:]...)
	case 4:
		return append(append(broken[:at:at], byte(random.Uint32())), whole[at:]...)
	}
	return broken
}

// TestDamagedFiles breaks a file until a hundred broken ones were refused, each with one clear error.
func TestDamagedFiles(t *testing.T) {
	whole, err := os.ReadFile("testdata/foreign.safetensors")
	require.NoError(t, err)
	end := 8 + int(binary.LittleEndian.Uint64(whole))
	d := openDevice(t, "reference")
	var state []nn.Tensor
	for name, shape := range map[string]tensor.Shape{"half": {30}, "brain": {9}, "double": {2, 2}} {
		state = append(state, hold(t, d, name, shape, make([]float32, shape.TotalSize())), hold(t, d, name+".want", shape, make([]float32, shape.TotalSize())))
	}
	refused := 0
	for n := 0; refused < 100; n++ {
		before := bitsOf(t, state)
		require.Less(t, n, 150, "only %d broken files were refused", refused)
		content := damaged(whole, end, n)
		path := write(t, content)
		var err error
		used := allocated(func() { err = Load(path, state) })
		require.LessOrEqual(t, used, uint64(2*len(content)+128<<10), "broken file %d", n)
		if err == nil { // a name within the metadata, say
			continue
		}
		refused++
		require.ErrorContains(t, err, "weights "+path+": ", "broken file %d", n)
		require.Less(t, len(err.Error()), 1000, "broken file %d", n)
		require.NotContains(t, err.Error(), "\n", "broken file %d", n)
		require.Equal(t, before, bitsOf(t, state), "broken file %d changed something", n)
	}
}

// A file that shrinks after its size was asked for.
func TestShrunkFile(t *testing.T) {
	file := assemble(one, make([]byte, 8))
	for _, n := range []int{4, 20} {
		_, err := readHeader(bytes.NewReader(file[:n]), int64(len(file)))
		require.ErrorContains(t, err, "cut short", "%d bytes", n)
	}
	h, err := readHeader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	_, err = h.tensors["a"].decode(bytes.NewReader(file[:len(file)-1]))
	require.ErrorContains(t, err, "cut short: 7 bytes at 62, expected 8")
}

// What reading a header asks for in all grows with its text, whatever is in it; small entries cost most.
func TestHeaderMemory(t *testing.T) {
	const length, times = maxHeader / 8, 24
	fill := func(begin, each, end string) string {
		return begin + strings.Repeat(each, (length-len(begin)-len(end))/len(each)) + end
	}
	var many strings.Builder
	many.WriteString("{")
	for i := 0; many.Len() < length-64; i++ {
		fmt.Fprintf(&many, `"%x":{"dtype":"U8","shape":[],"data_offsets":[%d,%d]},`, i, i, i+1)
	}
	for name, text := range map[string]string{
		"one shape":    fill(`{"a":{"dtype":"F32","shape":[`, "1,", `1],"data_offsets":[0,4]}}`),
		"arrays":       fill(`{"a":{"dtype":"F32","shape":`, "[", `}`),
		"objects":      fill(`{"a":`, `{"a":`, `}`),
		"metadata":     fill(`{"__metadata__":{`, `"":"",`, `"":""}}`),
		"entries":      strings.TrimSuffix(many.String(), ",") + "}",
		"bad entries":  fill(`{`, `"":{},`, `"":{}}`),
		"escaped name": fill(`{"`, `\u0001`, `":1}`),
	} {
		file := assemble(text, nil)
		used := allocated(func() { readHeader(bytes.NewReader(file), int64(len(file))) })
		require.LessOrEqual(t, used, uint64(times*length), name)
		t.Logf("%s: %.1f bytes for each of the header", name, float64(used)/float64(len(text)))
	}
}

func FuzzSafetensors(f *testing.F) {
	whole, err := os.ReadFile("testdata/foreign.safetensors")
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(assemble(one, make([]byte, 8)))
	f.Add(two("[8,16]", "[0,8]"))
	f.Add(two("[0,8]", "[4,12]"))
	f.Add(assemble(`{"__metadata__":{"fovea":"{\"model\":\"m\",\"outputs\":2,\"sample\":[1,2,2]}"},"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}`, make([]byte, 8)))
	f.Add(entryOf(`{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}`))
	d := openDevice(f, "reference")
	state := []nn.Tensor{hold(f, d, "a", tensor.Shape{2}, []float32{3, 4})}
	before := bitsOf(f, state)
	f.Fuzz(func(t *testing.T, content []byte) {
		path := write(t, content)
		var err error
		used := allocated(func() { err = Load(path, state) })
		// What the fuzzer and the testing package ask for meanwhile is in it too.
		require.LessOrEqual(t, used, uint64(2*len(content)+24*min(len(content), maxHeader)+4<<20))
		if err != nil {
			require.Equal(t, before, bitsOf(t, state), "changed in spite of %v", err)
		}
		require.NoError(t, d.Upload(state[0].Tensor, []float32{3, 4}))
		if card, err := ReadCard(path); err == nil && card != nil {
			require.NoError(t, card.Check())
		}
		// Whatever a header says, no tensor may be read from outside the file, or more of it than is there.
		file := bytes.NewReader(content)
		h, err := readHeader(file, file.Size())
		if err != nil {
			return
		}
		var total int64
		for name, e := range h.tensors {
			total += e.end - e.begin
			if e.real() == nil {
				_, err := e.decode(file)
				require.NoError(t, err, name)
			}
		}
		require.LessOrEqual(t, total, file.Size()-8)
	})
}
