package weights

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/nn"
)

func openDevice(t testing.TB, name string) device.Device {
	t.Helper()
	d, err := device.Open(name, device.Options{Deterministic: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// hold makes a tensor on d, to be released with the test.
func hold(t testing.TB, d device.Device, name string, shape tensor.Shape, values any) nn.Tensor {
	t.Helper()
	made, err := device.FromSlice(d, shape, values)
	require.NoError(t, err)
	t.Cleanup(made.Release)
	return nn.Tensor{Name: name, Tensor: made}
}

// bitsOf are the values of all tensors, exactly.
func bitsOf(t testing.TB, state []nn.Tensor) (all [][]uint64) {
	t.Helper()
	for _, s := range state {
		values, err := s.Tensor.Floats()
		require.NoError(t, err)
		each := make([]uint64, len(values))
		for i, v := range values {
			each[i] = math.Float64bits(v)
		}
		all = append(all, each)
	}
	return all
}

// network has a tensor of each rank and values that show every bit of the device's own floats.
func network(t testing.TB, d device.Device, start float64) []nn.Tensor {
	var state []nn.Tensor
	for name, shape := range map[string]tensor.Shape{"conv.weight": {2, 3, 1, 2}, "conv.bias": {2}, "fc.weight": {3, 5}, "fc.running_mean": {1}} {
		values := make([]float64, shape.TotalSize())
		for i := range values {
			values[i] = start + float64(i)/3
		}
		state = append(state, hold(t, d, name, shape, values)) // in a random order, as maps are
	}
	return state
}

func TestLoadGivesBackWhatSaveWrote(t *testing.T) {
	for _, name := range devicetest.Names() {
		d := openDevice(t, name)
		saved := network(t, d, -1)
		extremes := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.MaxFloat32, math.SmallestNonzeroFloat32}
		saved = append(saved, hold(t, d, "extremes", tensor.Shape{6}, extremes))
		path := filepath.Join(t.TempDir(), "model.safetensors")
		require.NoError(t, Save(path, saved, nil))

		var loaded []nn.Tensor
		for _, s := range saved {
			loaded = append(loaded, hold(t, d, s.Name, s.Tensor.Shape, make([]float64, s.Tensor.Size())))
		}
		require.NoError(t, Load(path, loaded))
		require.Equal(t, bitsOf(t, saved), bitsOf(t, loaded), "device %s", name)
	}
}

func TestSaveWritesTheSameBytes(t *testing.T) {
	d, dir := openDevice(t, devicetest.Fast()), t.TempDir()
	card := &Card{Model: "m", Outputs: 2, Sample: tensor.Shape{1, 2, 2}, ClassNames: []string{"a", "b"}}
	var first []byte
	for range 5 { // network's order differs from time to time
		path := filepath.Join(dir, "model.safetensors")
		require.NoError(t, Save(path, network(t, d, 4), card))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		if first == nil {
			first = content
		}
		require.Equal(t, first, content)
	}
}

func TestSaveErrors(t *testing.T) {
	d := openDevice(t, devicetest.Fast())
	one := hold(t, d, "a", tensor.Shape{1}, []float32{1})
	good := Card{Model: "m", Outputs: 2, Sample: tensor.Shape{1, 2, 2}}
	for _, c := range []struct {
		name  string
		path  string
		state []nn.Tensor
		card  func(c *Card)
		want  string
	}{
		{"no folder", "none/w", []nn.Tensor{one}, nil, "no such file or directory"},
		{"same name twice", "w", []nn.Tensor{one, one}, nil, "tensor a is there twice"},
		{"labels", "w", []nn.Tensor{hold(t, d, "labels", tensor.Shape{1}, []int32{1})}, nil, "tensor labels: "},
		{"sample", "w", []nn.Tensor{one}, func(c *Card) { c.Sample = tensor.Shape{1, 2} }, "card says samples of 2 dimensions, expected 3"},
		{"empty sample", "w", []nn.Tensor{one}, func(c *Card) { c.Sample = tensor.Shape{1, 0, 2} }, "card says samples [1 0 2] and 2 outputs, expected none below 1"},
		{"outputs", "w", []nn.Tensor{one}, func(c *Card) { c.Outputs = 0 }, "and 0 outputs, expected none below 1"},
		{"class names", "w", []nn.Tensor{one}, func(c *Card) { c.ClassNames = make([]string, 3) }, "card has 3 class names for 2 outputs"},
		{"scale", "w", []nn.Tensor{one}, func(c *Card) { c.Scale = float32(math.NaN()) }, "card says scale NaN, expected a finite number"},
		{"infinite scale", "w", []nn.Tensor{one}, func(c *Card) { c.Scale = float32(math.Inf(1)) }, "card says scale +Inf"},
	} {
		dir, card := t.TempDir(), good
		if c.card != nil {
			c.card(&card)
		}
		path := filepath.Join(dir, c.path)
		err := Save(path, c.state, &card)
		require.ErrorContains(t, err, "weights "+path+": ", c.name)
		require.ErrorContains(t, err, c.want, c.name)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, c.name)
	}
}

func TestLoadChangesAllOrNothing(t *testing.T) {
	d := openDevice(t, devicetest.Fast())
	path := filepath.Join(t.TempDir(), "model.safetensors")
	a := hold(t, d, "a", tensor.Shape{2, 3}, []float32{1, 2, 3, 4, 5, 6})
	b := hold(t, d, "b", tensor.Shape{2}, []float32{7, 8})
	require.NoError(t, Save(path, []nn.Tensor{a, b}, nil))
	zero := func(name string, shape ...int) nn.Tensor {
		return hold(t, d, name, shape, make([]float32, tensor.Shape(shape).TotalSize()))
	}
	many := []nn.Tensor{zero("a", 2, 3), zero("b", 2)}
	for _, name := range []string{"h", "g", "f", "e", "d", "c", "i", "j"} {
		many = append(many, zero(name, 1))
	}
	labels := hold(t, d, "b", tensor.Shape{2}, []int32{0, 0})
	for _, c := range []struct {
		name  string
		state []nn.Tensor
		is    error
		want  string // "": loads
	}{
		{"right", []nn.Tensor{zero("b", 2), zero("a", 2, 3)}, nil, ""},
		{"missing", []nn.Tensor{zero("a", 2, 3), zero("b", 2), zero("c", 1)}, nil, "missing c; not expected none"},
		{"unexpected", []nn.Tensor{zero("b", 2)}, nil, "missing none; not expected a"},
		{"both", []nn.Tensor{zero("x", 2), zero("c", 1)}, nil, "missing c, x; not expected a, b"},
		{"many", many, nil, "missing c, d, e, f, g, h and 2 more; not expected none"},
		{"last shape", []nn.Tensor{zero("a", 2, 3), zero("b", 3)}, device.ErrShape, "missing none; not expected none; wrong shape b (file has [2], network expects [3])"},
		{"transposed", []nn.Tensor{zero("a", 3, 2), zero("b", 2)}, device.ErrShape, "file has [2 3], network expects [3 2]"},
		{"rank", []nn.Tensor{zero("a", 2, 3), zero("b", 2, 1)}, device.ErrShape, "file has [2], network expects [2 1]"},
		{"last is no float", []nn.Tensor{zero("a", 2, 3), labels}, device.ErrDType, "tensor b: "},
	} {
		before := bitsOf(t, c.state[:1])
		err := Load(path, c.state)
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.Equal(t, bitsOf(t, []nn.Tensor{b, a}), bitsOf(t, c.state), c.name)
			continue
		}
		require.ErrorContains(t, err, "weights "+path+": ", c.name)
		require.ErrorContains(t, err, c.want, c.name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, c.name)
		}
		require.Equal(t, before, bitsOf(t, c.state[:1]), c.name)
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), ": no such file or directory"},
		{dir, ": not a regular file"},
		{os.DevNull, ": not a regular file"},
	} {
		require.EqualError(t, Load(c.path, nil), "weights "+c.path+c.want)
		_, err := ReadCard(c.path)
		require.EqualError(t, err, "weights "+c.path+c.want)
	}
}

