// Kernels that work per channel on channels-last tensors see a matrix of rows x channels. A block takes lanes*V channels and
// perBlock rows; a thread stays with its V channels, so what it needs of them it reads once, and takes every
// (THREADS/lanes)-th row. V is a pack where the number of channels is a multiple of it, else 1.
#pragma once
#include "storage.cuh"

struct Columns {
	i64 rows;
	i64 perBlock;
	int channels;
	int lanes; // a power of two, at most 32
};

template <int V> struct Place {
	int lane, slot, slots, channel;
	i64 row, end;
	bool inside;

	__device__ inline Place(const Columns &g) {
		lane = threadIdx.x % g.lanes;
		slot = threadIdx.x / g.lanes;
		slots = THREADS / g.lanes;
		channel = (blockIdx.y * g.lanes + lane) * V;
		inside = channel < g.channels;
		row = (i64)blockIdx.x * g.perBlock + slot;
		end = (i64)(blockIdx.x + 1) * g.perBlock;
		if (end > g.rows) end = g.rows;
		if (!inside) row = end; // nothing to do, but still at the barriers
	}
};

// fold_slots adds up v over the slots of a block, pairwise from the far half; slot 0 then has the sums.
template <int V> __device__ inline void fold_slots(float (&v)[V], const Place<V> &at, int lanes) {
	__shared__ float sums[V][THREADS];
	__syncthreads();
#pragma unroll
	for (int k = 0; k < V; k++) sums[k][threadIdx.x] = v[k];
	for (int half = at.slots / 2; half > 0; half /= 2) {
		__syncthreads();
		if (at.slot < half)
#pragma unroll
			for (int k = 0; k < V; k++) sums[k][threadIdx.x] += sums[k][threadIdx.x + half * lanes];
	}
#pragma unroll
	for (int k = 0; k < V; k++) v[k] = sums[k][threadIdx.x];
}

// Where channel statistics of tensors [outer, channels, inner] with inner > 1 are wanted, a block takes one channel and
// perBlock of its outer*inner elements.
struct Rows {
	i64 elements; // outer*inner
	i64 inner;
	i64 perBlock;
	int channels;
};

__device__ inline i64 row_index(const Rows &g, i64 e) {
	i64 rest;
	i64 outer = split(e, g.inner, rest);
	return (outer * g.channels + blockIdx.y) * g.inner + rest;
}

// Linear walks a pack of consecutive elements of [outer, channels, inner] and knows the channel of each.
struct Channels {
	i64 elements;
	i64 inner;
	int channels;
};

struct Walk {
	i64 left; // elements before the channel changes
	int channel;

	__device__ inline Walk(const Channels &g, i64 i) {
		i64 rest, c;
		i64 q = split(i, g.inner, rest);
		split(q, g.channels, c);
		channel = (int)c;
		left = g.inner - rest;
	}
	__device__ inline void next(const Channels &g) {
		if (--left > 0) return;
		left = g.inner;
		if (++channel == g.channels) channel = 0;
	}
};
