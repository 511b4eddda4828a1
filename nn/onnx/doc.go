// Package onnx writes networks as ONNX files and reads ONNX files as layers.
//
// [Export] traces what a network computes in evaluation mode, so that every network can be written, whatever its layers.
// [Load] reads a convolutional network of another framework: it is a layer of package nn whose weights can be trained
// further. docs/onnx.md lists the operators.
package onnx
