// Walking a box of up to six axes whose elements lie at any strides in two arrays. Unused leading axes have extent 1, so
// that every loop has six turns and unrolls into registers.
#pragma once
#include "storage.cuh"

const int RANK = 6;

struct Box {
	i64 extent[RANK]; // innermost last
	i64 a[RANK], b[RANK];
};

struct Cursor {
	i64 at[RANK];
	i64 a, b;

	// start goes to element i in row-major order.
	__device__ inline void start(const Box &box, i64 i) {
		a = b = 0;
#pragma unroll
		for (int d = RANK - 1; d >= 0; d--) {
			at[d] = 0;
			if (box.extent[d] == 1) continue;
			i = split(i, box.extent[d], at[d]);
			a += at[d] * box.a[d];
			b += at[d] * box.b[d];
		}
	}

	__device__ inline void next(const Box &box) {
		bool carry = true;
#pragma unroll
		for (int d = RANK - 1; d >= 0; d--) {
			if (!carry) continue;
			at[d]++;
			a += box.a[d];
			b += box.b[d];
			carry = at[d] == box.extent[d];
			if (carry) {
				at[d] = 0;
				a -= box.extent[d] * box.a[d];
				b -= box.extent[d] * box.b[d];
			}
		}
	}
};
