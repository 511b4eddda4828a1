#!/usr/bin/env bash
# Packs what a machine with a GPU and no Go toolchain needs to check Fovea there into bin/gpu/check.tar.xz: the test
# binaries of every suite that runs on a device, train, bench, and MNIST where it is in the cache. The tests read their
# testdata from the repository, which must be there too. scripts/gpu_check.sh unpacks and runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cuda_env.sh

suites=(device/cuda autograd nn nn/fit nn/optim nn/weights nn/zoo)
limit_mib=60 # what some lent machines take is 64 MiB, with the repository

mkdir -p bin/gpu
work=$(mktemp -d bin/gpu/.build.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/check" "$work/check/tests"
flags=(-tags cuda -ldflags=-s\ -w) # as the other builds, for the cache
for suite in "${suites[@]}"; do
    echo "gpu-check: building the tests of $suite"
    go test -c "${flags[@]}" -o "$work/check/tests/${suite//\//-}.test" "./$suite"
    echo "$suite ${suite//\//-}.test" >>"$work/check/suites"
done
echo "gpu-check: building train and bench"
go build "${flags[@]}" -o "$work/check/" ./cmd/train ./cmd/bench
{ git describe --always --dirty 2>/dev/null || echo unknown; } >"$work/check/commit"
mnist=${XDG_CACHE_HOME:-$HOME/.cache}/fovea/mnist
if [ -d "$mnist" ]; then cp -r "$mnist" "$work/check/mnist"; fi

# What the binaries need of the C library decides where they start.
glibc=$(objdump -T "$work"/check/train "$work"/check/bench "$work"/check/tests/*.test | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)

# All binaries hold the same kernels and much of the same code: with a window larger than one of them that is packed once.
tar -C "$work" --sort=name -cf - check | xz -T1 --lzma2=preset=1,dict=96MiB >"$work/check.tar.xz"
size=$(($(stat -c %s "$work/check.tar.xz") >> 20))
if [ "$size" -ge $limit_mib ]; then
    echo "gpu-check: bin/gpu/check.tar.xz would have $size MiB, expected less than $limit_mib" >&2
    exit 1
fi
mv "$work/check.tar.xz" bin/gpu/check.tar.xz
echo "gpu-check: bin/gpu/check.tar.xz, $size MiB ($(du -sm "$work/check" | cut -f1) MiB unpacked); needs ${glibc/_/ } or later"
