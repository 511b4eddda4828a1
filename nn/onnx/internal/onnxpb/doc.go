// Package onnxpb is the ONNX file format as the compiler of protocol buffers makes it from onnx.proto.
package onnxpb

//go:generate ./generate.sh
