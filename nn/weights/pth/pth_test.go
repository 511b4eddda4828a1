package pth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return content
}

func read(content []byte) (*File, error) {
	return Read(bytes.NewReader(content), int64(len(content)))
}

// elementsOf are a tensor's bytes in the order of the indices, each index by itself.
func elementsOf(content []byte, x Tensor) []byte {
	width := int64(x.DType.Size())
	strides := x.Strides
	if strides == nil {
		strides = make([]int64, len(x.Shape))
		step := int64(1)
		for i := len(x.Shape) - 1; i >= 0; i-- {
			strides[i] = step
			step *= x.Shape[i]
		}
	}
	all := []byte{}
	for n := range x.Size {
		place, rest := x.Begin, n
		for i := len(x.Shape) - 1; i >= 0; i-- {
			place += rest % x.Shape[i] * strides[i] * width
			rest /= x.Shape[i]
		}
		all = append(all, content[place:place+width]...)
	}
	return all
}

// TestReadsWhatPyTorchWrote compares every tensor of every format with its contiguous copy: scripts/record_pth.py.
func TestReadsWhatPyTorchWrote(t *testing.T) {
	want, err := safetensors.Deserialize(file(t, "want.safetensors"))
	require.NoError(t, err)
	expected := map[string]safetensors.TensorView{}
	for _, named := range want.Tensors() {
		expected[named.Name] = named.TensorView
	}
	names := []string{"float", "double", "half", "brain", "bn.num_batches_tracked", "int", "byte", "transposed", "channels_last", "turned", "sliced",
		"column", "shared.first", "shared.last", "tied", "scalar", "empty", "parameter"}
	require.Len(t, expected, len(names))
	for _, name := range []string{"zip", "zip4", "stream", "stream4", "tar", "checkpoint"} {
		t.Run(name, func(t *testing.T) {
			content := file(t, name+".pth")
			require.True(t, Is(content[:512]))
			f, err := read(content)
			require.NoError(t, err)
			require.NoError(t, f.Verify())
			var found []string
			for _, x := range f.Tensors {
				found = append(found, x.Name)
				w, known := expected[x.Name]
				require.True(t, known, x.Name)
				require.Equal(t, w.DType(), x.DType, x.Name)
				require.Equal(t, fmt.Sprint(w.Shape()), fmt.Sprint(x.Shape), x.Name)
				require.Equal(t, w.Data(), elementsOf(content, x), "%s, strides %v", x.Name, x.Strides)
				strided := map[string]bool{"transposed": true, "channels_last": true, "turned": true, "sliced": true, "column": true}
				require.Equal(t, strided[x.Name], x.Strides != nil, x.Name)
			}
			order := names
			if name == "tar" { // bfloat16 is younger
				order = append(append([]string{}, names[:3]...), names[4:]...)
			}
			require.Equal(t, order, found)
		})
	}
}

func TestRefused(t *testing.T) {
	for _, row := range []struct{ file, want string }{
		{"module.pth", `it names "torch.nn.modules.linear.Linear", which has no place among tensors and could run anything in PyTorch: expected the state_dict() of a network`},
		{"system.pth", `it names "posix.system", which has no place among tensors`},
		{"list.pth", "a list was saved, and no dictionary of tensors in it: expected a state_dict()"},
		{"two.pth", `several dictionaries hold tensors ("encoder" with 1, "decoder" with 2), expected one, or one called state_dict or model`},
	} {
		f, err := read(file(t, row.file))
		require.ErrorContains(t, err, row.want, row.file)
		require.Less(t, len(err.Error()), 500)
		require.Nil(t, f)
	}
}

func TestIs(t *testing.T) {
	for _, row := range []struct {
		name  string
		begin []byte
		want  bool
	}{
		{"nothing", nil, false},
		{"short", []byte("P"), false},
		{"a safetensors header of 640 bytes", append(binary.LittleEndian.AppendUint64(nil, 640), '{'), false},
		{"the largest safetensors header", append(binary.LittleEndian.AppendUint64(nil, 4<<20), '{'), false},
		{"zip", []byte("PK\x03\x04"), true},
		{"picture", []byte("\x89PNG"), false},
		{"page", []byte("<!DOCTYPE html>" + strings.Repeat(" ", 500)), false},
	} {
		require.Equal(t, row.want, Is(row.begin), row.name)
	}
}

// program wraps the text of a pickle in an archive with one storage, called 0, of 12 floats.
func program(t testing.TB, pickle string, changes ...func(*archived)) []byte {
	t.Helper()
	a := archived{{"x/data.pkl", []byte("\x80\x02" + pickle)}, {"x/byteorder", []byte("little")}, {"x/data/0", make([]byte, 48)}}
	for _, change := range changes {
		change(&a)
	}
	return a.zip(t)
}

// Pieces of pickles.
const (
	float    = "ctorch\nFloatStorage\n"
	rebuild  = "ctorch._utils\n_rebuild_tensor_v2\n"
	hooks    = "ccollections\nOrderedDict\n)R"
	storage0 = "(X\x07\x00\x00\x00storage" + float + "X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQ"
)

