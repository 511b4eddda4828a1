// Launches: functions, their attributes, occupancy, and running a kernel through the PTX executor.
#include "driver.h"

#include <algorithm>
#include <cstring>

namespace emu {

int attribute(CUdevice_attribute a, CUdevice dev, bool& known);  // device.cpp

namespace {
int attribute(CUdevice_attribute a) {
    bool known;
    return emu::attribute(a, 0, known);
}

// KernelMemory is the memory a kernel sees, and notes what it reads and writes, by sixteenths of an allocation: the
// executor keeps an extent and asks again when an address leaves it, so extents are handed out in such windows. A
// kernel that jumps about would ask all the time; after some questions it gets, and is noted for, the whole.
class KernelMemory : public ptx::Memory {
public:
    bool find(uint64_t address, size_t bytes, bool write, ptx::Extent& extent, std::string& why) override {
        Held held;
        if (!find_range(address, bytes, held, why)) return false;
        if (write && held->constant) {
            why = "constant memory, which a kernel may only read";
            return false;
        }
        std::lock_guard<std::mutex> hold(lock);
        Seen& seen = all[held.get()];
        if (!seen.held) {
            seen.held = held;
            seen.window = (held->size / windows + 255) / 256 * 256 + 256;
        }
        uint64_t offset = address - held->base;
        size_t first = offset / seen.window, last = (offset + bytes - 1) / seen.window;
        if (++seen.questions > patience) first = 0, last = (held->size - 1) / seen.window;
        for (size_t w = first; w <= last; w++) (write ? seen.written : seen.read) |= 1u << w;
        extent.base = held->base + first * seen.window;
        extent.size = std::min((last + 1) * seen.window, held->size) - first * seen.window;
        extent.host = held->host + first * seen.window;
        return true;
    }

    void reach(const std::string& name, std::vector<Reach>& reached) const {
        for (auto& [_, seen] : all) {
            if (seen.held->constant) continue;
            add(seen, seen.read, false, name, reached);
            add(seen, seen.written, true, name, reached);
        }
    }

private:
    static constexpr uint64_t windows = 16;
    static constexpr int patience = 256;
    struct Seen {
        Held held;
        uint64_t window = 0;
        uint32_t read = 0, written = 0;  // a bit per window
        int questions = 0;
    };
    std::mutex lock;
    std::unordered_map<const Allocation*, Seen> all;

