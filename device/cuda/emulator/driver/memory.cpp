// Memory: the table of allocations, device and pinned. Device addresses lie in a reserved range that nobody may
// touch, are never used twice and are followed by a gap, so a stale or wild address never hits something else.
#include "driver.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <shared_mutex>

namespace emu {

namespace {
constexpr uint64_t grain = 512, gap = 4096;

std::shared_mutex table_lock;
auto& table = *new std::map<uint64_t, Held>;
uint64_t next_address, end_address, next_id;

// What is in use, for cuMemGetInfo and the leak report; under big.
auto& direct_bytes = *new std::map<int, uint64_t>;  // by device
uint64_t live_count, live_bytes, pinned_count, pinned_bytes;
auto& pools = *new std::map<int, CUmemoryPool>;

bool reserve_addresses() {
    if (next_address) return true;
    for (uint64_t size = uint64_t{8} << 40; size >= uint64_t{64} << 30; size >>= 3) {
        void* p = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) continue;
        next_address = (reinterpret_cast<uint64_t>(p) + gap + grain - 1) / grain * grain;
        end_address = reinterpret_cast<uint64_t>(p) + size;
        return true;
    }
    fprintf(stderr, "emulator: no room to reserve device addresses\n");
    return false;
}

uint64_t rounded(uint64_t bytes) { return (bytes + grain - 1) / grain * grain; }

std::string outside(const Allocation& held, uint64_t address, size_t bytes) {
    char text[200];
    if (held.state == Allocation::freed)
        snprintf(text, sizeof text, "memory freed before by %s (an allocation of %llu bytes)", held.freed_by.c_str(),
                 static_cast<unsigned long long>(held.size));
    else
        snprintf(text, sizeof text, "[%llu, %llu) of an allocation of %llu bytes", static_cast<unsigned long long>(address - held.base),
                 static_cast<unsigned long long>(address - held.base + bytes), static_cast<unsigned long long>(held.size));
    return text;
}

void insert(const Held& held) {
    std::unique_lock<std::shared_mutex> hold(table_lock);
    table[held->base] = held;
}

// count keeps the sums of what lives: sign is +1 or -1.
void count(const Allocation& a, int sign) {
    if (a.internal || a.registered) return;
    (a.space == Space::device ? live_count : pinned_count) += sign;
    (a.space == Space::device ? live_bytes : pinned_bytes) += sign * static_cast<int64_t>(a.size);
    object_counts_changed();
}
}  // namespace

CUmemoryPool default_pool(int device) {
    CUmemoryPool& pool = pools[device];
    if (!pool) {
        pool = new CUmemPoolHandle_st(device);
        pool->internal = true;
        add(pool);
    }
    return pool;
}

// find_allocation answers the allocation that lies at or nearest below address, whatever its state.
Held find_allocation(uint64_t address) {
    std::shared_lock<std::shared_mutex> hold(table_lock);
    auto after = table.upper_bound(address);
    if (after == table.begin()) return nullptr;
    Held held = std::prev(after)->second;
    return address - held->base < held->size + gap ? held : nullptr;
}

bool find_range(uint64_t address, size_t bytes, Held& held, std::string& why) {
    held = find_allocation(address);
    if (!held) {
        char text[80];
        snprintf(text, sizeof text, "%#llx, which is no device memory", static_cast<unsigned long long>(address));
        why = text;
        return false;
    }
    uint64_t offset = address - held->base;
    if (held->state == Allocation::freed || offset > held->size || bytes > held->size - offset) {
        why = outside(*held, address, bytes);
        return false;
    }
    return true;
}