// The values alone are twice a half-precision file's size, so the bytes must not be in memory beside them.
func TestLoadMemoryIsTwiceTheFile(t *testing.T) {
	const count = 1 << 20
	d := openDevice(t, devicetest.Fast())
	for _, c := range []struct {
		dtype string
		width int
	}{{"F16", 2}, {"BF16", 2}, {"F32", 4}, {"F64", 8}} {
		path := write(t, assemble(`{"a":{"dtype":"`+c.dtype+`","shape":[1048576],"data_offsets":[0,`+strconv.Itoa(count*c.width)+`]}}`, make([]byte, count*c.width)))
		state := []nn.Tensor{hold(t, d, "a", tensor.Shape{count}, make([]float32, count))}
		var err error
		used := allocated(func() { err = Load(path, state) })
		require.NoError(t, err, c.dtype)
		require.LessOrEqual(t, used, uint64(2*count*c.width+256<<10), c.dtype)
		used = allocated(func() { _, err = ReadCard(path) })
		require.NoError(t, err, c.dtype)
		require.LessOrEqual(t, used, uint64(64<<10), "%s: the card alone", c.dtype)
	}
}

// allocated is how many bytes do asked for in all, which is never less than what it held at a time.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// assemble makes a file of a header and the tensors' bytes.
func assemble(header string, body []byte) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), body...)
}

