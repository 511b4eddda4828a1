#!/bin/sh
# Compiles kernels.cu into kernels.fatbin: machine code for each architecture, and PTX for cards that are newer and for the
# emulator, uncompressed. Nothing happens if neither the sources nor the architectures have changed.
#
#   kernels/cuda/build.sh            all architectures
#   FOVEA_CUDA_ARCHS=90 kernels/cuda/build.sh     these only (a list, as "80 90"; empty: PTX alone)
#
# It also writes the registers and spills of each kernel to docs/benchmarks/cuda.md, and fails if a kernel spills.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cuda=$("$here/../../scripts/cuda_toolkit.sh" where)
archs=${FOVEA_CUDA_ARCHS-75 80 86 89 90 100 120}
target="$here/kernels.fatbin"

[ -x "$cuda/bin/nvcc" ] || { echo "kernels: no nvcc in $cuda: run scripts/cuda_toolkit.sh compiler" >&2; exit 1; }
command -v g++ >/dev/null || { echo "kernels: g++ not found: nvcc needs it to preprocess" >&2; exit 1; }

# One front-end run, for compute_75: the kernels use nothing newer, so all machine code comes from the same PTX.
codes=compute_75
for arch in $archs; do codes="$codes,sm_$arch"; done
state=$({ cd "$here" && cat ./*.cu ./*.cuh build.sh; "$cuda/bin/nvcc" --version; echo "$codes"; } | sha256sum | cut -d' ' -f1)
if [ -f "$target" ] && [ "$(cat "$target.state" 2>/dev/null)" = "$state" ]; then
	echo "kernels: up to date"
	exit 0
fi

work=$(mktemp -d "$here/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "kernels: compiling for $codes"
if ! "$cuda/bin/nvcc" -std=c++17 -O3 --fatbin --no-compress --threads 2 -Xptxas -v \
	-gencode "arch=compute_75,code=[$codes]" -o "$work/kernels.fatbin" "$here/kernels.cu" >"$work/log" 2>&1; then
	grep -v '^ptxas info' "$work/log" >&2
	exit 1
fi
grep -E '(error|warning)' "$work/log" >&2 && exit 1

# A row for each kernel and a column for each architecture: registers, and bytes of static shared memory once.
awk -v archs="$archs" '
	/Compiling entry function/ { match($0, /function .[A-Za-z0-9_]+/); kernel = substr($0, RSTART + 10, RLENGTH - 10)
		match($0, /sm_[0-9]+/); arch = substr($0, RSTART + 3, RLENGTH - 3); names[kernel] = 1 }
	/spill stores/ { if ($0 !~ /0 bytes spill stores, 0 bytes spill loads/) { print "kernels: " kernel " spills on sm_" arch ":" $0 > "/dev/stderr"; bad = 1 } }
	/Used [0-9]+ registers/ { match($0, /Used [0-9]+/); registers[kernel, arch] = substr($0, RSTART + 5, RLENGTH - 5)
		shared[kernel] = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0 }
	END {
		n = split(archs, list, " ")
		printf "| kernel | shared memory |"; for (i = 1; i <= n; i++) printf " sm_%s |", list[i]; print ""
		printf "|---|---|"; for (i = 1; i <= n; i++) printf "---|"; print ""
		for (kernel in names) order[++count] = kernel
		for (i = 2; i <= count; i++) for (j = i; j > 1 && order[j - 1] > order[j]; j--) { t = order[j]; order[j] = order[j - 1]; order[j - 1] = t }
		for (i = 1; i <= count; i++) { printf "| %s | %s |", order[i], shared[order[i]]
			for (j = 1; j <= n; j++) printf " %s |", registers[order[i], list[j]]; print "" }
		exit bad
	}' "$work/log" >"$work/table"
{
	echo "Registers per thread of each kernel, and its static shared memory in bytes, as ptxas reports them. Blocks have 256"
	echo "threads; no kernel spills. Written by kernels/cuda/build.sh."
	echo
	cat "$work/table"
} >"$work/ptxas.md"

# The report of a build for all architectures goes to the end of docs/benchmarks/cuda.md.
report="$here/../../docs/benchmarks/cuda.md"
if [ -z "${FOVEA_CUDA_ARCHS+set}" ] && [ -f "$report" ]; then
	{ sed '/<!-- ptxas -->/q' "$report" && cat "$work/ptxas.md"; } >"$work/cuda.md"
	cmp -s "$work/cuda.md" "$report" || cp "$work/cuda.md" "$report"
fi
mv "$work/kernels.fatbin" "$target"
echo "$state" >"$target.state"
echo "kernels: wrote $target ($(du -h "$target" | cut -f1))"
