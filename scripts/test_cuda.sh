#!/usr/bin/env bash
# Runs every suite that has a device to choose, in the CUDA build on cuda:0 of the emulated GPU. `make test-cuda` builds what
# this needs first.
# Arguments go to go test: scripts/test_cuda.sh -run Conformance ./device/cuda
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cuda_env.sh
export LD_LIBRARY_PATH="$PWD/device/cuda/emulator/build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export FOVEA_TEST_DEVICE=cuda:0
if [ $# -eq 0 ]; then
    set -- ./device ./device/cuda/... ./autograd/... ./nn/... ./cmd/...
fi
# -count=1: the test cache does not see LD_LIBRARY_PATH.
exec go test -tags cuda -count=1 "$@"
