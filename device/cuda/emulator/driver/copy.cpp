// Copies and fills. Asynchronous ones read and write when they run, not when they are queued; only pageable host
// memory is staged, as NVIDIA documents ("API synchronization behavior").
#include "driver.h"

#include <cstring>

namespace emu {

static CUmemorytype type_of(Space space) { return space == Space::device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST; }

// host_range checks a host pointer that may lie in pinned memory.
static CUresult host_range(const void* p, size_t bytes, const char* who, Space& space) {
    Held held;
    space = space_of(p, &held);
    if (space == Space::device) {
        emu_violation("%s: %p is device memory where host memory is expected", who, p);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return space == Space::pinned ? check_range(reinterpret_cast<uint64_t>(p), bytes, who) : CUDA_SUCCESS;
}

static CUresult device_range(CUdeviceptr p, size_t bytes, const char* who) {
    Held held;
    if (CUresult r = check_range(p, bytes, who, &held)) return r;
    if (held->space == Space::device) return CUDA_SUCCESS;
    emu_violation("%s: %#llx is pinned host memory where device memory is expected", who, static_cast<unsigned long long>(p));
    return CUDA_ERROR_INVALID_VALUE;
}

static std::shared_ptr<Work> copy_work(const char* who, CUdeviceptr to, CUdeviceptr from, size_t bytes, Space to_space, Space from_space) {
    auto work = std::make_shared<Work>();
    work->name = who;
    work->type = CU_GRAPH_NODE_TYPE_MEMCPY;
    work->bytes = bytes;
    work->from = type_of(from_space);
    work->to = type_of(to_space);
    if (to_space != Space::pageable) work->touches.push_back({to, bytes, true});
    if (from_space != Space::pageable) work->touches.push_back({from, bytes, false});
    work->run = [=](Running&) {
        void* target = to_space == Space::pageable ? reinterpret_cast<void*>(to) : emu_resolve(to, bytes, 1, who);
        const void* source = from_space == Space::pageable ? reinterpret_cast<const void*>(from) : emu_resolve(from, bytes, 0, who);
        if (!target || !source) return CUDA_ERROR_ILLEGAL_ADDRESS;
        memmove(target, source, bytes);
        return CUDA_SUCCESS;
    };
    return work;
}

static CUresult put_counted(CUstream s, const std::shared_ptr<Work>& work) {
    bool captured = s->capture != nullptr;
    if (CUresult r = put(s, work)) return r;
    if (!captured) count_work(*work);
    return CUDA_SUCCESS;
}

static CUresult wait(CUstream s) {
    emu_count("synchronisations", 1);
    return synchronise(s);
}

static CUresult refuse_pageable(CUstream s, const char* who) {
    invalidate(s);
    fprintf(stderr, "emulator: %s with pageable host memory in a capturing stream; the capture is invalid\n", who);
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

static CUresult h2d(CUdeviceptr to, const void* from, size_t bytes, CUstream s, bool async, const char* who) {
    if (!bytes) return CUDA_SUCCESS;
    if (CUresult r = device_range(to, bytes, who)) return r;
    Space space;
    if (CUresult r = host_range(from, bytes, who, space)) return r;
    auto source = reinterpret_cast<CUdeviceptr>(from);
    if (space == Space::pageable && async) {
        if (s->capture) return refuse_pageable(s, who);
        auto staged = std::make_shared<std::vector<uint8_t>>(static_cast<const uint8_t*>(from), static_cast<const uint8_t*>(from) + bytes);
        auto work = copy_work(who, to, reinterpret_cast<CUdeviceptr>(staged->data()), bytes, Space::device, Space::pageable);
        work->details = staged;
        emu_count("h2d_pageable", 1);
        return put_counted(s, work);
    }
    if (CUresult r = put_counted(s, copy_work(who, to, source, bytes, Space::device, space))) return r;
    return async ? CUDA_SUCCESS : wait(s);
}

static CUresult d2h(void* to, CUdeviceptr from, size_t bytes, CUstream s, bool async, const char* who) {
    if (!bytes) return CUDA_SUCCESS;
    if (CUresult r = device_range(from, bytes, who)) return r;
    Space space;
    if (CUresult r = host_range(to, bytes, who, space)) return r;
    if (space == Space::pageable && s->capture) return refuse_pageable(s, who);
    if (CUresult r = put_counted(s, copy_work(who, reinterpret_cast<CUdeviceptr>(to), from, bytes, space, Space::device))) return r;
    return async && space == Space::pinned ? CUDA_SUCCESS : wait(s);
}

static CUresult d2d(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s, const char* who) {
    if (!bytes) return CUDA_SUCCESS;
    if (CUresult r = device_range(to, bytes, who)) return r;
    if (CUresult r = device_range(from, bytes, who)) return r;
    if (to < from + bytes && from < to + bytes) {
        emu_violation("%s: source and destination overlap", who);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return put_counted(s, copy_work(who, to, from, bytes, Space::device, Space::device));
}

static CUresult any(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s, bool async, const char* who) {
    bool to_device = space_of(reinterpret_cast<void*>(to)) == Space::device, from_device = space_of(reinterpret_cast<void*>(from)) == Space::device;
    if (to_device && from_device) return d2d(to, from, bytes, s, who);
    if (to_device) return h2d(to, reinterpret_cast<void*>(from), bytes, s, async, who);
    if (from_device) return d2h(reinterpret_cast<void*>(to), from, bytes, s, async, who);
    Space to_space, from_space;
    if (CUresult r = host_range(reinterpret_cast<void*>(to), bytes, who, to_space)) return r;
    if (CUresult r = host_range(reinterpret_cast<void*>(from), bytes, who, from_space)) return r;
    if (s->capture) return refuse_pageable(s, who);
    if (CUresult r = put_counted(s, copy_work(who, to, from, bytes, to_space, from_space))) return r;
    return async && to_space == Space::pinned && from_space == Space::pinned ? CUDA_SUCCESS : wait(s);
}

static CUresult fill(CUdeviceptr p, uint32_t value, size_t width, size_t n, CUstream s, const char* who) {
    if (p % width) {
        emu_violation("%s: %#llx is not aligned to %zu bytes", who, static_cast<unsigned long long>(p), width);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!n) return CUDA_SUCCESS;
    if (CUresult r = check_range(p, n * width, who)) return r;
    auto work = std::make_shared<Work>();
    work->name = who;
    work->type = CU_GRAPH_NODE_TYPE_MEMSET;
    work->bytes = n * width;
    work->touches = {{p, n * width, true}};
    work->run = [=](Running&) {
        auto at = static_cast<uint8_t*>(emu_resolve(p, n * width, 1, who));
        if (!at) return CUDA_ERROR_ILLEGAL_ADDRESS;
        for (size_t i = 0; i < n; i++) memcpy(at + i * width, &value, width);
        return CUDA_SUCCESS;
    };
    return put_counted(s, work);
}

}  // namespace emu

using namespace emu;

// Each function once for the legacy stream, once for a given one.
#define SYNC(name, ...)                                    \
    EMU_ENTER_CONTEXT(name, ctx);                          \
    if (CUresult r = capture_unsafe(name)) return r;       \
    CUstream s = ctx->legacy;                              \
    return __VA_ARGS__
#define ASYNC(name, ...)                           \
    EMU_ENTER_CONTEXT(name, ctx);                  \
    CUstream s = stream_of(ctx, stream, name);     \
    if (!s) return CUDA_ERROR_INVALID_HANDLE;      \
    return __VA_ARGS__

CUresult CUDAAPI cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) { SYNC("cuMemcpyHtoD", h2d(to, from, bytes, s, false, "cuMemcpyHtoD")); }

CUresult CUDAAPI cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
    ASYNC("cuMemcpyHtoDAsync", h2d(to, from, bytes, s, true, "cuMemcpyHtoDAsync"));
}

CUresult CUDAAPI cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) { SYNC("cuMemcpyDtoH", d2h(to, from, bytes, s, false, "cuMemcpyDtoH")); }

