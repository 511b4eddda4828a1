// Names: cuGetProcAddress, cuGetErrorName and cuGetErrorString, over the tables made from cuda.h.
#include "entries.h"

#include "driver.h"

#include <cstring>

namespace emu {

// Plain names that CUDA 13 maps to newer functions than CUDA 12 did.
static const Alias before_13[] = {
    {"cuCtxCreate", "cuCtxCreate_v2"},
    {"cuDeviceGetUuid", "cuDeviceGetUuid"},
    {"cuEventElapsedTime", "cuEventElapsedTime"},
    {"cuGraphAddDependencies", "cuGraphAddDependencies"},
    {"cuGraphAddNode", "cuGraphAddNode"},
    {"cuGraphGetEdges", "cuGraphGetEdges"},
    {"cuGraphNodeGetDependencies", "cuGraphNodeGetDependencies"},
    {"cuGraphNodeGetDependentNodes", "cuGraphNodeGetDependentNodes"},
    {"cuGraphRemoveDependencies", "cuGraphRemoveDependencies"},
    {"cuMemAdvise", "cuMemAdvise"},
    {"cuMemPrefetchAsync", "cuMemPrefetchAsync"},
    {"cuStreamGetCaptureInfo", "cuStreamGetCaptureInfo_v2"},
    {"cuStreamUpdateCaptureDependencies", "cuStreamUpdateCaptureDependencies"},
};

static void* entry(const std::string& name) {
    for (size_t i = 0; i < entry_count; i++)
        if (name == entries[i].name) return entries[i].address;
    return nullptr;
}

static void* address_of(const char* symbol, int version, bool per_thread) {
    std::string name = symbol;
    bool mapped = false;
    if (version < 13000)
        for (auto& a : before_13)
            if (name == a.name) {
                name = a.entry;
                mapped = true;
            }
    for (size_t i = 0; i < alias_count && !mapped; i++)
        if (name == aliases[i].name) {
            name = aliases[i].entry;
            mapped = true;
        }
    if (per_thread)
        for (const char* suffix : {"_ptsz", "_ptds"})
            if (void* p = entry(name + suffix)) return p;
    return entry(name);
}

static const Status* status(CUresult code) {
    for (size_t i = 0; i < status_count; i++)
        if (statuses[i].code == code) return &statuses[i];
    return nullptr;
}

}  // namespace emu

using namespace emu;

CUresult CUDAAPI cuGetProcAddress_v2(const char* symbol, void** out, int version, cuuint64_t flags, CUdriverProcAddressQueryResult* found) {
    if (!symbol || !out || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) return CUDA_ERROR_INVALID_VALUE;
    *out = address_of(symbol, version, flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
    if (found) *found = *out ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *out ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult CUDAAPI cuGetProcAddress(const char* symbol, void** out, int version, cuuint64_t flags) {
    return cuGetProcAddress_v2(symbol, out, version, flags, nullptr);
}

CUresult CUDAAPI cuGetErrorName(CUresult code, const char** text) {
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    const Status* s = status(code);
    *text = s ? s->name : nullptr;
    return s ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuGetErrorString(CUresult code, const char** text) {
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    const Status* s = status(code);
    *text = s ? s->words : nullptr;
    return s ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
