// Sums over any axes, in two stages and a fixed order. The first stage gives each block a stretch of the summed axes of one
// or more results and writes float partial sums [segments, results]; the second adds the segments up. With one
// segment the first stage writes the result itself. reduce_inner is for summed axes that lie innermost: a group of 32 or 256
// threads per result. reduce_outer is for kept axes that lie innermost: 32 neighbouring results, 8 threads on each.
// sum_columns is the case of a bias gradient on a channels-last tensor, in packs. Bound by reading x once.
#include "columns.cuh"
#include "group.cuh"
#include "strided.cuh"

struct Reduction {
	i64 kept[RANK], keptStride[RANK]; // extents and strides in x, innermost last
	i64 summed[RANK], summedStride[RANK];
	i64 results, elements;    // products of the extents
	i64 perSegment;
	int segments, lanes;
};

__device__ inline i64 offset_of(const i64 (&extent)[RANK], const i64 (&stride)[RANK], i64 i) {
	i64 offset = 0, at;
#pragma unroll
	for (int d = RANK - 1; d >= 0; d--) {
		if (extent[d] == 1) continue;
		i = split(i, extent[d], at);
		offset += at * stride[d];
	}
	return offset;
}

template <class T, class Y> __device__ void reduce_inner(Y *y, float *partial, const T *x, const Reduction &g, float factor) {
	int lane = threadIdx.x % g.lanes;
	i64 result = (i64)blockIdx.x * (THREADS / g.lanes) + threadIdx.x / g.lanes;
	i64 low = blockIdx.y * g.perSegment, high = low + g.perSegment;
	if (high > g.elements) high = g.elements;
	float sum = 0;
	if (result < g.results) {
		const T *base = x + offset_of(g.kept, g.keptStride, result);
		for (i64 e = low + lane; e < high; e += g.lanes) sum += to_float(base[offset_of(g.summed, g.summedStride, e)]);
	}
	sum = group_sum(sum, g.lanes);
	if (lane != 0 || result >= g.results) return;
	if (g.segments > 1)
		partial[blockIdx.y * g.results + result] = sum;
	else
		put(y + result, factor * sum);
}

template <class T, class Y> __device__ void reduce_outer(Y *y, float *partial, const T *x, const Reduction &g, float factor) {
	__shared__ float sums[8][33];
	int lane = threadIdx.x % 32, slot = threadIdx.x / 32;
	i64 result = (i64)blockIdx.x * 32 + lane;
	i64 low = blockIdx.y * g.perSegment, high = low + g.perSegment;
	if (high > g.elements) high = g.elements;
	float sum = 0;
	if (result < g.results) {
		const T *base = x + offset_of(g.kept, g.keptStride, result);
		for (i64 e = low + slot; e < high; e += 8) sum += to_float(base[offset_of(g.summed, g.summedStride, e)]);
	}
	sums[slot][lane] = sum;
	__syncthreads();
	if (slot != 0 || result >= g.results) return;
	for (int s = 1; s < 8; s++) sum += sums[s][lane];
	if (g.segments > 1)
		partial[blockIdx.y * g.results + result] = sum;
	else
		put(y + result, factor * sum);
}

template <class T, int V> __device__ void sum_columns(float *partial, const T *x, Columns g) {
	Place<V> at(g);
	float sum[V] = {};
	for (i64 r = at.row; r < at.end; r += at.slots) {
		float v[V];
		load(v, x + r * g.channels + at.channel);
#pragma unroll
		for (int k = 0; k < V; k++) sum[k] += v[k];
	}
	fold_slots(sum, at, g.lanes);
	if (at.slot == 0 && at.inside) store(partial + (i64)blockIdx.x * g.channels + at.channel, sum);
}

// reduce_finish adds up partial [segments, results]: 8 results a block, 32 threads on each.
template <class Y> __device__ void reduce_finish(Y *y, const float *partial, i64 results, i64 segments, float factor) {
	__shared__ float sums[32][8];
	int lane = threadIdx.x % 8, slot = threadIdx.x / 8;
	i64 result = (i64)blockIdx.x * 8 + lane;
	float sum = 0;
	if (result < results)
		for (i64 s = slot; s < segments; s += 32) sum += partial[s * results + result];
	sums[slot][lane] = sum;
	__syncthreads();
	if (slot != 0 || result >= results) return;
	for (int s = 1; s < 32; s++) sum += sums[s][lane];
	put(y + result, factor * sum);
}

// sum_all adds up n floats with one block: y = (accumulate ? y : 0) + factor * sum.
ENTRY sum_all(float *y, const float *partial, i64 n, float factor, int accumulate) {
	float sum = 0;
	for (i64 i = threadIdx.x; i < n; i += THREADS) sum += partial[i];
	sum = group_sum(sum, THREADS);
	if (threadIdx.x == 0) *y = (accumulate ? *y : 0.0f) + factor * sum;
}

#define REDUCE(T, Y, S) \
	ENTRY reduce_inner_##S(Y *y, float *partial, const T *x, Reduction g, float factor) { reduce_inner(y, partial, x, g, factor); } \
	ENTRY reduce_outer_##S(Y *y, float *partial, const T *x, Reduction g, float factor) { reduce_outer(y, partial, x, g, factor); }
REDUCE(float, float, f32)
REDUCE(bf16, bf16, bf16)
REDUCE(bf16, float, bf16_f32)

#define SUM_COLUMNS(T, S) \
	ENTRY sum_columns_##S(float *partial, const T *x, Columns g) { sum_columns<T, 1>(partial, x, g); } \
	ENTRY sum_columns_pack_##S(float *partial, const T *x, Columns g) { sum_columns<T, Pack<T>::size>(partial, x, g); } \
	ENTRY reduce_finish_##S(T *y, const float *partial, i64 results, i64 segments, float factor) { reduce_finish(y, partial, results, segments, factor); }
EACH_TYPE(SUM_COLUMNS)
