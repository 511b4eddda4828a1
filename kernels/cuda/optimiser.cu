// SGD, RMSProp and Adam over a whole list of parameters in one launch.
// A table in device memory describes the parameters; block b works on elements [chunk*4096, +4096) of parameter owner[b],
// chunk being b less the parameter's first block: 256 threads, four floats each, four times. With guard given, nothing changes
// unless *guard (the loss) is finite. With live given, the constants are read from there, so that a recorded graph can
// be replayed with others. A bfloat16 copy of the new weights is written where the table asks for it.
// Bound by memory: value, gradient and state read once and written once.
#include "storage.cuh"

struct Parameter {
	float *value;
	const float *grad;
	float *state0, *state1;
	bf16 *copy; // or null
	i64 count;
	i64 firstBlock;
};

const int CHUNK = 4 * 4 * THREADS;

struct Sgd {
	float rate, momentum, decay;
	int nesterov, first;

	__device__ inline void operator()(float &w, float g, float &v, float &) const {
		g += decay * w;
		if (momentum != 0) {
			v = momentum * v + g; // v is 0 in the first step
			g = nesterov ? g + momentum * v : v;
		}
		w -= rate * g;
	}
	__device__ inline bool reads0() const { return momentum != 0 && !first; }
	__device__ inline bool uses0() const { return momentum != 0; }
	__device__ inline bool uses1() const { return false; }
};

struct RmsProp {
	float rate, decay, rest, epsilon, momentum, weightDecay; // rest is 1 - decay

	__device__ inline void operator()(float &w, float g, float &r, float &v) const {
		g += weightDecay * w;
		r = decay * r + rest * g * g;
		float step = g / (sqrtf(r) + epsilon);
		if (momentum != 0) step = v = momentum * v + step;
		w -= rate * step;
	}
	__device__ inline bool reads0() const { return true; }
	__device__ inline bool uses0() const { return true; }
	__device__ inline bool uses1() const { return momentum != 0; }
};

struct Adam {
	float rate, beta1, rest1, beta2, rest2, epsilon, weightDecay; // rest is 1 - beta
	float correction1, correction2;                               // 1 - beta^step
	int decoupled;

	__device__ inline void operator()(float &w, float g, float &m, float &r) const {
		if (decoupled)
			w -= rate * weightDecay * w;
		else
			g += weightDecay * w;
		m = beta1 * m + rest1 * g;
		r = beta2 * r + rest2 * g * g;
		w -= rate * (m / correction1) / (sqrtf(r / correction2) + epsilon);
	}
	__device__ inline bool reads0() const { return true; }
	__device__ inline bool uses0() const { return true; }
	__device__ inline bool uses1() const { return true; }
};

__device__ inline bool finite(float v) { return fabsf(v) <= 3.402823466e38f; }

template <class Rule> __device__ void update(const Parameter *table, const int *owner, const float *guard, const Rule *live, Rule rule) {
	if (guard && !finite(*guard)) return;
	if (live) rule = *live;
	const Parameter p = table[owner[blockIdx.x]];
	i64 low = ((i64)blockIdx.x - p.firstBlock) * CHUNK;
#pragma unroll
	for (int turn = 0; turn < 4; turn++) {
		i64 i = low + (turn * THREADS + threadIdx.x) * 4;
		if (i >= p.count) return;
		float w[4], g[4], s[4] = {}, t[4] = {};
		fetch(w, p.value, i, p.count);
		fetch(g, p.grad, i, p.count);
		if (rule.reads0()) fetch(s, p.state0, i, p.count);
		if (rule.uses1()) fetch(t, p.state1, i, p.count);
#pragma unroll
		for (int k = 0; k < 4; k++) rule(w[k], g[k], s[k], t[k]);
		place(p.value, w, i, p.count);
		if (rule.uses0()) place(p.state0, s, i, p.count);
		if (rule.uses1()) place(p.state1, t, i, p.count);
		if (!p.copy) continue;
		if (i + 4 <= p.count) {
			*reinterpret_cast<uint2 *>(p.copy + i) = make_uint2(bf16_bits(w[0]) | bf16_bits(w[1]) << 16, bf16_bits(w[2]) | bf16_bits(w[3]) << 16);
			continue;
		}
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (i + k < p.count) put(p.copy + i + k, w[k]);
	}
}

ENTRY sgd(const Parameter *table, const int *owner, const float *guard, const Sgd *live, Sgd rule) { update(table, owner, guard, live, rule); }
ENTRY rmsprop(const Parameter *table, const int *owner, const float *guard, const RmsProp *live, RmsProp rule) { update(table, owner, guard, live, rule); }
ENTRY adam(const Parameter *table, const int *owner, const float *guard, const Adam *live, Adam rule) { update(table, owner, guard, live, rule); }
