// Batch normalisation (Ioffe and Szegedy 2015), in training and with given statistics, with residual addition and ReLU.
// Statistics take two stages: each block finds the mean and the squared deviations of a stretch of rows, deviations being
// about the first number that a thread sees so that nothing cancels, joined pairwise as in Chan, Golub and LeVeque (1979);
// then one kernel joins the stretches of each channel. Normalising is one pass: a thread keeps the constants of its
// channels in registers and goes down the rows. The backward pass sums dy and dy*xhat the same way, then makes one pass for dx.
// ReLU's mask is y <= 0, y being the output, so the pre-activation need not be kept. With given statistics all of it can be folded
// into the weights of the convolution before. Bound by memory in every kernel.
#include "columns.cuh"
#include "group.cuh"

struct Moments {
	float count, mean, squares;
};

// join merges two sets of numbers.
__device__ inline Moments join(Moments a, Moments b) {
	float count = a.count + b.count;
	if (b.count == 0) return a;
	if (a.count == 0) return b;
	float delta = b.mean - a.mean, share = b.count / count;
	return Moments{count, a.mean + delta * share, a.squares + b.squares + delta * delta * a.count * share};
}

// moments turns sums of differences from shift into moments.
__device__ inline Moments moments(float count, float shift, float sum, float squares) {
	if (count == 0) return Moments{0, 0, 0};
	float mean = sum / count;
	return Moments{count, shift + mean, fmaxf(squares - sum * mean, 0.0f) + (squares - squares)}; // fmaxf drops NaN, the last term does not
}

// partial is [2, stretches, channels]: means, then squared deviations.
template <class T, int V> __device__ void batchnorm_columns(float *partial, const T *x, const Columns &g) {
	__shared__ float means[V][THREADS], squares[V][THREADS], counts[THREADS];
	Place<V> at(g);
	float shift[V] = {}, sum[V] = {}, square[V] = {}, count = 0;
	for (i64 r = at.row; r < at.end; r += at.slots) {
		float v[V];
		load(v, x + r * g.channels + at.channel);
		if (count == 0) {
#pragma unroll
			for (int k = 0; k < V; k++) shift[k] = v[k];
		}
		count++;
#pragma unroll
		for (int k = 0; k < V; k++) {
			float d = v[k] - shift[k];
			sum[k] += d;
			square[k] += d * d;
		}
	}
	counts[threadIdx.x] = count;
#pragma unroll
	for (int k = 0; k < V; k++) {
		Moments m = moments(count, shift[k], sum[k], square[k]);
		means[k][threadIdx.x] = m.mean;
		squares[k][threadIdx.x] = m.squares;
	}
	for (int half = at.slots / 2; half > 0; half /= 2) {
		__syncthreads();
		if (at.slot < half) {
			int other = threadIdx.x + half * g.lanes;
			float mine = counts[threadIdx.x], theirs = counts[other];
#pragma unroll
			for (int k = 0; k < V; k++) {
				Moments m = join(Moments{mine, means[k][threadIdx.x], squares[k][threadIdx.x]}, Moments{theirs, means[k][other], squares[k][other]});
				means[k][threadIdx.x] = m.mean;
				squares[k][threadIdx.x] = m.squares;
			}
			counts[threadIdx.x] = mine + theirs;
		}
	}
	if (at.slot != 0 || !at.inside) return;
	float *out = partial + (i64)blockIdx.x * g.channels + at.channel;
#pragma unroll
	for (int k = 0; k < V; k++) {
		out[k] = means[k][threadIdx.x];
		out[k + (i64)gridDim.x * g.channels] = squares[k][threadIdx.x];
	}
}

template <class T> __device__ void batchnorm_rows(float *partial, const T *x, const Rows &g) {
	__shared__ Moments all[THREADS];
	i64 low = blockIdx.x * g.perBlock, high = min(low + g.perBlock, g.elements);
	float shift = 0, sum = 0, square = 0, count = 0;
	for (i64 e = low + threadIdx.x; e < high; e += THREADS) {
		float v = to_float(x[row_index(g, e)]);
		if (count == 0) shift = v;
		count++;
		float d = v - shift;
		sum += d;
		square += d * d;
	}
	all[threadIdx.x] = moments(count, shift, sum, square);
	for (int half = THREADS / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half) all[threadIdx.x] = join(all[threadIdx.x], all[threadIdx.x + half]);
	}
	if (threadIdx.x != 0) return;
	i64 at = (i64)blockIdx.x * g.channels + blockIdx.y;
	partial[at] = all[0].mean;
	partial[at + (i64)gridDim.x * g.channels] = all[0].squares;
}

