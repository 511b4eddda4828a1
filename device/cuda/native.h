// native.h is the part of the runtime that is C: many launches in one call from Go. It brings the driver's functions
// too, those that gorgonia.org/cu does not have (pinned memory, stream-ordered memory, stream capture).
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
