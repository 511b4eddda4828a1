// loader.h: what the stand-in for libcuda adds to the driver's own functions.
#pragma once

#define FOVEA_CUDA_NO_DRIVER (-2)

// fovea_cuda_status is what loading the driver and cuInit gave: a CUresult, or FOVEA_CUDA_NO_DRIVER with the reason in *why.
int fovea_cuda_status(const char **why);
