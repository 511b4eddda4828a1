// Between row-major (NCHW, OIHW) and channels-last (NHWC, OHWI), and between float and bfloat16, in one pass.
// Both are the transpose of a batch of matrices: a block moves a 32 x 32 tile through shared memory, 33 columns wide so that
// neither direction meets bank conflicts; reads and writes are both along rows. Bound by memory.
#include "storage.cuh"

struct Matrices {
	int rows, cols;    // of x; y has them the other way round
	int down, across;  // tiles
};

template <class Y, class X> __device__ void transpose(Y *y, const X *x, const Matrices &g) {
	__shared__ float tile[32][33];
	int b = blockIdx.x;
	int across = b % g.across;
	b /= g.across;
	int down = b % g.down;
	i64 base = (i64)(b / g.down) * g.rows * g.cols;
	int lane = threadIdx.x % 32, slot = threadIdx.x / 32;
	int col = across * 32 + lane;
#pragma unroll
	for (int k = 0; k < 32; k += 8) {
		int row = down * 32 + slot + k;
		if (row < g.rows && col < g.cols) tile[slot + k][lane] = to_float(x[base + (i64)row * g.cols + col]);
	}
	__syncthreads();
	int row = down * 32 + lane;
#pragma unroll
	for (int k = 0; k < 32; k += 8) {
		int c = across * 32 + slot + k;
		if (row < g.rows && c < g.cols) put(y + base + (i64)c * g.rows + row, tile[lane][slot + k]);
	}
}

// transpose_few is for few rows (a colour image's three channels) or, the other way, few columns: a block takes 256 of the
// long side, and writes or reads them as one stretch.
template <class Y, class X> __device__ void transpose_few(Y *y, const X *x, const Matrices &g) {
	__shared__ float tile[8 * (THREADS + 1)];
	bool tall = g.rows > g.cols; // the long side is x's rows
	int few = tall ? g.cols : g.rows, many = tall ? g.rows : g.cols;
	i64 base = (i64)(blockIdx.x / g.across) * g.rows * g.cols;
	int low = blockIdx.x % g.across * THREADS;
	int count = min(THREADS, many - low);
	const int stride = THREADS + 1;
	for (int i = threadIdx.x; i < few * count; i += THREADS) {
		if (tall)
			tile[i % few * stride + i / few] = to_float(x[base + (i64)low * few + i]);
		else
			tile[i / count * stride + i % count] = to_float(x[base + (i64)(i / count) * many + low + i % count]);
	}
	__syncthreads();
	for (int i = threadIdx.x; i < few * count; i += THREADS) {
		if (tall)
			put(y + base + (i64)(i / count) * many + low + i % count, tile[i / count * stride + i % count]);
		else
			put(y + base + (i64)low * few + i, tile[i % few * stride + i / few]);
	}
}

// cast gives each thread eight elements: a pack of bfloat16, two of float.
template <class Y, class X> __device__ void cast(Y *y, const X *x, i64 n) {
	i64 i = ((i64)blockIdx.x * THREADS + threadIdx.x) * 8;
	if (i >= n) return;
	float v[8];
	fetch(v, x, i, n);
	place(y, v, i, n);
}

#define LAYOUT(Y, X, S) \
	ENTRY transpose_##S(Y *y, const X *x, Matrices g) { transpose(y, x, g); } \
	ENTRY transpose_few_##S(Y *y, const X *x, Matrices g) { transpose_few(y, x, g); }
LAYOUT(float, float, f32)
LAYOUT(bf16, bf16, bf16)
LAYOUT(bf16, float, f32_bf16)
LAYOUT(float, bf16, bf16_f32)

ENTRY cast_f32_bf16(bf16 *y, const float *x, i64 n) { cast(y, x, n); }
ENTRY cast_bf16_f32(float *y, const bf16 *x, i64 n) { cast(y, x, n); }
