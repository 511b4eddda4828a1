#!/bin/sh
# Makes onnx.pb.go from onnx.proto. Needs Python with grpcio-tools (PyPI), which brings protoc: PYTHON names it.
set -eu
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PATH=$tools:$PATH "${PYTHON:-python3}" -m grpc_tools.protoc -I. --go_out=. --go_opt=paths=source_relative \
	--go_opt=Monnx.proto=fovea/nn/onnx/internal/onnxpb onnx.proto
