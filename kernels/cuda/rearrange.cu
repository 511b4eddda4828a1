// Moving elements: boxes between tensors, masks turned by 180 degrees, and up-sampling.
// copy_region and rotate180 move units of 2, 4 or 16 bytes, whatever they mean, one a thread: the largest that every offset and
// innermost run is a multiple of. Up-sampling works on tiles of the map it writes; its positions are ratios of integers,
// so that the rows chosen are exact; the backward pass gathers from the outputs that read an element, in ascending order.
// Bound by memory: each element that is moved is read once and written once.
#include "strided.cuh"
#include "tile.cuh"

template <class U> __device__ void copy_region(U *dst, const U *src, i64 n, const Box &box) {
	i64 i = (i64)blockIdx.x * THREADS + threadIdx.x;
	if (i >= n) return;
	Cursor at;
	at.start(box, i);
	dst[at.a] = src[at.b];
}

// rotate180 turns w [outer, mask, inner] over: y[o, mask-1-j, i] = w[o, j, i].
template <class U> __device__ void rotate180(U *y, const U *w, i64 n, i64 mask, i64 inner) {
	i64 i = (i64)blockIdx.x * THREADS + threadIdx.x, in, j;
	if (i >= n) return;
	i64 rest = split(i, inner, in);
	i64 outer = split(rest, mask, j);
	y[(outer * mask + mask - 1 - j) * inner + in] = w[i];
}

#define MOVE(U, S) \
	ENTRY copy_region_##S(U *dst, const U *src, i64 n, Box box) { copy_region(dst, src, n, box); } \
	ENTRY rotate180_##S(U *y, const U *w, i64 n, i64 mask, i64 inner) { rotate180(y, w, n, mask, inner); }
MOVE(unsigned short, 2)
MOVE(unsigned, 4)
MOVE(uint4, 16)

// Axis is where output position p of an axis reads: at (step*p + offset) / divisor, not below 0.
struct Axis {
	int step, offset, divisor;
	int in, out;
	int interpolate;
};

struct Upsample {
	Axis row, col;
};

__device__ inline int source(const Axis &a, int p, int &high, float &fraction) {
	int at = max(a.step * p + a.offset, 0);
	int low = min(at / a.divisor, a.in - 1);
	high = low;
	fraction = 0;
	if (a.interpolate) {
		fraction = (float)(at - low * a.divisor) / (float)a.divisor;
		high = min(low + 1, a.in - 1);
	}
	return low;
}

// readers is a range [first, last] of output positions that holds those which read element e of the axis.
__device__ inline void readers(const Axis &a, int e, int &from, int &to) {
	from = 0;
	to = a.out - 1;
	if (a.step == 0) return;
	if (e > 1) from = max(((e - 1) * a.divisor - a.offset) / a.step, 0);
	if (e < a.in - 1) to = min(((e + 1) * a.divisor - a.offset) / a.step + 1, to);
}

template <class T, int V> __device__ void upsample(T *y, const T *x, const Tiles &g, const Upsample &u) {
	Spot<V> at(g);
	if (at.channel >= g.channels) return;
	x += sample(at.n, at.channel, u.row.in, u.col.in, g.channels);
	y += sample(at.n, at.channel, g.rows, g.cols, g.channels);
	for (int i = at.slot; i < g.tileRows * g.tileCols; i += at.slots) {
		int row = at.row0 + i / g.tileCols, col = at.col0 + i % g.tileCols;
		if (row >= g.rows || col >= g.cols) continue;
		int bottom, right;
		float down, across;
		int top = source(u.row, row, bottom, down), left = source(u.col, col, right, across);
		float a[V];
		load(a, x + at_place(top, left, u.col.in, g.channels));
		if (u.row.interpolate) {
			float b[V], c[V], d[V];
			load(b, x + at_place(top, right, u.col.in, g.channels));
			load(c, x + at_place(bottom, left, u.col.in, g.channels));
			load(d, x + at_place(bottom, right, u.col.in, g.channels));
#pragma unroll
			for (int k = 0; k < V; k++)
				a[k] = (1 - down) * (1 - across) * a[k] + (1 - down) * across * b[k] + down * (1 - across) * c[k] + down * across * d[k];
		}
		store(y + at_place(row, col, g.cols, g.channels), a);
	}
}

// weight is how much output position p takes of element e; used says whether it reads it at all.
__device__ inline float weight(const Axis &a, int p, int e, bool &used) {
	int high;
	float fraction;
	int low = source(a, p, high, fraction);
	used = low == e || high == e;
	return (low == e ? 1 - fraction : 0.0f) + (a.interpolate && high == e ? fraction : 0.0f);
}

template <class T, int V> __device__ void upsample_backward(T *dx, const T *dy, const Tiles &g, const Upsample &u) {
	Spot<V> at(g);
	if (at.channel >= g.channels) return;
	dx += sample(at.n, at.channel, g.rows, g.cols, g.channels);
	dy += sample(at.n, at.channel, u.row.out, u.col.out, g.channels);
	for (int i = at.slot; i < g.tileRows * g.tileCols; i += at.slots) {
		int row = at.row0 + i / g.tileCols, col = at.col0 + i % g.tileCols;
		if (row >= g.rows || col >= g.cols) continue;
		int top, bottom, left, right;
		readers(u.row, row, top, bottom);
		readers(u.col, col, left, right);
		float sum[V] = {};
		for (int p = top; p <= bottom; p++) {
			bool used;
			float down = weight(u.row, p, row, used);
			if (!used) continue;
			for (int q = left; q <= right; q++) {
				float across = weight(u.col, q, col, used);
				if (!used) continue;
				float d[V];
				load(d, dy + at_place(p, q, u.col.out, g.channels));
#pragma unroll
				for (int k = 0; k < V; k++) sum[k] += down * across * d[k];
			}
		}
		store(dx + at_place(row, col, g.cols, g.channels), sum);
	}
}

#define UPSAMPLE(T, S) \
	TILED_ENTRY upsample_##S(T *y, const T *x, Tiles g, Upsample u) { upsample<T, 1>(y, x, g, u); } \
	TILED_ENTRY upsample_pack_##S(T *y, const T *x, Tiles g, Upsample u) { upsample<T, Pack<T>::size>(y, x, g, u); } \
	TILED_ENTRY upsample_backward_##S(T *dx, const T *dy, Tiles g, Upsample u) { upsample_backward<T, 1>(dx, dy, g, u); } \
	TILED_ENTRY upsample_backward_pack_##S(T *dx, const T *dy, Tiles g, Upsample u) { upsample_backward<T, Pack<T>::size>(dx, dy, g, u); }
EACH_TYPE(UPSAMPLE)
