// native.h is the part of the runtime that is C: many launches in one call from Go, and the driver's functions that
// gorgonia.org/cu does not have (pinned memory, stream-ordered memory, stream capture).
#pragma once

#include <cuda.h>

#define FOVEA_ARGS_MAX 512

// A kernel launch with its arguments packed as the kernel's parameters lie (each at its own alignment).
typedef struct {
	CUfunction function;
	unsigned grid[3], block[3], shared;
	unsigned args_bytes;
	unsigned char args[FOVEA_ARGS_MAX];
} fovea_launch;

// fovea_launch_all launches n kernels in order. After a failure *failed is the number of the launch that did.
CUresult fovea_launch_all(CUstream stream, fovea_launch *list, int n, int *failed);

// fovea_end_capture ends the capture of a stream and readies the graph to run: by updating *exec where it has the same
// shape, by making it anew where not (*made is then 1).
CUresult fovea_end_capture(CUstream stream, CUgraphExec *exec, int *made);