struct Finish {
	i64 elements, perBlock; // of a channel, and of a stretch
	int stretches, channels;
	float epsilon, momentum, unbias; // unbias is m/(m-1)
};

// batchnorm_finish joins the stretches, 8 channels a block and 32 threads on each, and moves the running statistics.
ENTRY batchnorm_finish(float *mean, float *invStd, float *runningMean, float *runningVar, const float *partial, Finish g) {
	__shared__ Moments all[32][8];
	int lane = threadIdx.x % 8, slot = threadIdx.x / 8;
	int c = blockIdx.x * 8 + lane;
	Moments m = {0, 0, 0};
	if (c < g.channels)
		for (int s = slot; s < g.stretches; s += 32) {
			i64 at = (i64)s * g.channels + c;
			float count = (float)min(g.perBlock, g.elements - s * g.perBlock);
			m = join(m, Moments{count, partial[at], partial[at + (i64)g.stretches * g.channels]});
		}
	all[slot][lane] = m;
	__syncthreads();
	if (slot != 0 || c >= g.channels) return;
	for (int s = 1; s < 32; s++) m = join(m, all[s][lane]);
	float variance = m.squares / m.count;
	mean[c] = m.mean;
	invStd[c] = 1.0f / sqrtf(variance + g.epsilon);
	if (!runningMean) return;
	runningMean[c] = (1.0f - g.momentum) * runningMean[c] + g.momentum * m.mean;
	runningVar[c] = (1.0f - g.momentum) * runningVar[c] + g.momentum * variance * g.unbias;
}

// Normal is what normalising needs of each channel. spread is 1/standard deviation or, if isVariance, the variance.
struct Normal {
	const float *mean, *spread, *scale, *shift;
	float epsilon;
	int isVariance;
};

__device__ inline float inverse(const Normal &p, float spread) { return p.isVariance ? 1.0f / sqrtf(spread + p.epsilon) : spread; }

template <class T, int V> __device__ void batchnorm_apply_columns(T *y, const T *x, const T *residual, const Columns &g, const Normal &p, int relu) {
	Place<V> at(g);
	if (!at.inside) return;
	float mean[V], factor[V], shift[V], scale[V];
	load(mean, p.mean + at.channel);
	load(factor, p.spread + at.channel);
	load(scale, p.scale + at.channel);
	load(shift, p.shift + at.channel);
#pragma unroll
	for (int k = 0; k < V; k++) factor[k] = scale[k] * inverse(p, factor[k]);
	for (i64 r = at.row; r < at.end; r += at.slots) {
		i64 i = r * g.channels + at.channel;
		float v[V], add[V] = {};
		load(v, x + i);
		if (residual) load(add, residual + i);
#pragma unroll
		for (int k = 0; k < V; k++) {
			v[k] = (v[k] - mean[k]) * factor[k] + shift[k] + add[k];
			if (relu && v[k] <= 0) v[k] = 0;
		}
		store(y + i, v);
	}
}

template <class T> __device__ void batchnorm_apply(T *y, const T *x, const T *residual, const Channels &g, const Normal &p, int relu) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= g.elements) return;
	Walk at(g, i);
	float v[V], add[V] = {};
	fetch(v, x, i, g.elements);
	if (residual) fetch(add, residual, i, g.elements);
#pragma unroll
	for (int k = 0; k < V; k++) {
		int c = at.channel;
		v[k] = (v[k] - p.mean[c]) * (p.scale[c] * inverse(p, p.spread[c])) + p.shift[c] + add[k];
		if (relu && v[k] <= 0) v[k] = 0;
		at.next(g);
	}
	place(y, v, i, g.elements);
}

