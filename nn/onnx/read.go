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

// readFile reads a regular file of at most maxFile bytes. Stat comes first: opening a pipe would wait.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%d bytes, expected at most %d", info.Size(), maxFile)
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close()
	content := make([]byte, info.Size())
	if _, err := io.ReadFull(file, content); err != nil {
		return nil, fmt.Errorf("cut short while it was read: %w", cause(err))
	}
	return content, nil
}

// cause is a file error without the path, which the message has already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// decode reads a model once its size in memory is known to be bounded.
func decode(content []byte) (*onnxpb.ModelProto, error) {
	m := &onnxpb.ModelProto{}
	cost, err := measure(content, m.ProtoReflect().Descriptor(), 0)
	if err != nil {
		return nil, fmt.Errorf("not a whole ONNX file: %w", err)
	}
	if limit := int64(len(content)) + spare; cost > limit {
		return nil, fmt.Errorf("its %d bytes would take %d in memory, expected at most %d", len(content), cost, limit)
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(content, m); err != nil {
		return nil, fmt.Errorf("not a whole ONNX file: %v", err)
	}
	if m.Graph == nil {
		return nil, errors.New("not an ONNX file: it has no graph")
	}
	return m, nil
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