func write(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.safetensors")
	require.NoError(t, os.WriteFile(path, content, 0o666))
	return path
}

// Written by Hugging Face's own library: scripts/record_numpy.py.
func TestLoadForeignFile(t *testing.T) {
	const path = "testdata/foreign.safetensors"
	card, err := ReadCard(path)
	require.NoError(t, err)
	require.Nil(t, card)
	shapes := map[string]tensor.Shape{"half": {30}, "brain": {9}, "double": {2, 2}}
	for _, name := range devicetest.Names() {
		d := openDevice(t, name)
		var read, want []nn.Tensor
		for kind, shape := range shapes {
			read = append(read, hold(t, d, kind, shape, make([]float32, shape.TotalSize())))
			want = append(want, hold(t, d, kind+".want", shape, make([]float32, shape.TotalSize())))
		}
		require.NoError(t, Load(path, append(read, want...)), name)
		for i := range read {
			if name == "reference" && read[i].Name == "double" { // keeps what float32 cannot
				values, err := read[i].Tensor.Floats()
				require.NoError(t, err)
				require.Equal(t, []float64{0.1, -1. / 3, 1e-300, 16777217}, values)
				continue
			}
			require.Equal(t, bitsOf(t, want[i:i+1]), bitsOf(t, read[i:i+1]), "%s of %s", read[i].Name, name)
		}
	}
}

func TestHalf(t *testing.T) {
	for bits := range uint32(1 << 16) {
		got := Half(uint16(bits))
		exponent, fraction := bits>>10&0x1f, bits&0x3ff
		if exponent == 0x1f && fraction != 0 {
			require.True(t, math.IsNaN(float64(got)), "%04x", bits)
			continue
		}
		// The bits of a normal half, infinities included, shifted to float32's places; 2^112 is the biases' difference.
		want := math.Float32frombits(bits&0x7fff<<13) * 0x1p112
		if exponent == 0x1f {
			want = float32(math.Inf(1))
		}
		want = math.Float32frombits(math.Float32bits(want) | bits&0x8000<<16)
		require.Equal(t, math.Float32bits(want), math.Float32bits(got), "%04x", bits)
	}
}
