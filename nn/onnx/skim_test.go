package onnx

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
)

// raw is an initialiser of float32s that are written as bytes.
func raw(name string, n int) *onnxpb.TensorProto {
	t := floats(name, 0, int64(n))
	t.RawData = make([]byte, 4*n)
	for i := range t.RawData {
		t.RawData[i] = byte(i*7 + i>>8)
	}
	return t
}

// TestSkim: a message and what was left out of it are the file.
func TestSkim(t *testing.T) {
	m := with(model(op("Relu", "x", "y")), raw("small", 3), raw("large", 5000), raw("least", leastApart/4), raw("one less", leastApart/4-1),
		floats("listed", 5000, 5000), raw("none", 0), raw("larger", 70000))
	m.ProducerName = proto.String("somebody")
	content, err := proto.Marshal(m)
	require.NoError(t, err)
	again := protowire.AppendBytes(protowire.AppendTag(nil, tensorRawData, protowire.BytesType), []byte("abcd")) // the last of two counts
	twice, err := proto.Marshal(raw("twice", 5000))
	require.NoError(t, err)
	other, err := proto.Marshal(raw("other", 5000))
	require.NoError(t, err)
	for _, tensor := range [][]byte{append(twice, again...), append(append([]byte{}, again...), other...)} { // in a second graph: messages are joined
		inner := protowire.AppendBytes(protowire.AppendTag(nil, graphInitializer, protowire.BytesType), tensor)
		content = protowire.AppendBytes(protowire.AppendTag(content, modelGraph, protowire.BytesType), inner)
	}
	want := &onnxpb.ModelProto{}
	require.NoError(t, proto.Unmarshal(content, want))
	got, apart, err := decode(inMemory(content), int64(len(content)))
	require.NoError(t, err)
	left := map[string]bool{}
	for _, p := range got.Graph.Initializer {
		if at := apart[p]; at != nil {
			left[p.GetName()] = true
			p.RawData = make([]byte, at.size)
			file, err := at.open()
			require.NoError(t, err)
			_, err = file.ReadAt(p.RawData, at.offset)
			require.NoError(t, err)
		}
	}
	require.Equal(t, map[string]bool{"large": true, "least": true, "larger": true, "other": true}, left)
	require.True(t, proto.Equal(want, got))
}

// turning is a file that becomes another after some reads.
type turning struct {
	io.ReaderAt
	other io.ReaderAt
	reads int
}

func (f *turning) ReadAt(b []byte, at int64) (int, error) {
	if f.reads--; f.reads < 0 {
		return f.other.ReadAt(b, at)
	}
	return f.ReaderAt.ReadAt(b, at)
}

func (f *turning) Close() error { return nil }

// TestFileThatChanges while it is read ends in an error or in a message, never in a panic.
func TestFileThatChanges(t *testing.T) {
	content, err := proto.Marshal(with(model(op("Add", "x w", "y")), raw("w", 5000), raw("v", 3), floats("listed", 20000, 20000), raw("u", 5000)))
	require.NoError(t, err)
	random := philox.NewSource(philox.Stream{Seed: 9})
	refused := 0
	for range 300 {
		b := append([]byte{}, content...)
		for range 1 + random.Intn(4) {
			b[random.Intn(len(b))] ^= 1 << random.Intn(8)
		}
		b = b[:len(b)-random.Intn(2)*random.Intn(len(b))]
		reads := random.Intn(12)
		open := func() (handle, error) {
			return &turning{bytes.NewReader(content), bytes.NewReader(b), reads}, nil
		}
		if _, _, err := decode(open, int64(len(content))); err != nil {
			refused++
		}
	}
	require.Greater(t, refused, 30)
}

// TestChangedSince: weights of a file that was written anew after Load are not taken for those of the first.
func TestChangedSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.onnx")
	export := func(seed uint64) {
		require.NoError(t, Export(path, nn.Sequential(nn.Flatten(), nn.Linear(100)), tensor.Shape{1, 5, 5}, ExportOptions{Seed: seed}))
	}
	export(1)
	d := open(t, devicetest.Fast())
	for _, change := range []func(){
		func() { export(2) }, // another file of the same name
		func() { require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))) },
		func() { require.NoError(t, os.Truncate(path, 5000)) },
	} {
		m, err := Load(path)
		require.NoError(t, err)
		change()
		_, err = nn.Build(d, m, m.Sample, 1)
		require.EqualError(t, err, "weight 1.weight: the file is not the one any more that was read first")
		export(3)
	}
	m, err := Load(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	_, err = nn.Build(d, m, m.Sample, 1)
	require.ErrorContains(t, err, "weight 1.weight: no such file")
}