    static void add(const Seen& seen, uint32_t bits, bool write, const std::string& name, std::vector<Reach>& reached) {
        for (uint64_t w = 0; bits >> w; w++) {
            if (!(bits >> w & 1)) continue;
            uint64_t from = w;
            while (bits >> (w + 1) & 1) w++;
            reached.push_back({seen.held, seen.held->base + from * seen.window, seen.held->base + std::min((w + 1) * seen.window, seen.held->size), write, name});
        }
    }
};

CUresult status_of(ptx::Fault::Kind kind) {
    switch (kind) {
    case ptx::Fault::launch: return CUDA_ERROR_INVALID_VALUE;
    case ptx::Fault::address: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case ptx::Fault::alignment: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case ptx::Fault::limit: return CUDA_ERROR_LAUNCH_TIMEOUT;
    default: return CUDA_ERROR_LAUNCH_FAILED;
    }
}

CUresult run_kernel(const KernelCall& call, const std::string& name, Running& run) {
    if (!call.module->alive) {
        emu_violation("%s runs after its module was unloaded", name.c_str());
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    KernelMemory memory;
    ptx::Traffic traffic;
    bool count = counting_bytes();
    auto fault = ptx::run(*call.kernel, call.launch, memory, count ? &traffic : nullptr, machine.threads);
    memory.reach(name, run.reached);
    if (count) {
        std::string key = "kernel:" + call.kernel->name;
        emu_count((key + ":launches").c_str(), 1);
        emu_count((key + ":read_bytes").c_str(), traffic.read_bytes);
        emu_count((key + ":write_bytes").c_str(), traffic.write_bytes);
        emu_count((key + ":instructions").c_str(), traffic.instructions);
        emu_count("instructions", traffic.instructions);
    }
    if (!fault) return CUDA_SUCCESS;
    emu_violation("%s: %s", name.c_str(), fault->what.c_str());
    return status_of(fault->kind);
}

CUresult copy_params(const ptx::Kernel& kernel, void** params, void** extra, std::vector<uint8_t>& out) {
    out.assign(kernel.param_bytes, 0);
    if (params && extra) return CUDA_ERROR_INVALID_VALUE;
    if (params) {
        for (size_t i = 0; i < kernel.params.size(); i++) {
            if (!params[i]) return CUDA_ERROR_INVALID_VALUE;
            memcpy(out.data() + kernel.params[i].offset, params[i], kernel.params[i].size);
        }
        return CUDA_SUCCESS;
    }
    if (!extra) return kernel.params.empty() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    const void* buffer = nullptr;
    size_t bytes = 0;
    for (size_t i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = extra[i + 1];
        else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
            bytes = *static_cast<size_t*>(extra[i + 1]);
        else
            return CUDA_ERROR_INVALID_VALUE;
    }
    if (!buffer || bytes < kernel.param_bytes) return CUDA_ERROR_INVALID_VALUE;
    memcpy(out.data(), buffer, kernel.param_bytes);
    return CUDA_SUCCESS;
}

CUresult launch(CUfunction handle, ptx::Dim3 grid, ptx::Dim3 block, unsigned shared, CUstream stream, void** params, void** extra, CUcontext ctx) {
    CUfunction f = live(handle, Kind::function, "cuLaunchKernel");
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    CUstream s = stream_of(ctx, stream, "cuLaunchKernel");
    if (!s || f->ctx != s->ctx) return CUDA_ERROR_INVALID_HANDLE;
    const ptx::Kernel& kernel = *f->kernel;
    if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z) return CUDA_ERROR_INVALID_VALUE;
    if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535 || block.x > 1024 || block.y > 1024 || block.z > 64) return CUDA_ERROR_INVALID_VALUE;
    if (uint64_t{block.x} * block.y * block.z > static_cast<uint64_t>(std::min(kernel.max_threads, 1024))) return CUDA_ERROR_INVALID_VALUE;
    if (kernel.required[0] && (block.x != static_cast<uint32_t>(kernel.required[0]) || block.y != static_cast<uint32_t>(kernel.required[1]) ||
                               block.z != static_cast<uint32_t>(kernel.required[2])))
        return CUDA_ERROR_INVALID_VALUE;
    if (shared > static_cast<unsigned>(f->max_dynamic_shared) || shared + kernel.static_shared > static_cast<size_t>(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)) ||
        (f->max_dynamic_shared <= (48 << 10) && shared + kernel.static_shared > (48 << 10)))
        return CUDA_ERROR_INVALID_VALUE;
    auto call = std::make_shared<KernelCall>();
    if (CUresult r = copy_params(kernel, params, extra, call->params)) return r;
    CUresult failed = CUDA_SUCCESS;
    bool captured = s->capture != nullptr;
    if (!captured && injected("launch", &failed)) return failed;
    call->function = f;
    call->module = f->module;
    call->code = f->module->code;
    call->kernel = &kernel;
    call->launch.grid = grid;
    call->launch.block = block;
    call->launch.dynamic_shared = shared;
    call->launch.params = call->params.data();
    call->launch.step_limit = uint64_t{1} << 33;
    auto work = std::make_shared<Work>();
    work->name = "kernel " + kernel.name;
    work->type = CU_GRAPH_NODE_TYPE_KERNEL;
    work->details = call;
    if (!captured) injected("async", &work->injected);
    std::string name = work->name;
    work->run = [call, name](Running& run) { return run_kernel(*call, name, run); };
    if (CUresult r = put(s, work)) return r;
    if (!captured) count_work(*work);
    return CUDA_SUCCESS;
}
}  // namespace

}  // namespace emu

using namespace emu;

