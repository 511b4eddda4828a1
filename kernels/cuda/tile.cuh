// Kernels that look at neighbouring places of a map work on tiles: a block takes tileRows x tileCols places of one sample's
// map and lanes*V channels, so that what neighbours share is read by the block once. Threads run along channels first.
#pragma once
#include "storage.cuh"

struct Tiles {
	int rows, cols, channels; // of the map that is written
	int tileRows, tileCols, lanes;
	int down, across, chunks; // number of tiles, and of groups of lanes*V channels
};

template <int V> struct Spot {
	int n, row0, col0, channel, slot, slots;

	__device__ inline Spot(const Tiles &g) {
		int b = blockIdx.x;
		int chunk = b % g.chunks;
		b /= g.chunks;
		col0 = b % g.across * g.tileCols;
		b /= g.across;
		row0 = b % g.down * g.tileRows;
		n = b / g.down;
		channel = (chunk * g.lanes + (int)threadIdx.x % g.lanes) * V;
		slot = threadIdx.x / g.lanes;
		slots = blockDim.x / g.lanes;
	}
};

// sample is the element [n, 0, 0, channel] of a channels-last map, at_place that of place [row, col] from there; one sample has less
// than 2^31 elements.
__device__ inline i64 sample(int n, int channel, int rows, int cols, int channels) { return (i64)n * (rows * cols * channels) + channel; }
__device__ inline int at_place(int row, int col, int cols, int channels) { return (row * cols + col) * channels; }

// Left to its own target of occupancy, ptxas spills a word or two of these kernels; two blocks of 256 threads are enough.
#define TILED_ENTRY extern "C" __global__ void __launch_bounds__(THREADS, 2)
