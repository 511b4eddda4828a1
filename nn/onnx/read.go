package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"fovea/nn/onnx/internal/onnxpb"
)

const (
	// spare is what a file may take in memory beyond twice its size: messages of a few bytes become structures of hundreds.
	spare = 64 << 20
	// maxDepth bounds messages within messages. A model without control flow has seven.
	maxDepth = 32
	// messageCost, elementCost and scalarCost are about what a message, an element of a list and a number take in memory.
	messageCost, elementCost, scalarCost = 400, 48, 16
)

// handle is an open file.
type handle interface {
	io.ReaderAt
	io.Closer
}

// original is a model's file, which is opened again for each weight that stayed in it.
type original struct {
	path string
	info fs.FileInfo
}

// find looks for a regular file of at most maxFile bytes. It is not opened before: opening a pipe would wait.
func find(path string) (*original, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%d bytes, expected at most %d", info.Size(), maxFile)
	}
	if err != nil {
		return nil, cause(err)
	}
	return &original{path, info}, nil
}

func (o *original) open() (handle, error) {
	file, err := os.Open(o.path)
	if err != nil {
		return nil, cause(err)
	}
	info, err := file.Stat()
	if err == nil && !(os.SameFile(info, o.info) && info.Size() == o.info.Size() && info.ModTime().Equal(o.info.ModTime())) {
		err = errors.New("the file is not the one any more that was read first")
	}
	if err != nil {
		file.Close()
		return nil, cause(err)
	}
	return file, nil
}

// cause is a file error without the path, which the message has already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// place is where the bytes of a tensor are that are not in its message.
type place struct {
	file string // of messages; "": the model's own
	open func() (handle, error)
	extent
}

func (p *place) fail(err error) error {
	if p.file == "" {
		return cause(err)
	}
	return fmt.Errorf("external data %q: %w", p.file, cause(err))
}

// decode reads a model of that many bytes once its size in memory is known to be bounded. Large raw data of its
// initialisers stays where it is.
func decode(open func() (handle, error), size int64) (*onnxpb.ModelProto, map[*onnxpb.TensorProto]*place, error) {
	file, err := open()
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	content, raw, err := skim(file, size)
	if err != nil {
		return nil, nil, fmt.Errorf("not a whole ONNX file: %w", cause(err))
	}
	m := &onnxpb.ModelProto{}
	cost, err := measure(content, m.ProtoReflect().Descriptor(), 0)
	if err != nil {
		return nil, nil, fmt.Errorf("not a whole ONNX file: %w", err)
	}
	if limit := int64(len(content)) + spare; cost > limit {
		return nil, nil, fmt.Errorf("its %d bytes would take %d in memory, expected at most %d", len(content), cost, limit)
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(content, m); err != nil {
		return nil, nil, fmt.Errorf("not a whole ONNX file: %v", err)
	}
	if m.Graph == nil {
		return nil, nil, errors.New("not an ONNX file: it has no graph")
	}
	apart := map[*onnxpb.TensorProto]*place{}
	for i, t := range m.Graph.Initializer {
		if raw[i].size > 0 {
			apart[t] = &place{open: open, extent: raw[i]}
		}
	}
	return m, apart, nil
}

// measure estimates what a message will take in memory, without taking any.
func measure(b []byte, of protoreflect.MessageDescriptor, depth int) (cost int64, err error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("messages nested deeper than %d", maxDepth)
	}
	cost = messageCost
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return 0, fmt.Errorf("%s: %w", of.Name(), protowire.ParseError(n))
		}
		value := b[:n]
		b = b[n:]
		field := of.Fields().ByNumber(number)
		if field == nil {
			continue
		}
		cost += elementCost
		if kind != protowire.BytesType {
			continue
		}
		inner, _ := protowire.ConsumeBytes(value)
		switch field.Kind() {
		case protoreflect.MessageKind:
			below, err := measure(inner, field.Message(), depth+1)
			if err != nil {
				return 0, err
			}
			cost += below
		case protoreflect.Int64Kind, protoreflect.Int32Kind, protoreflect.Uint64Kind: // packed: a byte may stand for a number
			for _, c := range inner {
				if c < 0x80 {
					cost += scalarCost / 2
				}
			}
		default:
			cost += int64(len(inner))
		}
	}
	return cost, nil
}
