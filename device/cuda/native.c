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

CUresult fovea_end_capture(CUstream stream, CUgraphExec *exec, int *made) {
	CUgraph graph = NULL;
	CUresult status = cuStreamEndCapture(stream, &graph);
	if (status != CUDA_SUCCESS) return status;
	*made = 0;
	if (*exec) {
		CUgraphExecUpdateResultInfo info;
		if (cuGraphExecUpdate(*exec, graph, &info) == CUDA_SUCCESS) return cuGraphDestroy(graph);
		// Another shape than before: an epoch's last batch, or another algorithm.
		status = cuGraphExecDestroy(*exec);
		*exec = NULL;
	}
	if (status == CUDA_SUCCESS) status = cuGraphInstantiate(exec, graph, 0);
	*made = 1;
	CUresult destroyed = cuGraphDestroy(graph);
	return status != CUDA_SUCCESS ? status : destroyed;
}
