// cuda.h, found before NVIDIA's: gorgonia.org/cu v0.9.6 was written for CUDA 12, and CUDA 13 maps some plain names to
// functions with other parameters. This header gives those names back to the older functions, which every libcuda.so.1
// still exports. With CUDA 12's header only cuInit differs. The Go build cache does not see a change of this file:
// scripts/cuda_env.sh puts its checksum into the flags.
#ifndef FOVEA_CUDA_H
#define FOVEA_CUDA_H

#include_next <cuda.h>

#if CUDA_VERSION >= 13000

#undef cuCtxCreate
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#undef cuGraphNodeGetDependencies
#undef cuGraphNodeGetDependentNodes
#undef cuGraphRemoveDependencies
#undef cuMemAdvise
#undef cuMemPrefetchAsync

#define cuCtxCreate cuCtxCreate_v2

#ifdef __cplusplus
extern "C" {
#endif

CUresult CUDAAPI cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev);
CUresult CUDAAPI cuGraphAddDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies);
CUresult CUDAAPI cuGraphGetEdges(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, size_t *numEdges);
CUresult CUDAAPI cuGraphNodeGetDependencies(CUgraphNode hNode, CUgraphNode *dependencies, size_t *numDependencies);
CUresult CUDAAPI cuGraphNodeGetDependentNodes(CUgraphNode hNode, CUgraphNode *dependentNodes, size_t *numDependentNodes);
CUresult CUDAAPI cuGraphRemoveDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies);
CUresult CUDAAPI cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device);
CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream);

#ifdef __cplusplus
}
#endif

#endif  // CUDA_VERSION >= 13000

// gorgonia.org/cu calls cuInit while the program is loaded, and ends the process when that fails. A machine without a GPU
// must still run on its CPU, so cuInit says yes there; whoever wants the true answer defines FOVEA_CU_INIT before this header.
#ifndef FOVEA_CU_INIT
static inline CUresult fovea_cu_init(unsigned int flags) {
    (void)cuInit(flags);
    return CUDA_SUCCESS;
}
#define cuInit fovea_cu_init
#endif

#endif
