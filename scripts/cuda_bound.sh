#!/usr/bin/env bash
# Checks, for one version of CUDA, that every function which the CUDA build calls exists in NVIDIA's libraries:
# - cuDNN's and cuBLASLt's (device/cuda/bound.h) are among what the real libraries export;
# - the driver's, read from the compiled packages, are among what NVIDIA's cuda.h declares for libcuda, older versions of
#   functions included, and our shadow header declares none of them differently.
#
#   scripts/cuda_bound.sh            CUDA 13
#   FOVEA_CUDA=12 scripts/cuda_bound.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cuda_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# missing WHAT WHERE: names of $work/called that are not in $work/there.
missing() {
    [ -s "$work/called" ] || { echo "bound: no $1 found: this check is broken" >&2; exit 1; }
    if comm -23 "$work/called" "$work/there" | grep . >"$work/lost"; then
        echo "bound: not in $2: $(paste -sd ' ' "$work/lost")" >&2
        failed=1
    else
        echo "bound: $(wc -l <"$work/called") $1, all in $2"
    fi
}

for library in cudnn:CUDNN cublasLt:CUBLASLT; do
    list=$(echo "$fovea_cuda/exports/lib${library%:*}.so."*)
    [ -f "$list" ] || { echo "bound: no list of what lib${library%:*} exports in $fovea_cuda/exports: run scripts/cuda_toolkit.sh${FOVEA_CUDA:+ -$FOVEA_CUDA} headers" >&2; exit 1; }
    sed -n "s/^${library#*:}(\([A-Za-z0-9_]*\))$/\1/p" device/cuda/bound.h | sort -u >"$work/called"
    sort -u "$list" >"$work/there"
    missing "functions of ${library%:*}" "$(basename "$list") of $fovea_cuda"
done

# With this macro cuda.h declares every entry point of libcuda by its own name.
every='-D__CUDA_API_VERSION_INTERNAL'
printf '#include <cuda.h>\n' | gcc -fsyntax-only -Werror $every -Idevice/cuda/include -I"$fovea_cuda/include" -x c - || failed=1
printf '#include <cuda.h>\n' | gcc -E -P $every -I"$fovea_cuda/include" -x c - | tr '\n' ' ' |
    grep -oE '\bCUresult +(__attribute__\(\([^)]*\)\) +)?cu[A-Za-z0-9_]+ *\(' | grep -oE 'cu[A-Za-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/there"
go list -export -tags cuda -f '{{.Export}}' gorgonia.org/cu ./device/cuda >"$work/archives"
while read -r archive; do nm "$archive" 2>/dev/null; done <"$work/archives" >"$work/symbols"
awk '$1 == "U" && $2 ~ /^cu[A-Z]/ { print $2 }' "$work/symbols" | sort -u >"$work/undefined"
awk '$2 ~ /^[TtDd]$/ { print $3 }' "$work/symbols" | sort -u >"$work/defined" # gorgonia.org/cu has C functions of such names too
comm -23 "$work/undefined" "$work/defined" >"$work/called"
missing "functions of the driver" "$fovea_cuda/include/cuda.h"
exit $failed