CUresult check_range(uint64_t address, size_t bytes, const char* who, Held* out) {
    Held held;
    std::string why;
    bool good = find_range(address, bytes, held, why);
    if (good && held->state == Allocation::freeing) {
        why = "memory given to " + held->freed_by + " before";
        good = false;
    }
    if (!good) {
        emu_violation("%s: %zu bytes at %s", who, bytes, why.c_str());
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (out) *out = held;
    return CUDA_SUCCESS;
}

Space space_of(const void* p, Held* out) {
    Held held = find_allocation(reinterpret_cast<uint64_t>(p));
    if (!held || (held->space == Space::pinned && reinterpret_cast<uint64_t>(p) - held->base >= held->size)) return Space::pageable;
    if (out) *out = held;
    return held->space;
}

// allocate_device answers null when the device's memory is used up (or the host's is).
Held allocate_device(CUcontext ctx, size_t bytes, bool pooled, bool internal) {
    CUmemoryPool pool = default_pool(ctx->device);
    uint64_t size = rounded(bytes);
    auto fits = [&] {
        uint64_t taken = direct_bytes[ctx->device] + pool->reserved;
        uint64_t free = machine.memory > taken ? machine.memory - taken : 0;
        if (pooled) free += pool->reserved - pool->used;
        return size <= free;
    };
    if (!fits()) {
        if (!pooled) return nullptr;
        synchronise_all(ctx);  // a pool may wait for frees that are queued
        if (ctx->sticky != CUDA_SUCCESS || !fits()) return nullptr;
    }
    if (!reserve_addresses() || next_address + size + gap > end_address) return nullptr;
    void* host = nullptr;
    if (posix_memalign(&host, 4096, size) != 0) return nullptr;
    memset(host, 0xFF, size);
    auto held = std::make_shared<Allocation>();
    held->base = next_address;
    held->size = bytes;
    held->host = static_cast<uint8_t*>(host);
    held->pooled = pooled;
    held->internal = internal;
    held->ctx = ctx;
    held->device = ctx->device;
    held->id = ++next_id;
    next_address += size + gap;
    next_address = rounded(next_address);
    if (pooled) {
        pool->used += size;
        pool->used_high = std::max(pool->used_high, pool->used);
        pool->reserved = std::max(pool->reserved, pool->used);
        pool->reserved_high = std::max(pool->reserved_high, pool->reserved);
    } else {
        direct_bytes[ctx->device] += size;
    }
    insert(held);
    count(*held, 1);
    return held;
}

void release(const Held& held, const char* by) {
    bool forget = held->space == Space::pinned;
    {
        std::unique_lock<std::shared_mutex> hold(table_lock);
        held->state = Allocation::freed;
        held->freed_by = by;
        if (forget) table.erase(held->base);  // the host may use the address again
    }
    if (held->space == Space::device) {
        if (held->pooled)
            default_pool(held->device)->used -= rounded(held->size);
        else
            direct_bytes[held->device] -= rounded(held->size);
        free(held->host);
    } else if (!held->registered) {
        munmap(held->host, (held->size + 4095) / 4096 * 4096);
    }
    held->host = nullptr;
    held->accesses.clear();
    count(*held, -1);
}

// trim gives back what the pool keeps beyond its threshold, as every synchronisation does.
void trim_pools(int device) {
    CUmemoryPool pool = default_pool(device);
    pool->reserved = std::max(pool->used, std::min(pool->reserved, pool->threshold));
}

void release_all(CUcontext ctx, const char* by) {
    std::vector<Held> left;
    {
        std::shared_lock<std::shared_mutex> hold(table_lock);
        for (auto& [_, held] : table)
            if (held->ctx == ctx && held->state != Allocation::freed) left.push_back(held);
    }
    size_t n = 0, bytes = 0;
    for (auto& held : left) {
        if (!held->internal) n++, bytes += held->size;
        release(held, by ? by : "a reset of its context");
    }
    trim_pools(ctx->device);
    if (by && n) emu_violation("context destroyed with %zu allocations (%zu bytes) not released", n, bytes);
}

void memory_leaks(std::vector<std::string>& lines) {
    if (live_count) lines.push_back("not released: device memory: " + std::to_string(live_count) + " (" + std::to_string(live_bytes) + " bytes)");
    if (pinned_count) lines.push_back("not released: pinned memory: " + std::to_string(pinned_count) + " (" + std::to_string(pinned_bytes) + " bytes)");
}

static CUresult injected_allocation_failure() {
    CUresult result = CUDA_SUCCESS;
    if (fail_all_allocations()) return CUDA_ERROR_OUT_OF_MEMORY;
    injected("alloc", &result);
    return result;
}

static void allocated(size_t bytes) {
    emu_count("allocations", 1);
    emu_count("bytes_allocated", bytes);
}

// freeable finds the device allocation that begins at p, for one of the free functions.
static CUresult freeable(CUdeviceptr p, const char* who, Held& held) {
    held = find_allocation(p);
    if (!held || held->base != p || held->space != Space::device || held->internal) {
        emu_violation("%s: %#llx is not the start of an allocation", who, static_cast<unsigned long long>(p));
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (held->state != Allocation::live) {
        emu_violation("%s: double free of %#llx, freed before by %s", who, static_cast<unsigned long long>(p), held->freed_by.c_str());
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

static CUresult allocate_async(CUdeviceptr* out, size_t bytes, CUstream handle, CUcontext ctx) {
    if (!out || !bytes) return CUDA_ERROR_INVALID_VALUE;
    CUstream s = stream_of(ctx, handle, "cuMemAllocAsync");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) {
        emu_unsupported("cuMemAllocAsync while its stream is capturing");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    if (CUresult r = injected_allocation_failure()) return r;
    Held held = allocate_device(ctx, bytes, true);
    if (ctx->sticky != CUDA_SUCCESS) return ctx->sticky;
    if (!held) return CUDA_ERROR_OUT_OF_MEMORY;
    allocated(bytes);
    *out = held->base;
    auto work = std::make_shared<Work>();
    work->name = "cuMemAllocAsync";
    work->type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
    work->touches = {{held->base, bytes, true}};
    return put(s, work);
}

}  // namespace emu

using namespace emu;

extern "C" void* emu_resolve(CUdeviceptr p, size_t bytes, int write, const char* who) {
    Held held;
    std::string why;
    if (find_range(p, bytes, held, why)) return held->host + (p - held->base);
    if (Running* run = running) {
        CUresult none = CUDA_SUCCESS;
        run->fault.compare_exchange_strong(none, CUDA_ERROR_ILLEGAL_ADDRESS);
    }
    emu_violation("%s: illegal address: %s of %zu bytes at %s", who, write ? "write" : "read", bytes, why.c_str());
    return nullptr;
}

extern "C" int emu_is_device(CUdeviceptr p, size_t bytes) {
    Held held;
    std::string why;
    return find_range(p, bytes, held, why) && held->space == Space::device && held->state == Allocation::live;
}

CUresult CUDAAPI cuMemAlloc_v2(CUdeviceptr* out, size_t bytes) {
    EMU_ENTER_CONTEXT("cuMemAlloc", ctx);
    if (!out || !bytes) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = capture_unsafe("cuMemAlloc")) return r;
    if (CUresult r = injected_allocation_failure()) return r;
    Held held = allocate_device(ctx, bytes, false);
    if (!held) return CUDA_ERROR_OUT_OF_MEMORY;
    allocated(bytes);
    *out = held->base;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemFree_v2(CUdeviceptr p) {
    EMU_ENTER_CONTEXT("cuMemFree", ctx);
    if (!p) return CUDA_SUCCESS;
    if (CUresult r = capture_unsafe("cuMemFree")) return r;
    Held held;
    if (CUresult r = freeable(p, "cuMemFree", held)) return r;
    emu_count("synchronisations", 1);
    if (CUresult r = synchronise_all(held->ctx)) return r;
    emu_count("frees", 1);
    release(held, "cuMemFree");
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemAllocAsync(CUdeviceptr* out, size_t bytes, CUstream stream) {
    EMU_ENTER_CONTEXT("cuMemAllocAsync", ctx);
    return allocate_async(out, bytes, stream, ctx);
}

CUresult CUDAAPI cuMemAllocFromPoolAsync(CUdeviceptr* out, size_t bytes, CUmemoryPool pool, CUstream stream) {
    EMU_ENTER_CONTEXT("cuMemAllocFromPoolAsync", ctx);
    if (pool != default_pool(ctx->device)) return CUDA_ERROR_INVALID_VALUE;
    return allocate_async(out, bytes, stream, ctx);
}

CUresult CUDAAPI cuMemFreeAsync(CUdeviceptr p, CUstream stream) {
    EMU_ENTER_CONTEXT("cuMemFreeAsync", ctx);
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    CUstream s = stream_of(ctx, stream, "cuMemFreeAsync");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    Held held;
    if (CUresult r = freeable(p, "cuMemFreeAsync", held)) return r;
    if (s->capture) {
        emu_unsupported("cuMemFreeAsync while its stream is capturing");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    auto work = std::make_shared<Work>();
    work->name = "cuMemFreeAsync";
    work->type = CU_GRAPH_NODE_TYPE_MEM_FREE;
    work->touches = {{p, held->size, true}};
    work->run = [held](Running&) {
        release(held, "cuMemFreeAsync");
        return CUDA_SUCCESS;
    };
    if (CUresult r = put(s, work)) return r;
    emu_count("frees", 1);
    held->state = Allocation::freeing;
    held->freed_by = "cuMemFreeAsync";
    return CUDA_SUCCESS;
}

static CUresult allocate_host(void** out, size_t bytes, unsigned flags, const char* who) {
    EMU_ENTER_CONTEXT(who, ctx);
    if (!out || !bytes || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = capture_unsafe(who)) return r;
    size_t size = (bytes + 4095) / 4096 * 4096;
    void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(p, 0xFF, size);
    auto held = std::make_shared<Allocation>();
    held->base = reinterpret_cast<uint64_t>(p);
    held->size = bytes;
    held->host = static_cast<uint8_t*>(p);
    held->space = Space::pinned;
    held->ctx = ctx;
    held->device = ctx->device;
    held->id = ++next_id;
    insert(held);
    count(*held, 1);
    emu_count("host_allocations", 1);
    *out = p;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemHostAlloc(void** out, size_t bytes, unsigned int flags) { return allocate_host(out, bytes, flags, "cuMemHostAlloc"); }

CUresult CUDAAPI cuMemAllocHost_v2(void** out, size_t bytes) { return allocate_host(out, bytes, 0, "cuMemAllocHost"); }

CUresult CUDAAPI cuMemFreeHost(void* p) {
    EMU_ENTER_CONTEXT("cuMemFreeHost", ctx);
    if (CUresult r = capture_unsafe("cuMemFreeHost")) return r;
    Held held = find_allocation(reinterpret_cast<uint64_t>(p));
    if (!held || held->space != Space::pinned || held->registered || held->host != p) {
        emu_violation("cuMemFreeHost: %p is not the start of pinned memory, or was freed before", p);
        return CUDA_ERROR_INVALID_VALUE;
    }
    emu_count("synchronisations", 1);
    if (CUresult r = synchronise_all(held->ctx)) return r;
    release(held, "cuMemFreeHost");
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemHostRegister_v2(void* p, size_t bytes, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuMemHostRegister", ctx);
    if (!p || !bytes || flags > 15) return CUDA_ERROR_INVALID_VALUE;
    if (space_of(p) != Space::pageable) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    auto held = std::make_shared<Allocation>();
    held->base = reinterpret_cast<uint64_t>(p);
    held->size = bytes;
    held->host = static_cast<uint8_t*>(p);
    held->space = Space::pinned;
    held->registered = true;
    held->ctx = ctx;
    held->device = ctx->device;
    held->id = ++next_id;
    insert(held);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemHostUnregister(void* p) {
    EMU_ENTER_CONTEXT("cuMemHostUnregister", ctx);
    Held held = find_allocation(reinterpret_cast<uint64_t>(p));
    if (!held || !held->registered || held->host != p) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    if (CUresult r = synchronise_all(held->ctx)) return r;
    release(held, "cuMemHostUnregister");
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* p, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuMemHostGetDevicePointer", ctx);
    if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
    if (space_of(p) != Space::pinned) return CUDA_ERROR_INVALID_VALUE;
    *out = reinterpret_cast<CUdeviceptr>(p);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemGetInfo_v2(size_t* free, size_t* total) {
    EMU_ENTER_CONTEXT("cuMemGetInfo", ctx);
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    uint64_t taken = direct_bytes[ctx->device] + default_pool(ctx->device)->reserved;
    *total = machine.memory;
    *free = machine.memory > taken ? machine.memory - taken : 0;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* size, CUdeviceptr p) {
    EMU_ENTER_CONTEXT("cuMemGetAddressRange", ctx);
    Held held = find_allocation(p);
    if (!held || held->state != Allocation::live || p - held->base >= held->size) return CUDA_ERROR_NOT_FOUND;
    if (base) *base = held->base;
    if (size) *size = held->size;
    return CUDA_SUCCESS;
}

static CUresult pointer_attribute(void* data, CUpointer_attribute attribute, CUdeviceptr p) {
    if (!data) return CUDA_ERROR_INVALID_VALUE;
    Held held = find_allocation(p);
    if (!held || held->state != Allocation::live || p - held->base >= held->size) return CUDA_ERROR_INVALID_VALUE;
    bool device = held->space == Space::device;
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: *static_cast<CUcontext*>(data) = held->ctx; break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *static_cast<unsigned*>(data) = device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
        break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *static_cast<CUdeviceptr*>(data) = p; break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (device) return CUDA_ERROR_INVALID_VALUE;
        *static_cast<void**>(data) = reinterpret_cast<void*>(p);
        break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: *static_cast<unsigned long long*>(data) = held->id; break;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: *static_cast<unsigned*>(data) = 0; break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *static_cast<int*>(data) = held->device; break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *static_cast<CUdeviceptr*>(data) = held->base; break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *static_cast<size_t*>(data) = held->size; break;
    case CU_POINTER_ATTRIBUTE_MAPPED: *static_cast<unsigned*>(data) = 1; break;
    default:
        emu_unsupported(("cuPointerGetAttribute, attribute " + std::to_string(attribute)).c_str());
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr p) {
    EMU_ENTER_CONTEXT("cuPointerGetAttribute", ctx);
    return pointer_attribute(data, attribute, p);
}

CUresult CUDAAPI cuPointerGetAttributes(unsigned int n, CUpointer_attribute* attributes, void** data, CUdeviceptr p) {
    EMU_ENTER_CONTEXT("cuPointerGetAttributes", ctx);
    if (!attributes || !data) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < n; i++) {
        CUresult r = pointer_attribute(data[i], attributes[i], p);
        if (r != CUDA_SUCCESS && r != CUDA_ERROR_INVALID_VALUE) return r;
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetDefaultMemPool(CUmemoryPool* out, CUdevice dev) {
    EMU_ENTER("cuDeviceGetDefaultMemPool");
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    *out = default_pool(dev);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetMemPool(CUmemoryPool* out, CUdevice dev) { return cuDeviceGetDefaultMemPool(out, dev); }

CUresult CUDAAPI cuMemPoolTrimTo(CUmemoryPool handle, size_t keep) {
    EMU_ENTER("cuMemPoolTrimTo");
    CUmemoryPool pool = live(handle, Kind::pool, "cuMemPoolTrimTo");
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    pool->reserved = std::max<uint64_t>(pool->used, std::min<uint64_t>(pool->reserved, keep));
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
    EMU_ENTER("cuMemPoolSetAttribute");
    CUmemoryPool pool = live(handle, Kind::pool, "cuMemPoolSetAttribute");
    if (!pool || !value) return CUDA_ERROR_INVALID_VALUE;
    switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: return CUDA_SUCCESS;  // addresses are never reused here
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: pool->threshold = *static_cast<cuuint64_t*>(value); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
        if (*static_cast<cuuint64_t*>(value)) return CUDA_ERROR_INVALID_VALUE;
        pool->reserved_high = pool->reserved;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        if (*static_cast<cuuint64_t*>(value)) return CUDA_ERROR_INVALID_VALUE;
        pool->used_high = pool->used;
        return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult CUDAAPI cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
    EMU_ENTER("cuMemPoolGetAttribute");
    CUmemoryPool pool = live(handle, Kind::pool, "cuMemPoolGetAttribute");
    if (!pool || !value) return CUDA_ERROR_INVALID_VALUE;
    switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: *static_cast<int*>(value) = 1; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: *static_cast<cuuint64_t*>(value) = pool->threshold; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: *static_cast<cuuint64_t*>(value) = pool->reserved; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: *static_cast<cuuint64_t*>(value) = pool->reserved_high; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: *static_cast<cuuint64_t*>(value) = pool->used; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: *static_cast<cuuint64_t*>(value) = pool->used_high; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}
