package tensorboard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"math"
	"strconv"
)

// Numbers of the fields of tensorflow/core/framework/summary.proto and tensor.proto.
const (
	valueTag      = 1
	valueTensor   = 8
	valueMetadata = 9

	metadataPlugin = 1
	metadataClass  = 4

	pluginName = 1

	tensorType    = 1
	tensorShape   = 2
	tensorContent = 4
	tensorStrings = 8

	shapeDimension = 2
	dimensionSize  = 1
)

// Types of tensors (tensorflow/core/framework/types.proto).
const (
	typeFloat  = 1
	typeDouble = 2
	typeString = 7
)

// Classes of data, by which TensorBoard's server knows how to keep it (SummaryMetadata.DataClass).
const (
	classScalar = 1
	classTensor = 2
	classBlobs  = 3
)

// Value is something that TensorBoard shows under a tag. Slashes in a tag make groups.
type Value struct {
	encoded []byte
	err     error
}

// Scalar is a number, of which TensorBoard draws a curve. It is kept in single precision, as TensorFlow does.
func Scalar(tag string, value float64) Value {
	content := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(value)))
	return newValue(tag, "scalars", classScalar, tensor(typeFloat, nil, message(nil, tensorContent, content)))
}

// Text is shown as Markdown.
func Text(tag, markdown string) Value {
	return newValue(tag, "text", classTensor, tensor(typeString, nil, text(nil, tensorStrings, markdown)))
}

// Image is a picture.
func Image(tag string, m image.Image) Value {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return Value{err: fmt.Errorf("picture %q: %w", tag, err)}
	}
	return PNG(tag, b.Bytes())
}

// PNG is a picture that is encoded already.
func PNG(tag string, picture []byte) Value {
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return Value{err: fmt.Errorf("picture %q: %w", tag, err)}
	}
	content := text(nil, tensorStrings, strconv.Itoa(size.Width))
	content = text(content, tensorStrings, strconv.Itoa(size.Height))
	content = message(content, tensorStrings, picture)
	return newValue(tag, "images", classBlobs, tensor(typeString, []int{3}, content))
}

// Bin is how many values lie from Low to High.
type Bin struct{ Low, High, Count float64 }

// Histogram is how values are spread: bins that follow one another.
func Histogram(tag string, bins []Bin) Value {
	var content []byte
	for _, b := range bins {
		for _, v := range []float64{b.Low, b.High, b.Count} {
			content = binary.LittleEndian.AppendUint64(content, math.Float64bits(v))
		}
	}
	return newValue(tag, "histograms", classTensor, tensor(typeDouble, []int{len(bins), 3}, message(nil, tensorContent, content)))
}

func newValue(tag, plugin string, class uint64, tensor []byte) Value {
	metadata := message(nil, metadataPlugin, text(nil, pluginName, plugin))
	b := text(nil, valueTag, tag)
	b = message(b, valueTensor, tensor)
	return Value{encoded: message(b, valueMetadata, number(metadata, metadataClass, class))}
}

func tensor(kind uint64, shape []int, content []byte) []byte {
	var dimensions []byte
	for _, d := range shape {
		dimensions = message(dimensions, shapeDimension, number(nil, dimensionSize, uint64(d)))
	}
	b := number(nil, tensorType, kind)
	return append(message(b, tensorShape, dimensions), content...)
}
