#!/usr/bin/env bash
# Fetches the operator tests of the onnx package from PyPI, once, and prints the folder for FOVEA_ONNX_TEST_DATA. Release 1.19.1
# is the last whose wheel has them. Needs python3 with pip; nothing of the package is run.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fovea/onnx-1.19.1
data=onnx/backend/test/data
if [ ! -d "$cache/$data/node" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 -d "$work" \
        onnx==1.19.1 >&2
    echo "1839af08ab4a909e4af936b8149c27f8c64b96138981024e251906e0539d8bf9  $(echo "$work"/onnx-1.19.1-*.whl)" | sha256sum --check --quiet >&2
    python3 -m zipfile -e "$work"/onnx-1.19.1-*.whl "$work/unpacked"
    mkdir -p "$(dirname "$cache")"
    rm -rf "$cache"
    mv "$work/unpacked" "$cache"
fi
echo "$cache/$data"
