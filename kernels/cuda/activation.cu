// Activations and their gradients, maxout, softmax and dropout.
// Element by element work gives each thread a pack of 16 bytes and reads of (x, y) only what the slope needs. Softmax gives
// each place a group of threads: a block of 256 or a warp along contiguous channels, one thread where channels lie apart;
// the row is read three times, the second and third time from the cache. Dropout spends one Philox block on four neighbours in
// logical (NCHW) order. All are bound by memory, dropout on the older cards by its multiplications.
#include "activate.cuh"
#include "classes.cuh"
#include "philox.cuh"

template <class T> __device__ void activate(T *y, const T *x, i64 n, int kind, float alpha) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	float v[V];
	fetch(v, x, i, n);
#pragma unroll
	for (int k = 0; k < V; k++) v[k] = activation_of(v[k], kind, alpha);
	place(y, v, i, n);
}

template <class T> __device__ void activate_backward(T *dx, const T *dy, const T *x, const T *y, i64 n, int kind, float alpha) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	float g[V], u[V] = {}, v[V] = {};
	fetch(g, dy, i, n);
	if (kind >= RELU) fetch(u, x, i, n);
	if (kind == SIGMOID || kind == TANH || kind == ELU) fetch(v, y, i, n);
#pragma unroll
	for (int k = 0; k < V; k++) g[k] *= slope_of(u[k], v[k], kind, alpha);
	place(dx, g, i, n);
}

// winner is the piece that maxout takes: the first NaN, else the first of the largest.
template <class T> __device__ inline int winner(const T *x, i64 step, int pieces, float &best) {
	int chosen = 0;
	best = to_float(x[0]);
	for (int j = 1; j < pieces && best == best; j++) {
		float v = to_float(x[j * step]);
		if (v > best || v != v) {
			best = v;
			chosen = j;
		}
	}
	return chosen;
}

// x[o, c*pieces+j, i] lies at ((o*channels+c)*pieces + j)*inner + i, which needs the flat o*channels+c alone.
template <class T> __device__ void maxout(T *y, const T *x, i64 n, i64 inner, int pieces) {
	i64 i = (i64)blockIdx.x * THREADS + threadIdx.x, rest;
	if (i >= n) return;
	i64 flat = split(i, inner, rest);
	float best;
	winner(x + flat * pieces * inner + rest, inner, pieces, best);
	put(y + i, best);
}

template <class T> __device__ void maxout_backward(T *dx, const T *dy, const T *x, i64 n, i64 inner, int pieces) {
	i64 i = (i64)blockIdx.x * THREADS + threadIdx.x, rest;
	if (i >= n) return;
	i64 flat = split(i, inner, rest);
	i64 base = flat * pieces * inner + rest;
	float best;
	int chosen = winner(x + base, inner, pieces, best);
	float g = to_float(dy[i]);
	for (int j = 0; j < pieces; j++) put(dx + base + j * inner, j == chosen ? g : 0.0f);
}

template <class T> __device__ void softmax(T *y, const T *x, const Classes &g, int logarithm) {
	int lane = threadIdx.x % g.lanes;
	i64 row = (i64)blockIdx.x * (THREADS / g.lanes) + threadIdx.x / g.lanes;
	int classes = row < g.rows ? g.classes : 0;
	i64 base = class_base(g, row);
	float largest = -INFINITY, sum = 0;
	for (int c = lane; c < classes; c += g.lanes) largest = fmaxf(largest, to_float(x[base + c * g.inner]));
	largest = group_max(largest, g.lanes);
	for (int c = lane; c < classes; c += g.lanes) sum += expf(to_float(x[base + c * g.inner]) - largest);
	sum = group_sum(sum, g.lanes);
	float log_sum = logf(sum), inverse = 1.0f / sum;
	for (int c = lane; c < classes; c += g.lanes) {
		float shifted = to_float(x[base + c * g.inner]) - largest;
		put(y + base + c * g.inner, logarithm ? shifted - log_sum : expf(shifted) * inverse);
	}
}

