// Kernels that look at all classes (channels) of a place, in a tensor [outer, classes, inner]: a group of threads takes a place.
#pragma once
#include "group.cuh"

struct Classes {
	i64 rows;  // outer*inner: places
	i64 inner; // elements between the classes of a place
	int classes;
	int lanes;        // threads on a place: 1, 32 or 256
	i64 perBlock;     // places of a block, a multiple of THREADS/lanes
};

// class_base is where class 0 of a place lies.
__device__ inline i64 class_base(const Classes &g, i64 row) {
	if (g.inner == 1) return row * g.classes;
	i64 rest;
	i64 outer = split(row, g.inner, rest);
	return outer * g.classes * g.inner + rest;
}
