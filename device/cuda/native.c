//go:build cuda

#include "native.h"

CUresult fovea_launch_all(CUstream stream, fovea_launch *list, int n, int *failed) {
	for (int i = 0; i < n; i++) {
		fovea_launch *l = &list[i];
		size_t bytes = l->args_bytes;
		void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, l->args, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
		CUresult status = cuLaunchKernel(l->function, l->grid[0], l->grid[1], l->grid[2], l->block[0], l->block[1], l->block[2],
		                                 l->shared, stream, NULL, extra);
		if (status != CUDA_SUCCESS) {
			*failed = i;
			return status;
		}
	}
	return CUDA_SUCCESS;
}
