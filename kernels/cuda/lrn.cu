// Normalisation across maps: local response (Krizhevsky et al. 2012) and contrast (Zeiler and Fergus 2013), with gradients.
// Maps are channels last, so a window is a stretch of memory. A block takes some places and, of each, chunk channels with a
// border wide enough for the windows of windows; x and what derives from it once per element (the power, the backward
// pass's terms) lie in shared memory, and each thread then walks a window there.
// Bound by memory for windows of a few maps; the shared memory is places * width floats an array (lrn.go).
#include "storage.cuh"

struct Across {
	i64 places;
	int channels, size;
	float alpha, beta, k; // alpha is already divided by size
	int chunk, chunks, width; // width is the most channels held of a place
	int perBlock;             // places
};

// power is d^-beta; the usual beta is 3/4.
__device__ inline float power(float d, float beta) {
	if (beta != 0.75f) return powf(d, -beta);
	float root = sqrtf(d);
	return 1.0f / (root * sqrtf(root));
}

// Stretch is what a block holds: channels [low, high) of x, of which [c0, c1) are its results.
struct Stretch {
	int c0, c1, low, high;
	i64 place;
	int count; // of places

	__device__ inline Stretch(const Across &g) {
		int chunk = blockIdx.x % g.chunks;
		place = (i64)(blockIdx.x / g.chunks) * g.perBlock;
		count = (int)min((i64)g.perBlock, g.places - place);
		int border = 2 * (g.size / 2);
		c0 = chunk * g.chunk;
		c1 = min(c0 + g.chunk, g.channels);
		low = max(c0 - border, 0);
		high = min(c1 + border, g.channels);
	}
	// mid is the range of channels whose windows the results depend on.
	__device__ inline int mid_low(const Across &g) const { return max(c0 - g.size / 2, 0); }
	__device__ inline int mid_high(const Across &g) const { return min(c1 + g.size / 2, g.channels); }
};

__device__ inline void window(const Across &g, int i, int &low, int &high) {
	low = max(0, i - g.size / 2);
	high = min(g.channels, i + (g.size - 1) / 2 + 1);
}

__device__ inline void holders(const Across &g, int j, int &low, int &high) {
	low = max(0, j - (g.size - 1) / 2);
	high = min(g.channels, j + g.size / 2 + 1);
}

template <class T> __device__ inline void hold(float *x, const T *from, const Across &g, const Stretch &s) {
	int width = s.high - s.low;
	for (int i = threadIdx.x; i < s.count * width; i += THREADS) {
		int p = i / width, c = i % width;
		x[p * g.width + c] = to_float(from[(s.place + p) * g.channels + s.low + c]);
	}
	__syncthreads();
}

// energy is d_i; x points at channel 0 of the place.
__device__ inline float energy(const float *x, const Across &g, int i) {
	int low, high;
	window(g, i, low, high);
	float sum = 0;
	for (int j = low; j < high; j++) sum += x[j] * x[j];
	return g.k + g.alpha * sum;
}

// contrast is d_i, the window's mean and the number of maps in it.
__device__ inline float contrast(const float *x, const Across &g, int i, float &mean, float &count) {
	int low, high;
	window(g, i, low, high);
	count = (float)(high - low);
	float sum = 0, squares = 0;
	for (int j = low; j < high; j++) sum += x[j];
	mean = sum / count;
	for (int j = low; j < high; j++) squares += (x[j] - mean) * (x[j] - mean);
	return g.k + g.alpha * squares;
}

DYNAMIC_SHARED(held);

template <class T> __device__ void lrn(T *y, const T *x, const Across &g, bool contrasting) {
	Stretch s(g);
	hold(held, x, g, s);
	int width = s.c1 - s.c0;
	for (int i = threadIdx.x; i < s.count * width; i += THREADS) {
		int p = i / width, c = s.c0 + i % width;
		const float *row = held + p * g.width - s.low;
		float mean = 0, count;
		float d = contrasting ? contrast(row, g, c, mean, count) : energy(row, g, c);
		put(y + (s.place + p) * g.channels + c, (row[c] - mean) * power(d, g.beta));
	}
}

template <class T> __device__ void lrn_backward(T *dx, const T *dy, const T *x, const Across &g) {
	Stretch s(g);
	float *powers = held + g.perBlock * g.width, *terms = powers + g.perBlock * g.width;
	hold(held, x, g, s);
	int from = s.mid_low(g), width = s.mid_high(g) - from;
	for (int i = threadIdx.x; i < s.count * width; i += THREADS) {
		int p = i / width, c = from + i % width;
		int at = p * g.width + c - s.low;
		float d = energy(held + p * g.width - s.low, g, c);
		float e = power(d, g.beta);
		powers[at] = e;
		terms[at] = to_float(dy[(s.place + p) * g.channels + c]) * held[at] * (e / d);
	}
	__syncthreads();
	width = s.c1 - s.c0;
	for (int i = threadIdx.x; i < s.count * width; i += THREADS) {
		int p = i / width, c = s.c0 + i % width, low, high;
		int row = p * g.width - s.low;
		i64 out = (s.place + p) * g.channels + c;
		float sum = 0;
		holders(g, c, low, high);
		for (int j = low; j < high; j++) sum += terms[row + j];
		put(dx + out, to_float(dy[out]) * powers[row + c] - 2 * g.alpha * g.beta * held[row + c] * sum);
	}
}

template <class T> __device__ void contrast_backward(T *dx, const T *dy, const T *x, const Across &g) {
	Stretch s(g);
	int array = g.perBlock * g.width;
	float *means = held + array, *f = means + array, *e = f + array;
	hold(held, x, g, s);
	int from = s.mid_low(g), width = s.mid_high(g) - from;
	for (int i = threadIdx.x; i < s.count * width; i += THREADS) {
		int p = i / width, c = from + i % width;
		int at = p * g.width + c - s.low;
		float mean, count;
		float d = contrast(held + p * g.width - s.low, g, c, mean, count);
		float own = to_float(dy[(s.place + p) * g.channels + c]) * power(d, g.beta);
		means[at] = mean;
		f[at] = -2 * g.beta * g.alpha * own / d * (held[at] - mean);
		e[at] = own / count;
	}
	__syncthreads();
	width = s.c1 - s.c0;
	for (int i = threadIdx.x; i < s.count * width; i += THREADS) {
		int p = i / width, c = s.c0 + i % width, low, high;
		int row = p * g.width - s.low;
		window(g, c, low, high);
		float sum = e[row + c] * (float)(high - low);
		holders(g, c, low, high);
		for (int j = low; j < high; j++) sum += f[row + j] * (held[row + c] - means[row + j]) - e[row + j];
		put(dx + (s.place + p) * g.channels + c, sum);
	}
}

#define ACROSS(T, S) \
	ENTRY lrn_##S(T *y, const T *x, Across g) { lrn(y, x, g, false); } \
	ENTRY lrn_backward_##S(T *dx, const T *dy, const T *x, Across g) { lrn_backward(dx, dy, x, g); } \
	ENTRY contrast_##S(T *y, const T *x, Across g) { lrn(y, x, g, true); } \
	ENTRY contrast_backward_##S(T *dx, const T *dy, const T *x, Across g) { contrast_backward(dx, dy, x, g); }
EACH_TYPE(ACROSS)