// aTensor is a dictionary with a tensor w on storage 0.
func aTensor(offset, shape, strides string) string {
	return "}X\x01\x00\x00\x00w" + rebuild + "(" + storage0 + offset + "(" + shape + "t(" + strides + "t\x89" + hooks + "tRs."
}

func TestPickles(t *testing.T) {
	wide := func(n int64) string { return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
	for _, row := range []struct{ name, pickle, want string }{
		{"right", aTensor("K\x00", "K\x03K\x04", "K\x04K\x01"), ""},
		{"turned", aTensor("K\x00", "K\x04K\x03", "K\x01K\x04"), ""},
		{"last element", aTensor("K\x0b", "K\x01", "K\x01"), ""},
		{"axes of one element", aTensor("K\x00", "K\x01K\x0cK\x01", "K\x00K\x01K\x63"), ""},
		{"no elements", aTensor("K\x0c", "K\x00K\x05", "K\x05K\x01"), ""},
		{"scalar", aTensor("K\x03", "", ""), ""},

		{"beyond the storage", aTensor("K\x00", "K\x0d", "K\x01"), "shape [13] with strides [1] from element 0 on does not fit in a storage of 12"},
		{"offset", aTensor("K\x01", "K\x0c", "K\x01"), "from element 1 on does not fit"},
		{"offset beyond", aTensor("K\x0d", "K\x00", "K\x01"), "from element 13 on in a storage of 12"},
		{"negative offset", aTensor("J\xff\xff\xff\xff", "K\x01", "K\x01"), "from element -1 on in a storage of 12"},
		{"scalar beyond", aTensor("K\x0c", "", ""), "does not fit in a storage of 12"},
		{"stride", aTensor("K\x00", "K\x02K\x02", "K\x0bK\x01"), "shape [2 2] with strides [11 1] from element 0 on does not fit"},
		{"negative stride", aTensor("K\x0b", "K\x0c", "J\xff\xff\xff\xff"), "expected none below 0"},
		{"negative dimension", aTensor("K\x00", "J\xff\xff\xff\xff", "K\x01"), "expected none below 0"},
		{"expanded", aTensor("K\x00", wide(1<<40), "K\x00"), "elements overlap"},
		{"overlapping rows", aTensor("K\x00", "K\x04K\x03", "K\x02K\x01"), "elements overlap"},
		{"product wraps", aTensor("K\x00", wide(1<<32)+wide(1<<32), wide(1<<32)+"K\x01"), "does not fit in a storage of 12"},
		{"reach wraps", aTensor("K\x00", "K\x03", wide(1<<62)), "does not fit in a storage of 12"},
		{"stride missing", aTensor("K\x00", "K\x03K\x04", "K\x01"), "shape [3 4] with 1 strides"},
		{"33 dimensions", aTensor("K\x00", strings.Repeat("K\x01", 33), strings.Repeat("K\x01", 33)), "33 dimensions, expected at most 32"},
		{"shape of texts", aTensor("K\x00", "U\x01a", "K\x01"), "shape: a text, expected an integer"},
		{"offset of text", aTensor("U\x01a", "K\x01", "K\x01"), "a tensor from element a text on"},

		{"run a command", "cos\nsystem\n(X\x02\x00\x00\x00lstR.", `it names "os.system"`},
		{"run a command, protocol 4", "\x8c\x02os\x8c\x06system\x93)R.", `it names "os.system"`},
		{"builtins", "c__builtin__\neval\n.", `it names "__builtin__.eval"`},
		{"another storage", "ctorch\nQInt8Storage\n.", `it names "torch.QInt8Storage"`},
		{"call a text", "X\x01\x00\x00\x00a)R.", "a call of a text with a tuple"},
		{"call a storage", float + ")R.", "a call of torch.FloatStorage with 0 arguments"},
		{"call of no tuple", rebuild + "K\x01R.", "a call of the class torch._utils._rebuild_tensor_v2 with an integer"},
		{"tensor of 5 arguments", rebuild + "(K\x01K\x01K\x01K\x01K\x01tR.", "a call of torch._utils._rebuild_tensor_v2 with 5 arguments"},
		{"tensor on a text", rebuild + "(K\x01K\x01K\x01K\x01K\x01K\x01tR.", "a tensor on an integer, expected a storage"},
		{"parameter of nothing", "ctorch._utils\n_rebuild_parameter\n(N\x89" + hooks + "tR.", "a parameter of None, expected a tensor"},
		{"conjugated", "}X\x01\x00\x00\x00w" + rebuild + "(" + storage0 + "K\x00(K\x01t(K\x01t\x89" + hooks + "}U\x04conj\x88stRs.", "a tensor with metadata"},
		{"attributes of a list", "]}b.", "attributes of a list"},
		{"new object", rebuild + ")\x81.", "0x81 is none of those that a dictionary of tensors needs"},

		{"other storage", "(U\x07storage" + float + "U\x011U\x03cpuK\x0ctQ.", `no record of storage "1"`},
		{"storage too large", "(U\x07storage" + float + "U\x010U\x03cpuK\x0dtQ.", "13 elements of F32 in a record of 48 bytes"},
		{"storage that wraps", "(U\x07storage" + float + "U\x010U\x03cpu" + wide(1<<62) + "tQ.", "4611686018427387904 elements of F32 in a record of 48 bytes"},
		{"negative storage", "(U\x07storage" + float + "U\x010U\x03cpu" + wide(-1) + "tQ.", "of an integer elements"},
		{"two sizes", "(" + storage0 + "(U\x07storage" + float + "U\x010U\x03cpuK\x0btQt.", `storage "0" is 12 elements of F32 and 11 of F32`},
		{"two types", "(" + storage0 + "(U\x07storagectorch\nIntStorage\nU\x010U\x03cpuK\x0ctQt.", `storage "0" is 12 elements of F32 and 12 of I32`},
		{"class is no class", "(U\x07storageK\x01U\x010U\x03cpuK\x0ctQ.", "a storage of an integer, expected the class of one"},
		{"module", "(U\x06moduleK\x01U\x010U\x03cpuK\x0ctQ.", "stands for something outside, expected a storage"},
		{"persistent text", "U\x01aQ.", "a text stands for something outside"},

		{"no tensors", "}.", "a dictionary was saved, and no dictionary of tensors in it"},
		{"nothing taken", ".", "nothing is there to be taken"},
		{"pop of nothing", "0.", "nothing is there to be taken"},
		{"pop past a mark", "N(0.", "nothing is there to be taken"},
		{"tuple past a mark", "N(N\x86.", "1 values to be taken, expected 2"},
		{"no mark", "t.", "no mark is set"},
		{"not kept", "h\x05.", "nothing was kept as number 5"},
		{"list into a tuple", ")Na.", "elements for a tuple, expected a list"},
		{"entries of a list", "]NNs.", "entries for a list, expected a dictionary"},
		{"key without a value", "}(Nu.", "a key without a value"},
		{"entry is no pair", "ccollections\nOrderedDict\n(](K\x01etR.", "an entry of an integer, expected a key and a value"},
		{"protocol", "\x80\x09.", "protocol 9, expected at most 5"},
		{"cut in an integer", "J\x00", "cut short: 4 bytes at byte"},
		{"text of 4 GiB", "X\xff\xff\xff\xffa.", "texts of more than 4194304 bytes"},
		{"text beyond the end", "X\xff\xff\x0f\x00a.", "cut short: 1048575 bytes"},
		{"text that wraps", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "texts of more than"},
		{"long name", "c" + strings.Repeat("a", 300) + "\n", "a name of more than 200 bytes"},
		{"no end", "N", "cut short: 1 bytes"},
		{"tensor twice", "}(U\x01w" + strings.TrimSuffix(aTensor("K\x00", "K\x01", "K\x01"), "s.")[strings.Index(aTensor("", "", ""), rebuild):] + "U\x01w" +
			strings.TrimSuffix(aTensor("K\x00", "K\x01", "K\x01"), "s.")[strings.Index(aTensor("", "", ""), rebuild):] + "u.", `tensor "w" is there twice`},
	} {
		f, err := read(program(t, row.pickle))
		if row.want == "" {
			require.NoError(t, err, row.name)
			require.Len(t, f.Tensors, 1, row.name)
			continue
		}
		require.ErrorContains(t, err, row.want, row.name)
		require.Less(t, len(err.Error()), 500, row.name)
		require.NotContains(t, err.Error(), "\n", row.name)
	}
}

// A small file must not stand for any number of tensors.
func TestSharedStorageIsBounded(t *testing.T) {
	var many strings.Builder
	many.WriteString("}(")
	one := aTensor("K\x00", "K\x0c", "K\x01")
	one = strings.TrimSuffix(one[strings.Index(one, rebuild):], "s.")
	first := strings.Index(one, storage0)
	for i := range 1000 {
		fmt.Fprintf(&many, "U\x04%04d", i)
		if i == 0 {
			many.WriteString(one[:first] + storage0 + "q\x01" + one[first+len(storage0):])
			continue
		}
		many.WriteString(one[:first] + "h\x01" + one[first+len(storage0):])
	}
	many.WriteString("u.")
	short := program(t, many.String(), func(a *archived) { (*a)[2].content = make([]byte, 48) })
	_, err := read(short)
	require.NoError(t, err, "the program is larger than what the tensors have")
	huge := strings.ReplaceAll(many.String(), "K\x0c", "M\xff\xff") // 65535 elements each
	_, err = read(program(t, huge, func(a *archived) { (*a)[2].content = make([]byte, 4*65535) }))
	require.ErrorContains(t, err, "expected at most twice the file's")
}
