// Losses from logits, their gradients, and the count of right answers.
// A group of threads takes a place (a row of classes), as softmax does; a block adds up its places in order and writes one
// partial sum, which sum_all (reduce.cu) adds up with one block. Cross-entropy's first pass can write the gradient for
// dloss = 1 as well, so that training reads the logits once. Losses of single numbers go in packs. Bound by memory.
#include "classes.cuh"

// block_total adds up one number per group, in the order of the groups, for thread 0.
__device__ inline float block_total(float v, int lanes) {
	__shared__ float all[THREADS];
	int groups = THREADS / lanes;
	__syncthreads();
	if (threadIdx.x % lanes == 0) all[threadIdx.x / lanes] = v;
	for (int half = groups / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half) all[threadIdx.x] += all[threadIdx.x + half];
	}
	__syncthreads();
	return all[0];
}

template <class T> __device__ void cross_entropy(float *partial, T *dx, const T *x, const int *labels, const float *dloss, const Classes &g, float share) {
	int lane = threadIdx.x % g.lanes, groups = THREADS / g.lanes;
	i64 low = blockIdx.x * g.perBlock, high = min(low + g.perBlock, g.rows);
	float total = 0;
	if (dloss) share *= *dloss;
	for (i64 start = low; start < high; start += groups) {
		i64 row = start + threadIdx.x / g.lanes;
		int classes = row < high ? g.classes : 0;
		i64 base = class_base(g, row);
		float largest = -INFINITY, sum = 0;
		for (int c = lane; c < classes; c += g.lanes) largest = fmaxf(largest, to_float(x[base + c * g.inner]));
		largest = group_max(largest, g.lanes);
		for (int c = lane; c < classes; c += g.lanes) sum += expf(to_float(x[base + c * g.inner]) - largest);
		sum = group_sum(sum, g.lanes);
		if (classes == 0) continue;
		int label = labels[row];
		total += (largest - to_float(x[base + label * g.inner])) + logf(sum);
		if (!dx) continue;
		float inverse = 1.0f / sum;
		for (int c = lane; c < classes; c += g.lanes) {
			float p = expf(to_float(x[base + c * g.inner]) - largest) * inverse;
			put(dx + base + c * g.inner, share * (c == label ? p - 1.0f : p));
		}
	}
	if (!partial) return;
	total = block_total(total, g.lanes);
	if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

struct Candidate {
	float value;
	int at;
};

// better keeps the larger, a NaN before any number, and the first of equals. at < 0 is nothing.
__device__ inline Candidate better(Candidate a, Candidate b) {
	if (a.at < 0) return b;
	if (b.at < 0) return a;
	bool a_nan = a.value != a.value, b_nan = b.value != b.value;
	if (a_nan != b_nan) return a_nan ? a : b;
	if (!a_nan && a.value != b.value) return a.value > b.value ? a : b;
	return a.at < b.at ? a : b;
}

template <class T> __device__ void count_correct(float *partial, const T *x, const int *labels, const Classes &g) {
	__shared__ Candidate warps[THREADS / 32];
	int lane = threadIdx.x % g.lanes, groups = THREADS / g.lanes;
	i64 low = blockIdx.x * g.perBlock, high = min(low + g.perBlock, g.rows);
	float total = 0;
	for (i64 start = low; start < high; start += groups) {
		i64 row = start + threadIdx.x / g.lanes;
		int classes = row < high ? g.classes : 0;
		i64 base = class_base(g, row);
		Candidate best = {0, -1};
		for (int c = lane; c < classes; c += g.lanes) best = better(best, Candidate{to_float(x[base + c * g.inner]), c});
		if (g.lanes > 1) {
			for (int step = 16; step > 0; step /= 2)
				best = better(best, Candidate{__shfl_xor_sync(ALL_LANES, best.value, step), __shfl_xor_sync(ALL_LANES, best.at, step)});
		}
		if (g.lanes == THREADS) {
			__syncthreads();
			if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = best;
			__syncthreads();
			for (int w = 0; w < THREADS / 32; w++) best = better(best, warps[w]);
		}
		if (classes > 0 && best.at == labels[row]) total++;
	}
	total = block_total(total, g.lanes);
	if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

enum { SQUARED_ERROR, LOGISTIC, HINGE }; // device.ElementLossKind

__device__ inline float element_loss_of(float x, float y, int kind) {
	if (kind == SQUARED_ERROR) return (x - y) * (x - y);
	if (kind == HINGE) {
		float margin = 1.0f - x * y;
		return margin <= 0 ? 0.0f : margin; // NaN stays
	}
	return (x <= 0 ? 0.0f : x) - x * y + log1pf(expf(-fabsf(x)));
}

__device__ inline float element_slope_of(float x, float y, int kind) {
	if (kind == SQUARED_ERROR) return 2.0f * (x - y);
	if (kind == HINGE) return x * y < 1.0f ? -y : 0.0f;
	return 1.0f / (1.0f + expf(-x)) - y;
}

template <class T> __device__ void element_loss(float *partial, const T *x, const T *y, i64 n, i64 perBlock, int kind) {
	const int V = Pack<T>::size;
	i64 low = blockIdx.x * perBlock, high = min(low + perBlock, n);
	float sum = 0;
	for (i64 i = low + threadIdx.x * V; i < high; i += THREADS * V) {
		float u[V], v[V];
		fetch(u, x, i, high);
		fetch(v, y, i, high);
#pragma unroll
		for (int k = 0; k < V; k++)
			if (i + k < high) sum += element_loss_of(u[k], v[k], kind);
	}
	sum = group_sum(sum, THREADS);
	if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <class T> __device__ void element_loss_backward(T *dx, const float *dloss, const T *x, const T *y, i64 n, int kind, float share) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	float factor = *dloss * share, u[V], v[V];
	fetch(u, x, i, n);
	fetch(v, y, i, n);
#pragma unroll
	for (int k = 0; k < V; k++) u[k] = factor * element_slope_of(u[k], v[k], kind);
	place(dx, u, i, n);
}

#define LOSS(T, S) \
	ENTRY cross_entropy_##S(float *partial, T *dx, const T *x, const int *labels, const float *dloss, Classes g, float share) { cross_entropy(partial, dx, x, labels, dloss, g, share); } \
	ENTRY count_correct_##S(float *partial, const T *x, const int *labels, Classes g) { count_correct(partial, x, labels, g); } \
	ENTRY element_loss_##S(float *partial, const T *x, const T *y, i64 n, i64 perBlock, int kind) { element_loss(partial, x, y, n, perBlock, kind); } \
	ENTRY element_loss_backward_##S(T *dx, const float *dloss, const T *x, const T *y, i64 n, int kind, float share) { element_loss_backward(dx, dloss, x, y, n, kind, share); }
EACH_TYPE(LOSS)
