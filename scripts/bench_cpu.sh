#!/usr/bin/env bash
# Measures what docs/benchmarks/cpu.md shows: every network against PyTorch and ONNX Runtime on the same two threads, in
# turns. Takes 20 minutes; nothing else should run. FOVEA_PEER_PYTHON names a Python with torch, onnx and onnxruntime.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/bench" ./cmd/bench
bench() {
    echo "\$ bench --threads 2 $*"
    "$work/bench" --threads 2 "$@"
}
bench --models sgemm2048 --work infer --steps 15 --peer pytorch
for model in resnet18 vgg16 resnet50 alexnet; do
    bench --models "$model" --work train --steps 5 --peer pytorch
    bench --models "$model" --work infer --steps 7 --peer onnxruntime
    bench --models "$model" --work infer --steps 11 --batch 1 --peer onnxruntime
done
for model in mlp cnn-small cnn-large; do
    bench --models "$model" --work train --steps 15 --peer pytorch
done
bench --models resnet18,vgg16,resnet50,alexnet,mlp,cnn-small,cnn-large --work train --steps 5 --scaling
