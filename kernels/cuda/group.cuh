// Sums, maxima and the like over the threads of a group: 1, 32 or all 256 threads of a block, in an order that depends on
// the group's size alone. Every thread of the block must call, and every thread of the group gets the result.
#pragma once
#include "storage.cuh"

const unsigned ALL_LANES = 0xffffffffu;

struct Sum {
	__device__ float operator()(float a, float b) const { return a + b; }
};
struct Largest {
	__device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <class Op> __device__ inline float group_fold(float v, int lanes, Op op) {
	__shared__ float warps[THREADS / 32];
	if (lanes == 1) return v;
#pragma unroll
	for (int step = 16; step > 0; step >>= 1) v = op(v, __shfl_xor_sync(ALL_LANES, v, step));
	if (lanes == 32) return v;
	__syncthreads();
	if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;
	__syncthreads();
	v = warps[0];
#pragma unroll
	for (int w = 1; w < THREADS / 32; w++) v = op(v, warps[w]);
	return v;
}

__device__ inline float group_sum(float v, int lanes) { return group_fold(v, lanes, Sum()); }
__device__ inline float group_max(float v, int lanes) { return group_fold(v, lanes, Largest()); }