CUresult CUDAAPI cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    ASYNC("cuMemcpyDtoHAsync", d2h(to, from, bytes, s, true, "cuMemcpyDtoHAsync"));
}

CUresult CUDAAPI cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) { SYNC("cuMemcpyDtoD", d2d(to, from, bytes, s, "cuMemcpyDtoD")); }

CUresult CUDAAPI cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    ASYNC("cuMemcpyDtoDAsync", d2d(to, from, bytes, s, "cuMemcpyDtoDAsync"));
}

CUresult CUDAAPI cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) { SYNC("cuMemcpy", any(to, from, bytes, s, false, "cuMemcpy")); }

CUresult CUDAAPI cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    ASYNC("cuMemcpyAsync", any(to, from, bytes, s, true, "cuMemcpyAsync"));
}

CUresult CUDAAPI cuMemsetD8_v2(CUdeviceptr p, unsigned char value, size_t n) { SYNC("cuMemsetD8", fill(p, value, 1, n, s, "cuMemsetD8")); }

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr p, unsigned char value, size_t n, CUstream stream) {
    ASYNC("cuMemsetD8Async", fill(p, value, 1, n, s, "cuMemsetD8Async"));
}

CUresult CUDAAPI cuMemsetD16_v2(CUdeviceptr p, unsigned short value, size_t n) { SYNC("cuMemsetD16", fill(p, value, 2, n, s, "cuMemsetD16")); }

CUresult CUDAAPI cuMemsetD16Async(CUdeviceptr p, unsigned short value, size_t n, CUstream stream) {
    ASYNC("cuMemsetD16Async", fill(p, value, 2, n, s, "cuMemsetD16Async"));
}

CUresult CUDAAPI cuMemsetD32_v2(CUdeviceptr p, unsigned int value, size_t n) { SYNC("cuMemsetD32", fill(p, value, 4, n, s, "cuMemsetD32")); }

CUresult CUDAAPI cuMemsetD32Async(CUdeviceptr p, unsigned int value, size_t n, CUstream stream) {
    ASYNC("cuMemsetD32Async", fill(p, value, 4, n, s, "cuMemsetD32Async"));
}