// The sums of the backward pass: partial is [2, stretches, channels], of dy and of dy*xhat. y is null without ReLU.
template <class T, int V> __device__ void batchnorm_sums_columns(float *partial, const T *dy, const T *x, const T *y, const Columns &g, const Normal &p) {
	Place<V> at(g);
	float mean[V] = {}, inv[V] = {}, sum[V] = {}, product[V] = {};
	if (at.inside) {
		load(mean, p.mean + at.channel);
		load(inv, p.spread + at.channel);
	}
	for (i64 r = at.row; r < at.end; r += at.slots) {
		i64 i = r * g.channels + at.channel;
		float d[V], v[V], out[V];
		load(d, dy + i);
		load(v, x + i);
		if (y) load(out, y + i);
#pragma unroll
		for (int k = 0; k < V; k++) {
			if (y && out[k] <= 0) d[k] = 0;
			sum[k] += d[k];
			product[k] += d[k] * (v[k] - mean[k]);
		}
	}
	fold_slots(sum, at, g.lanes);
	fold_slots(product, at, g.lanes);
	if (at.slot != 0 || !at.inside) return;
#pragma unroll
	for (int k = 0; k < V; k++) product[k] *= inverse(p, inv[k]);
	store(partial + (i64)blockIdx.x * g.channels + at.channel, sum);
	store(partial + ((i64)gridDim.x + blockIdx.x) * g.channels + at.channel, product);
}

template <class T> __device__ void batchnorm_sums_rows(float *partial, const T *dy, const T *x, const T *y, const Rows &g, const Normal &p) {
	i64 low = blockIdx.x * g.perBlock, high = min(low + g.perBlock, g.elements);
	float mean = p.mean[blockIdx.y], sum = 0, product = 0;
	for (i64 e = low + threadIdx.x; e < high; e += THREADS) {
		i64 i = row_index(g, e);
		float d = to_float(dy[i]);
		if (y && to_float(y[i]) <= 0) d = 0;
		sum += d;
		product += d * (to_float(x[i]) - mean);
	}
	sum = group_sum(sum, THREADS);
	product = group_sum(product, THREADS);
	if (threadIdx.x != 0) return;
	i64 at = (i64)blockIdx.x * g.channels + blockIdx.y;
	partial[at] = sum;
	partial[at + (i64)gridDim.x * g.channels] = product * inverse(p, p.spread[blockIdx.y]);
}

// batchnorm_gradients adds up the stretches: dshift = sum dy, dscale = sum dy*xhat.
ENTRY batchnorm_gradients(float *dscale, float *dshift, const float *partial, int stretches, int channels) {
	__shared__ float sums[2][32][8];
	int lane = threadIdx.x % 8, slot = threadIdx.x / 8;
	int c = blockIdx.x * 8 + lane;
	float sum = 0, product = 0;
	if (c < channels)
		for (int s = slot; s < stretches; s += 32) {
			sum += partial[(i64)s * channels + c];
			product += partial[(i64)(stretches + s) * channels + c];
		}
	sums[0][slot][lane] = sum;
	sums[1][slot][lane] = product;
	__syncthreads();
	if (slot != 0 || c >= channels) return;
	for (int s = 1; s < 32; s++) {
		sum += sums[0][s][lane];
		product += sums[1][s][lane];
	}
	dshift[c] = sum;
	dscale[c] = product;
}

// Slopes adds what dx needs: dx = scale*invStd * (dy - dshift*share - xhat*dscale*share), share being 1/m, or without the last
// two terms if the statistics are constant (dscale null).
struct Slopes {
	const float *dscale, *dshift;
	float share;
};

template <class T, int V>
__device__ void batchnorm_input_columns(T *dx, T *dresidual, const T *dy, const T *x, const T *y, const Columns &g, const Normal &p, const Slopes &s) {
	Place<V> at(g);
	if (!at.inside) return;
	float mean[V] = {}, factor[V], scale[V], a[V] = {}, b[V] = {};
	load(factor, p.spread + at.channel);
	load(scale, p.scale + at.channel);
	if (s.dscale) {
		load(mean, p.mean + at.channel);
		load(a, s.dscale + at.channel);
		load(b, s.dshift + at.channel);
	}
#pragma unroll
	for (int k = 0; k < V; k++) {
		float inv = inverse(p, factor[k]);
		factor[k] = scale[k] * inv;
		a[k] *= s.share * inv;
		b[k] *= s.share;
	}
	for (i64 r = at.row; r < at.end; r += at.slots) {
		i64 i = r * g.channels + at.channel;
		float d[V], v[V], out[V];
		load(d, dy + i);
		if (s.dscale) load(v, x + i);
		if (y) {
			load(out, y + i);
#pragma unroll
			for (int k = 0; k < V; k++)
				if (out[k] <= 0) d[k] = 0;
		}
		if (dresidual) store(dresidual + i, d);
#pragma unroll
		for (int k = 0; k < V; k++) {
			if (s.dscale) d[k] = d[k] - b[k] - (v[k] - mean[k]) * a[k];
			d[k] *= factor[k];
		}
		store(dx + i, d);
	}
}

