#!/usr/bin/env bash
# Compiles the CUDA build and the emulated GPU against CUDA 12's headers, checks that what they call is in CUDA 12's
# libraries, and runs a few operations of that build on the emulated GPU. `make cuda12` prepares what this needs.
set -euo pipefail
cd "$(dirname "$0")/.."
export FOVEA_CUDA=12
. scripts/cuda_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

device/cuda/loader/build.sh "$fovea_cuda/include" "$fovea_lib"
echo "cuda12: go vet"
go vet -tags cuda ./device/cuda/... ./cmd/...
echo "cuda12: go build"
go build -tags cuda -o "$work/" ./cmd/...
scripts/cuda_bound.sh

# Prototypes of the emulated libraries against these headers; the tests among them are written for CUDA 13.
echo "cuda12: the emulated GPU"
failed=0
for source in device/cuda/emulator/{driver,nn}/*.cpp; do
    case $(basename "$source") in test_* | descriptor_table.cpp) continue ;; esac
    g++ -std=c++17 -fsyntax-only -pthread -Wall -Wextra -Werror -D__CUDA_API_VERSION_INTERNAL -isystem "$fovea_cuda/include" "$source" || failed=1
done
[ $failed = 0 ]

# The emulated cuBLASLt goes by both names.
emulator=$PWD/device/cuda/emulator/build
ln -s "$emulator/libcublasLt.so.13" "$work/libcublasLt.so.12"
echo "cuda12: a few operations"
LD_LIBRARY_PATH="$work:$emulator" go test -tags cuda -count=1 -run '^TestConformance$/^(conv2d|linear|softmax|batch_norm)$' ./device/cuda
