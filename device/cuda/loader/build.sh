#!/usr/bin/env bash
# Builds the stand-in for libcuda (loader.c) for linking: DIR/libcuda.a. Usage: build.sh CUDA_INCLUDE DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
include=$1 out=$2
mkdir -p "$out"
work=$(mktemp -d "$out/.loader.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Every driver function that the headers declare, by the name that is linked against (cuMemAlloc is cuMemAlloc_v2 there).
printf '#include <cuda.h>\n' | gcc -E -P -I"$here/../include" -I"$include" - | tr '\n' ' ' |
    grep -oE '\bCUresult +(__attribute__\(\([^)]*\)\) +)?cu[A-Za-z0-9_]+ *\(' |
    grep -oE 'cu[A-Za-z0-9_]+ *\(' | tr -d ' (' | grep -vx cuInit | sort -u > "$work/names"

{
    printf '\t.text\n'
    i=0
    while read -r name; do
        printf '\t.globl %s\n\t.type %s, @function\n%s:\tmovq fovea_cuda_table+%d(%%rip), %%r11\n\tjmp *%%r11\n' "$name" "$name" "$name" $((8 * i))
        i=$((i + 1))
    done < "$work/names"
    printf '\t.section .rodata\n\t.globl fovea_cuda_count\n\t.align 4\nfovea_cuda_count:\t.long %d\n' "$i"
    i=0
    while read -r name; do
        printf 'name%d:\t.asciz "%s"\n' "$i" "$name"
        i=$((i + 1))
    done < "$work/names"
    printf '\t.section .data.rel.ro, "aw"\n\t.align 8\n\t.globl fovea_cuda_names\nfovea_cuda_names:\n'
    for ((k = 0; k < i; k++)); do printf '\t.quad name%d\n' "$k"; done
    printf '\t.data\n\t.align 8\n\t.globl fovea_cuda_table\nfovea_cuda_table:\n'
    for ((k = 0; k < i; k++)); do printf '\t.quad fovea_cuda_missing\n'; done
    printf '\t.section .note.GNU-stack, "", @progbits\n'
} > "$work/trampolines.S"

gcc -c -O2 -fPIC -Wall -Wextra -Werror -o "$work/loader.o" "$here/loader.c"
gcc -c -fPIC -o "$work/trampolines.o" "$work/trampolines.S"
rm -f "$work/libcuda.a"
ar rcs "$work/libcuda.a" "$work/loader.o" "$work/trampolines.o"
mv "$work/libcuda.a" "$out/libcuda.a"