template <class T> __device__ void batchnorm_input(T *dx, T *dresidual, const T *dy, const T *x, const T *y, const Channels &g, const Normal &p, const Slopes &s) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= g.elements) return;
	Walk at(g, i);
	float d[V], v[V] = {}, out[V] = {};
	fetch(d, dy, i, g.elements);
	if (s.dscale) fetch(v, x, i, g.elements);
	if (y) fetch(out, y, i, g.elements);
#pragma unroll
	for (int k = 0; k < V; k++)
		if (y && out[k] <= 0) d[k] = 0;
	if (dresidual) place(dresidual, d, i, g.elements);
#pragma unroll
	for (int k = 0; k < V; k++) {
		int c = at.channel;
		float inv = inverse(p, p.spread[c]);
		if (s.dscale) d[k] = d[k] - s.dshift[c] * s.share - (v[k] - p.mean[c]) * (s.dscale[c] * s.share * inv);
		d[k] *= p.scale[c] * inv;
		at.next(g);
	}
	place(dx, d, i, g.elements);
}

// batchnorm_fold makes weights [maps, ...] and bias of a convolution that is w's and the normalisation after it: factor*w and
// (b - mean)*factor + shift with factor = scale/sqrt(variance + epsilon); b is null for none. The thread that has a map's first weight
// writes its bias.
template <class T> __device__ void batchnorm_fold(T *weights, T *bias, const float *w, const float *b, const Channels &g, const Normal &p) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= g.elements) return;
	Walk at(g, i);
	float v[V], factor = p.scale[at.channel] * inverse(p, p.spread[at.channel]);
	fetch(v, w, i, g.elements);
#pragma unroll
	for (int k = 0; k < V; k++) {
		if (at.left == g.inner && i + k < g.elements) {
			int c = at.channel;
			factor = p.scale[c] * inverse(p, p.spread[c]);
			put(bias + c, ((b ? b[c] : 0.0f) - p.mean[c]) * factor + p.shift[c]);
		}
		v[k] *= factor;
		at.next(g);
	}
	place(weights, v, i, g.elements);
}

#define BATCHNORM_COLUMNS(T, V, S) \
	ENTRY batchnorm_columns##S(float *partial, const T *x, Columns g) { batchnorm_columns<T, V>(partial, x, g); } \
	ENTRY batchnorm_apply_columns##S(T *y, const T *x, const T *residual, Columns g, Normal p, int relu) { batchnorm_apply_columns<T, V>(y, x, residual, g, p, relu); } \
	ENTRY batchnorm_sums_columns##S(float *partial, const T *dy, const T *x, const T *y, Columns g, Normal p) { batchnorm_sums_columns<T, V>(partial, dy, x, y, g, p); } \
	ENTRY batchnorm_input_columns##S(T *dx, T *dresidual, const T *dy, const T *x, const T *y, Columns g, Normal p, Slopes s) { batchnorm_input_columns<T, V>(dx, dresidual, dy, x, y, g, p, s); }
#define BATCHNORM(T, S) \
	BATCHNORM_COLUMNS(T, 1, _##S) \
	BATCHNORM_COLUMNS(T, Pack<T>::size, _pack_##S) \
	ENTRY batchnorm_rows_##S(float *partial, const T *x, Rows g) { batchnorm_rows(partial, x, g); } \
	ENTRY batchnorm_apply_##S(T *y, const T *x, const T *residual, Channels g, Normal p, int relu) { batchnorm_apply(y, x, residual, g, p, relu); } \
	ENTRY batchnorm_sums_rows_##S(float *partial, const T *dy, const T *x, const T *y, Rows g, Normal p) { batchnorm_sums_rows(partial, dy, x, y, g, p); } \
	ENTRY batchnorm_input_##S(T *dx, T *dresidual, const T *dy, const T *x, const T *y, Channels g, Normal p, Slopes s) { batchnorm_input(dx, dresidual, dy, x, y, g, p, s); } \
	ENTRY batchnorm_fold_##S(T *weights, T *bias, const float *w, const float *b, Channels g, Normal p) { batchnorm_fold(weights, bias, w, b, g, p); }
EACH_TYPE(BATCHNORM)
