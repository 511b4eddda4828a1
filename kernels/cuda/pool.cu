// Pooling and its gradient on channels-last maps.
// A block works on a tile of the map it writes, for up to 32 packs of channels; windows that overlap read the shared rows from
// the cache. The backward pass gathers: each input element looks at the windows that hold it, in ascending order, and takes a
// window's gradient if it is the element that was chosen, which it is if it equals y and no earlier element of the
// window does. So no positions need to be kept, no atomics used. Bound by memory: x (and y, dy) read once, the result written.
#include "tile.cuh"

enum { MAX_POOL, MIN_POOL, AVERAGE_POOL }; // device.PoolKind

struct Pool {
	int height, width, rows, cols; // of x and of y
	int window[2], stride[2];
	int before[2], after[2]; // padding
	int kind, countPadding;
};

// span is the part [low, high) of an axis that window p covers; the result is what the mean counts with padding.
__device__ inline int span(const Pool &g, int axis, int p, int in, int &low, int &high) {
	int start = p * g.stride[axis] - g.before[axis];
	int end = min(start + g.window[axis], in + g.after[axis]);
	low = max(start, 0);
	high = min(end, in);
	return end - start;
}

__device__ inline int divisor(const Pool &g, int counted, int low0, int high0, int low1, int high1) {
	return g.countPadding ? counted : (high0 - low0) * (high1 - low1);
}

template <class T, int V> __device__ void pool(T *y, const T *x, const Tiles &g, const Pool &s) {
	Spot<V> at(g);
	if (at.channel >= g.channels) return;
	x += sample(at.n, at.channel, s.height, s.width, g.channels);
	y += sample(at.n, at.channel, s.rows, s.cols, g.channels);
	for (int i = at.slot; i < g.tileRows * g.tileCols; i += at.slots) {
		int p = at.row0 + i / g.tileCols, q = at.col0 + i % g.tileCols;
		if (p >= g.rows || q >= g.cols) continue;
		int top, bottom, left, right;
		int counted = span(s, 0, p, s.height, top, bottom);
		counted *= span(s, 1, q, s.width, left, right);
		float best[V];
#pragma unroll
		for (int k = 0; k < V; k++) best[k] = s.kind == MAX_POOL ? -INFINITY : s.kind == MIN_POOL ? INFINITY : 0.0f;
		for (int h = top; h < bottom; h++)
			for (int w = left; w < right; w++) {
				float v[V];
				load(v, x + at_place(h, w, s.width, g.channels));
#pragma unroll
				for (int k = 0; k < V; k++) {
					if (s.kind == AVERAGE_POOL)
						best[k] += v[k];
					else if (v[k] != v[k] || (s.kind == MAX_POOL ? v[k] > best[k] : v[k] < best[k]))
						best[k] = v[k]; // comparing with NaN is false, so a NaN stays
				}
			}
		if (s.kind == AVERAGE_POOL) {
			float count = (float)divisor(s, counted, top, bottom, left, right);
#pragma unroll
			for (int k = 0; k < V; k++) best[k] /= count;
		}
		store(y + at_place(p, q, s.cols, g.channels), best);
	}
}

__device__ inline bool same(float a, float b) { return a == b || (a != a && b != b); }

// holders is the range [low, high) of windows that hold element e of an axis.
__device__ inline void holders(const Pool &g, int axis, int e, int out, int &low, int &high) {
	int from = e + g.before[axis];
	low = from < g.window[axis] ? 0 : (from - g.window[axis]) / g.stride[axis] + 1;
	high = min(from / g.stride[axis] + 1, out);
}

template <class T, int V> __device__ void pool_backward(T *dx, const T *dy, const T *x, const T *y, const Tiles &g, const Pool &s) {
	Spot<V> at(g);
	if (at.channel >= g.channels) return;
	i64 in = sample(at.n, at.channel, s.height, s.width, g.channels), out = sample(at.n, at.channel, s.rows, s.cols, g.channels);
	x += in, dx += in;
	y += out, dy += out;
	for (int i = at.slot; i < g.tileRows * g.tileCols; i += at.slots) {
		int h = at.row0 + i / g.tileCols, w = at.col0 + i % g.tileCols;
		if (h >= g.rows || w >= g.cols) continue;
		int p0, p1, q0, q1;
		holders(s, 0, h, s.rows, p0, p1);
		holders(s, 1, w, s.cols, q0, q1);
		int here = at_place(h, w, s.width, g.channels);
		float sum[V] = {}, own[V];
		if (s.kind != AVERAGE_POOL) load(own, x + here);
		for (int p = p0; p < p1; p++)
			for (int q = q0; q < q1; q++) {
				int there = at_place(p, q, s.cols, g.channels);
				int top, bottom, left, right;
				int counted = span(s, 0, p, s.height, top, bottom);
				counted *= span(s, 1, q, s.width, left, right);
				float d[V];
				if (s.kind == AVERAGE_POOL) {
					load(d, dy + there);
					float count = (float)divisor(s, counted, top, bottom, left, right);
#pragma unroll
					for (int k = 0; k < V; k++) sum[k] += d[k] / count;
					continue;
				}
				float taken[V];
				bool chosen[V], any = false;
				load(taken, y + there);
#pragma unroll
				for (int k = 0; k < V; k++) {
					chosen[k] = same(own[k], taken[k]);
					any |= chosen[k];
				}
				if (!any) continue;
				for (int r = top; r <= h; r++)
					for (int c = left; c < (r == h ? w : right); c++) {
						float earlier[V];
						load(earlier, x + at_place(r, c, s.width, g.channels));
#pragma unroll
						for (int k = 0; k < V; k++) chosen[k] &= !same(earlier[k], taken[k]);
					}
				load(d, dy + there);
#pragma unroll
				for (int k = 0; k < V; k++) sum[k] += chosen[k] ? d[k] : 0.0f;
			}
		store(dx + here, sum);
	}
}

#define POOL(T, S) \
	TILED_ENTRY pool_##S(T *y, const T *x, Tiles g, Pool s) { pool<T, 1>(y, x, g, s); } \
	TILED_ENTRY pool_pack_##S(T *y, const T *x, Tiles g, Pool s) { pool<T, Pack<T>::size>(y, x, g, s); } \
	TILED_ENTRY pool_backward_##S(T *dx, const T *dy, const T *x, const T *y, Tiles g, Pool s) { pool_backward<T, 1>(dx, dy, x, y, g, s); } \
	TILED_ENTRY pool_backward_pack_##S(T *dx, const T *dy, const T *x, const T *y, Tiles g, Pool s) { pool_backward<T, Pack<T>::size>(dx, dy, x, y, g, s); }
EACH_TYPE(POOL)