template <class T> __device__ void softmax_backward(T *dx, const T *dy, const T *y, const Classes &g, int logarithm) {
	int lane = threadIdx.x % g.lanes;
	i64 row = (i64)blockIdx.x * (THREADS / g.lanes) + threadIdx.x / g.lanes;
	int classes = row < g.rows ? g.classes : 0;
	i64 base = class_base(g, row);
	float sum = 0;
	for (int c = lane; c < classes; c += g.lanes) {
		float d = to_float(dy[base + c * g.inner]);
		sum += logarithm ? d : d * to_float(y[base + c * g.inner]);
	}
	sum = group_sum(sum, g.lanes);
	for (int c = lane; c < classes; c += g.lanes) {
		i64 i = base + c * g.inner;
		float d = to_float(dy[i]), v = to_float(y[i]);
		put(dx + i, logarithm ? d - expf(v) * sum : v * (d - sum));
	}
}

// If live is given it holds the stream, so that a recorded graph can be replayed with another.
__device__ inline Stream current(Stream s, const Stream *live) { return live ? *live : s; }

// dropout is for tensors whose memory is in logical order.
template <class T> __device__ void dropout(T *y, const T *x, i64 n, Stream s, const Stream *live, unsigned threshold, float factor) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	s = current(s, live);
	float v[V];
	fetch(v, x, i, n);
#pragma unroll
	for (int q = 0; q < V / 4; q++) {
		unsigned r[4];
		philox(r, s, (u64)i / 4 + q);
#pragma unroll
		for (int k = 0; k < 4; k++) v[4 * q + k] = r[k] >= threshold ? v[4 * q + k] * factor : 0.0f;
	}
	place(y, v, i, n);
}

struct Map {
	i64 elements;
	i64 places; // H*W
	i64 channels;
};

// dropout_map is for channels-last tensors: thread t has channel t % channels of four consecutive places; the four
// have consecutive logical numbers, starting at a multiple of four where H*W is one.
template <class T> __device__ void dropout_map(T *y, const T *x, const Map &g, Stream s, const Stream *live, unsigned threshold, float factor) {
	i64 t = (i64)blockIdx.x * THREADS + threadIdx.x;
	i64 quads = (g.places + 3) / 4;
	i64 c, quad;
	i64 rest = split(t, g.channels, c);
	i64 n = split(rest, quads, quad);
	if (n * g.places * g.channels >= g.elements) return;
	s = current(s, live);
	i64 place = quad * 4;
	i64 at = (n * g.places + place) * g.channels + c;
	i64 logical = (n * g.channels + c) * g.places + place;
	unsigned r[4];
	philox(r, s, (u64)logical / 4);
#pragma unroll
	for (int k = 0; k < 4; k++) {
		if (place + k >= g.places) continue;
		i64 e = logical + k;
		if (k > 0 && e % 4 == 0) philox(r, s, (u64)e / 4);
		int lane = (int)(e % 4);
		unsigned random = lane == 0 ? r[0] : lane == 1 ? r[1] : lane == 2 ? r[2] : r[3];
		put(y + at + k * g.channels, random >= threshold ? to_float(x[at + k * g.channels]) * factor : 0.0f);
	}
}

#define ACTIVATION(T, S) \
	ENTRY activate_##S(T *y, const T *x, i64 n, int kind, float alpha) { activate(y, x, n, kind, alpha); } \
	ENTRY activate_backward_##S(T *dx, const T *dy, const T *x, const T *y, i64 n, int kind, float alpha) { activate_backward(dx, dy, x, y, n, kind, alpha); } \
	ENTRY maxout_##S(T *y, const T *x, i64 n, i64 inner, int pieces) { maxout(y, x, n, inner, pieces); } \
	ENTRY maxout_backward_##S(T *dx, const T *dy, const T *x, i64 n, i64 inner, int pieces) { maxout_backward(dx, dy, x, n, inner, pieces); } \
	ENTRY softmax_##S(T *y, const T *x, Classes g, int logarithm) { softmax(y, x, g, logarithm); } \
	ENTRY softmax_backward_##S(T *dx, const T *dy, const T *y, Classes g, int logarithm) { softmax_backward(dx, dy, y, g, logarithm); } \
	ENTRY dropout_##S(T *y, const T *x, i64 n, Stream s, const Stream *live, unsigned threshold, float factor) { dropout(y, x, n, s, live, threshold, factor); } \
	ENTRY dropout_map_##S(T *y, const T *x, Map g, Stream s, const Stream *live, unsigned threshold, float factor) { dropout_map(y, x, g, s, live, threshold, factor); }
EACH_TYPE(ACTIVATION)
