// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011), bit for bit what device/philox computes.
#pragma once
#include "storage.cuh"

struct Stream {
	u64 seed, id;
};

// philox gives numbers 4i to 4i+3 of a stream.
__device__ inline void philox(unsigned (&r)[4], Stream s, u64 i) {
	unsigned k0 = (unsigned)s.seed, k1 = (unsigned)(s.seed >> 32);
	r[0] = (unsigned)i, r[1] = (unsigned)(i >> 32), r[2] = (unsigned)s.id, r[3] = (unsigned)(s.id >> 32);
#pragma unroll
	for (int round = 0; round < 10; round++) {
		u64 p0 = (u64)r[0] * 0xD2511F53u;
		u64 p1 = (u64)r[2] * 0xCD9E8D57u;
		r[0] = (unsigned)(p1 >> 32) ^ r[1] ^ k0;
		r[1] = (unsigned)p1;
		r[2] = (unsigned)(p0 >> 32) ^ r[3] ^ k1;
		r[3] = (unsigned)p0;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
}