CUresult CUDAAPI cuLaunchKernel(CUfunction f, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                                unsigned int block_z, unsigned int shared, CUstream stream, void** params, void** extra) {
    EMU_ENTER_CONTEXT("cuLaunchKernel", ctx);
    return launch(f, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, stream, params, extra, ctx);
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig* c, CUfunction f, void** params, void** extra) {
    EMU_ENTER_CONTEXT("cuLaunchKernelEx", ctx);
    if (!c) return CUDA_ERROR_INVALID_VALUE;
    if (c->numAttrs) {
        emu_unsupported("cuLaunchKernelEx with attributes");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    return launch(f, {c->gridDimX, c->gridDimY, c->gridDimZ}, {c->blockDimX, c->blockDimY, c->blockDimZ}, c->sharedMemBytes, c->hStream, params, extra, ctx);
}

CUresult CUDAAPI cuFuncGetAttribute(int* value, CUfunction_attribute a, CUfunction handle) {
    EMU_ENTER_CONTEXT("cuFuncGetAttribute", ctx);
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    CUfunction f = live(handle, Kind::function, "cuFuncGetAttribute");
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    switch (a) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = std::min(f->kernel->max_threads, 1024); break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = f->kernel->static_shared; break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = f->kernel->local_bytes; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = std::min(f->kernel->registers, 255); break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = machine.compute; break;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = f->max_dynamic_shared; break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = -1; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction handle, CUfunction_attribute a, int value) {
    EMU_ENTER_CONTEXT("cuFuncSetAttribute", ctx);
    CUfunction f = live(handle, Kind::function, "cuFuncSetAttribute");
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    switch (a) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        if (value < 0 || value + static_cast<int64_t>(f->kernel->static_shared) > attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN))
            return CUDA_ERROR_INVALID_VALUE;
        f->max_dynamic_shared = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return value < -1 || value > 100 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult CUDAAPI cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache) {
    EMU_ENTER_CONTEXT("cuFuncSetCacheConfig", ctx);
    return live(handle, Kind::function, "cuFuncSetCacheConfig") ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult CUDAAPI cuFuncGetName(const char** name, CUfunction handle) {
    EMU_ENTER_CONTEXT("cuFuncGetName", ctx);
    CUfunction f = live(handle, Kind::function, "cuFuncGetName");
    if (!f || !name) return CUDA_ERROR_INVALID_VALUE;
    *name = f->kernel->name.c_str();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncGetModule(CUmodule* module, CUfunction handle) {
    EMU_ENTER_CONTEXT("cuFuncGetModule", ctx);
    CUfunction f = live(handle, Kind::function, "cuFuncGetModule");
    if (!f || !module) return CUDA_ERROR_INVALID_VALUE;
    *module = f->module;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncGetParamInfo(CUfunction handle, size_t index, size_t* offset, size_t* bytes) {
    EMU_ENTER_CONTEXT("cuFuncGetParamInfo", ctx);
    CUfunction f = live(handle, Kind::function, "cuFuncGetParamInfo");
    if (!f || !offset || index >= f->kernel->params.size()) return CUDA_ERROR_INVALID_VALUE;
    *offset = f->kernel->params[index].offset;
    if (bytes) *bytes = f->kernel->params[index].size;
    return CUDA_SUCCESS;
}

// occupancy counts what fits by threads, blocks and shared memory. Registers are not known before ptxas.
static CUresult occupancy(int* blocks, CUfunction handle, int threads, size_t shared) {
    if (!blocks || threads < 1) return CUDA_ERROR_INVALID_VALUE;
    CUfunction f = live(handle, Kind::function, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    if (threads > std::min(f->kernel->max_threads, 1024)) {
        *blocks = 0;
        return CUDA_SUCCESS;
    }
    int rounded = (threads + 31) / 32 * 32;
    size_t need = shared + f->kernel->static_shared + attribute(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
    int n = std::min(attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR), attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) / rounded);
    if (need) n = std::min<size_t>(n, attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) / need);
    *blocks = n;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction f, int threads, size_t shared) {
    EMU_ENTER_CONTEXT("cuOccupancyMaxActiveBlocksPerMultiprocessor", ctx);
    return occupancy(blocks, f, threads, shared);
}

CUresult CUDAAPI cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction f, int threads, size_t shared, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", ctx);
    if (flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) return CUDA_ERROR_INVALID_VALUE;
    return occupancy(blocks, f, threads, shared);
}
