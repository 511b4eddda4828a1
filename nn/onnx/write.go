package onnx

import (
	"encoding/binary"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fovea/nn/onnx/internal/onnxpb"
)

// Numbers of the fields that weights are written under by hand, so that no second copy of them is in memory.
const (
	modelGraph       protowire.Number = 7 // ModelProto.graph
	graphInitializer protowire.Number = 5 // GraphProto.initializer
	tensorRawData    protowire.Number = 9 // TensorProto.raw_data
)

// writeModel writes a model and the weights that are not in it yet. A message's fields may come in any order, and those of
// the graph come in two parts.
func writeModel(w io.Writer, model *onnxpb.ModelProto, weights []initialiser) error {
	order := proto.MarshalOptions{Deterministic: true}
	inner, err := order.Marshal(model.Graph)
	if err != nil {
		return err
	}
	outer, err := order.Marshal(&onnxpb.ModelProto{IrVersion: model.IrVersion, ProducerName: model.ProducerName, OpsetImport: model.OpsetImport,
		MetadataProps: model.MetadataProps})
	if err != nil {
		return err
	}
	length := int64(len(inner))
	for _, i := range weights {
		length += i.size()
	}
	outer = protowire.AppendTag(outer, modelGraph, protowire.BytesType)
	outer = protowire.AppendVarint(outer, uint64(length))
	if _, err := w.Write(append(outer, inner...)); err != nil {
		return err
	}
	for _, i := range weights {
		if err := i.write(w); err != nil {
			return err
		}
	}
	return nil
}

// inner is the length of the initialiser's message.
func (i initialiser) inner() int64 {
	return int64(proto.Size(i.head)) + int64(protowire.SizeTag(tensorRawData)+protowire.SizeBytes(4*len(i.values)))
}

// size is its length with the tag that it has in the graph.
func (i initialiser) size() int64 {
	return int64(protowire.SizeTag(graphInitializer)) + int64(protowire.SizeVarint(uint64(i.inner()))) + i.inner()
}

func (i initialiser) write(w io.Writer) error {
	b := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(i.inner()))
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, i.head)
	if err != nil {
		return err
	}
	b = protowire.AppendTag(b, tensorRawData, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(4*len(i.values)))
	const piece = 16 << 10 // numbers at a time
	for values := i.values; ; {
		n := min(piece, len(values))
		for _, v := range values[:n] {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if values, b = values[n:], b[:0]; len(values) == 0 {
			return nil
		}
	}
}

func littleEndian(values []int64) []byte {
	b := make([]byte, 0, 8*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}
