#!/bin/sh
# Compares the emulated libraries with NVIDIA's own, which need no GPU for this:
# - what descriptor_table prints with each libcudnn is the same, line by line;
# - every function that we implement (not only stub) is exported by the real library, and under the same symbol version.
# usage: test_real.sh BUILD CUDA_HOME [LIST]   LIST: a file of further names that a program binds, one a line
set -eu
build=$1 cuda=$2 list=${3:-/dev/null}
lib=$cuda/lib
[ -e "$lib/libcudnn.so.9" ] || lib=$cuda/lib64
[ -e "$lib/libcudnn.so.9" ] || { echo "skip nn/test_real.sh: no libcudnn.so.9 under $cuda (make cuda-toolkit)"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

LD_LIBRARY_PATH=$lib "$build/nn/descriptor_table" "$lib/libcudnn.so.9" > "$work/real"
LD_LIBRARY_PATH=$build "$build/nn/descriptor_table" "$build/libcudnn.so.9" > "$work/emulated"
if ! diff "$work/real" "$work/emulated" > "$work/difference"; then
    echo "FAIL nn/test_real.sh: the descriptor functions differ (< real, > emulated):"
    head -20 "$work/difference"
    failed=1
fi

for name in libcudnn.so.9 libcublasLt.so.13 libcublas.so.13; do
    nm -D --defined-only "$lib/$name" | awk '$2 == "T" {print $3}' | sort > "$work/exported"
    base=${name#lib}
    base=${base%%.so*}
    # What we implement is what gen_stubs.py left out; every export of ours must be real under the same version.
    nm -D --defined-only "$build/$name" | awk '$2 == "T" {print $3}' | sort > "$work/ours"
    sed -n "s/^[a-zA-Z_ *]* \($base[A-Za-z0-9_]*\)(.*emu_unsupported.*/\1/p" "$build/gen/$base.cpp" | sort > "$work/stubs"
    sed 's/@.*//' "$work/ours" | sort | comm -23 - "$work/stubs" > "$work/implemented"
    [ "$(wc -l < "$work/implemented")" -ge 10 ] || { echo "FAIL nn/test_real.sh: $name: too few functions implemented"; failed=1; }
    for f in $(cat "$work/implemented") $(grep "^$base" "$list" || true); do
        grep -q "^$f@@$name\$" "$work/exported" || { echo "FAIL nn/test_real.sh: $f is not exported by the real $name"; failed=1; }
        grep -q "^$f@@$name\$" "$work/ours" || { echo "FAIL nn/test_real.sh: $f is not exported by the emulated $name"; failed=1; }
    done
    echo "     $name: $(wc -l < "$work/implemented") functions implemented, $(wc -l < "$work/stubs") stubs"
done
[ $failed = 0 ] && echo "ok   nn/test_real.sh ($(wc -l < "$work/real") lines alike)"
exit $failed
