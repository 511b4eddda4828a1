// How numbers lie in memory: float, or bfloat16 kept as its 16 bits. Arithmetic is always in float. Threads move 16 bytes
// at a time (a pack: 4 floats or 8 bfloat16s); whole tensors start on 256-byte boundaries, so packs are aligned.
#pragma once

typedef long long i64;
typedef unsigned long long u64;

const int THREADS = 256; // per block, in every kernel

struct bf16 {
	unsigned short bits;
};

template <class T> struct Pack;
template <> struct Pack<float> { static const int size = 4; };
template <> struct Pack<bf16> { static const int size = 8; };

__device__ inline float to_float(float v) { return v; }
__device__ inline float to_float(bf16 v) { return __uint_as_float((unsigned)v.bits << 16); }

// Rounding to nearest, ties to even, by integer arithmetic, so that every architecture gives the same bits.
__device__ inline unsigned bf16_bits(float v) {
	unsigned u = __float_as_uint(v);
	if (v != v) return (u >> 16) | 0x40u;
	return (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
}

__device__ inline void put(float *p, float v) { *p = v; }
__device__ inline void put(bf16 *p, float v) { p->bits = (unsigned short)bf16_bits(v); }

// load and store move V elements: a pack, or one.
template <int V> __device__ inline void load(float (&v)[V], const float *p) {
	if constexpr (V == 1) {
		v[0] = *p;
	} else {
#pragma unroll
		for (int k = 0; k < V; k += 4) {
			float4 q = *reinterpret_cast<const float4 *>(p + k);
			v[k] = q.x, v[k + 1] = q.y, v[k + 2] = q.z, v[k + 3] = q.w;
		}
	}
}

template <int V> __device__ inline void load(float (&v)[V], const bf16 *p) {
	if constexpr (V == 1) {
		v[0] = to_float(*p);
	} else {
		uint4 q = *reinterpret_cast<const uint4 *>(p);
		unsigned w[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
		for (int k = 0; k < 4; k++) {
			v[2 * k] = __uint_as_float(w[k] << 16);
			v[2 * k + 1] = __uint_as_float(w[k] & 0xffff0000u);
		}
	}
}

template <int V> __device__ inline void store(float *p, const float (&v)[V]) {
	if constexpr (V == 1) {
		*p = v[0];
	} else {
#pragma unroll
		for (int k = 0; k < V; k += 4) *reinterpret_cast<float4 *>(p + k) = make_float4(v[k], v[k + 1], v[k + 2], v[k + 3]);
	}
}

template <int V> __device__ inline void store(bf16 *p, const float (&v)[V]) {
	if constexpr (V == 1) {
		put(p, v[0]);
	} else {
		unsigned w[4];
#pragma unroll
		for (int k = 0; k < 4; k++) w[k] = bf16_bits(v[2 * k]) | bf16_bits(v[2 * k + 1]) << 16;
		*reinterpret_cast<uint4 *>(p) = make_uint4(w[0], w[1], w[2], w[3]);
	}
}

// A kernel over n elements gives each thread one pack; first is where it starts.
template <class T> __device__ inline i64 first() { return ((i64)blockIdx.x * THREADS + threadIdx.x) * Pack<T>::size; }

// fetch and place are load and store of the elements of a pack that lie below n.
template <class T, int V> __device__ inline void fetch(float (&v)[V], const T *p, i64 i, i64 n) {
	if (i + V <= n) {
		load(v, p + i);
		return;
	}
#pragma unroll
	for (int k = 0; k < V; k++) v[k] = i + k < n ? to_float(p[i + k]) : 0.0f;
}

template <class T, int V> __device__ inline void place(T *p, const float (&v)[V], i64 i, i64 n) {
	if (i + V <= n) {
		store(p + i, v);
		return;
	}
#pragma unroll
	for (int k = 0; k < V; k++)
		if (i + k < n) put(p + i + k, v[k]);
}

// split divides an index, by 32-bit arithmetic where it fits.
__device__ inline i64 split(i64 i, i64 by, i64 &rest) {
	if (((i | by) >> 32) == 0) {
		unsigned q = (unsigned)i / (unsigned)by;
		rest = (unsigned)i - q * (unsigned)by;
		return q;
	}
	i64 q = i / by;
	rest = i - q * by;
	return q;
}

// Shared memory whose size the launch gives.
#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(name) extern __shared__ float name[]
#endif

// EACH_TYPE writes the entry points of a kernel, NAME_f32 and NAME_bf16, from a macro of (element type, suffix).
#define ENTRY extern "C" __global__ void __launch_bounds__(THREADS)
#define EACH_TYPE(KERNEL) KERNEL(float, f32) KERNEL(bf16, bf16)
