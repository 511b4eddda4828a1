// Contexts: the stack of each thread, primary contexts, and the error that sticks to a context once work has failed.
#include "driver.h"

namespace emu {

namespace {
thread_local std::vector<CUcontext> stack;

struct Primary {
    CUcontext ctx = nullptr;
    unsigned retained = 0, forgiven = 0;  // forgiven: releases still to come of retains before a reset
    unsigned flags = 0;
};
auto& primaries = *new std::map<int, Primary>;
uint64_t contexts_made;

CUcontext make_context(int device, unsigned flags, bool primary) {
    auto ctx = new CUctx_st;
    ctx->device = device;
    ctx->flags = flags;
    ctx->primary = primary;
    ctx->id = ++contexts_made;
    add(ctx);
    ctx->legacy = new CUstream_st(ctx);
    ctx->legacy->legacy = ctx->legacy->internal = true;
    add(ctx->legacy);
    return ctx;
}

// destroy ends a context. What still lives in it is a leak, unless it could not be released (a sticky error) or the
// whole context was thrown away on purpose (a reset).
void destroy(CUcontext ctx, bool reset) {
    if (ctx->sticky == CUDA_SUCCESS) synchronise_all(ctx);
    bool tolerate = reset || ctx->sticky != CUDA_SUCCESS;
    drop_queues(ctx);
    std::map<Kind, size_t> left;
    for (Object* o : of_context(ctx)) {
        if (o->kind == Kind::graph) continue;
        if (!o->internal && o->kind != Kind::function) left[o->kind]++;
        if (o->kind == Kind::stream) {
            auto s = static_cast<CUstream>(o);
            s->capture = nullptr;
            s->frontier.clear();
        }
        retire(o);
    }
    if (!tolerate)
        for (auto [kind, n] : left) emu_violation("context destroyed with %zu of its kind %s not released", n, kind_name(kind));
    std::vector<std::string> memory;
    release_all(ctx, tolerate ? nullptr : "destroyed with its context");
    retire(ctx);
}
}  // namespace

CUcontext current() { return stack.empty() ? nullptr : stack.back(); }

static CUresult may_enter(const char* function) {
    if (!machine.ready) return CUDA_ERROR_NOT_INITIALIZED;
    if (running && running_thread.load() == std::this_thread::get_id()) {
        emu_violation("%s called by work that is executing", function);
        return CUDA_ERROR_NOT_PERMITTED;
    }
    return CUDA_SUCCESS;
}

static CUresult fault_of(const char* function) {
    emu_count((std::string("call:") + function).c_str(), 1);
    CUresult result = CUDA_SUCCESS;
    injected((std::string("library_call:") + function).c_str(), &result);
    return result;
}

CUresult enter(const char* function) {
    if (CUresult r = may_enter(function)) return r;
    return fault_of(function);
}

CUresult enter_context(const char* function, CUcontext& ctx) {
    if (CUresult r = may_enter(function)) return r;
    ctx = current();
    if (!ctx) return CUDA_ERROR_INVALID_CONTEXT;
    if (!ctx->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (ctx->sticky != CUDA_SUCCESS) return ctx->sticky;
    return fault_of(function);
}

void break_context(CUcontext ctx, CUresult error, const std::string& culprit) {
    if (ctx->sticky != CUDA_SUCCESS) return;
    ctx->sticky = error;
    ctx->culprit = culprit;
    const char* name = nullptr;
    cuGetErrorName(error, &name);
    fprintf(stderr, "emulator: %s: %s, which every later call in this context returns\n", culprit.c_str(), name ? name : "?");
    drop_queues(ctx);
}

static CUresult context_of(CUcontext handle, const char* who, CUcontext& ctx) {
    ctx = handle ? live(handle, Kind::context, who) : nullptr;
    return ctx ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult create(CUcontext* out, unsigned flags, CUdevice dev) {
    if (!out || (flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK))) return CUDA_ERROR_INVALID_VALUE;
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    *out = make_context(dev, flags, false);
    stack.push_back(*out);
    return CUDA_SUCCESS;
}

}  // namespace emu

using namespace emu;

extern "C" CUresult emu_context_error(void) {
    std::lock_guard<std::recursive_mutex> hold(big);
    if (!machine.ready) return CUDA_ERROR_NOT_INITIALIZED;
    CUcontext ctx = current();
    if (!ctx) return CUDA_ERROR_INVALID_CONTEXT;
    if (!ctx->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return ctx->sticky;
}

CUresult CUDAAPI cuCtxCreate_v2(CUcontext* out, unsigned int flags, CUdevice dev) {
    EMU_ENTER("cuCtxCreate");
    return create(out, flags, dev);
}

CUresult CUDAAPI cuCtxCreate_v3(CUcontext* out, CUexecAffinityParam* affinity, int affinities, unsigned int flags, CUdevice dev) {
    EMU_ENTER("cuCtxCreate");
    if (affinity || affinities) return CUDA_ERROR_NOT_SUPPORTED;
    return create(out, flags, dev);
}

CUresult CUDAAPI cuCtxCreate_v4(CUcontext* out, CUctxCreateParams* params, unsigned int flags, CUdevice dev) {
    EMU_ENTER("cuCtxCreate");
    if (params) return CUDA_ERROR_NOT_SUPPORTED;
    return create(out, flags, dev);
}

CUresult CUDAAPI cuCtxDestroy_v2(CUcontext handle) {
    EMU_ENTER("cuCtxDestroy");
    CUcontext ctx;
    if (CUresult r = context_of(handle, "cuCtxDestroy", ctx)) return r;
    if (ctx->primary) return CUDA_ERROR_INVALID_CONTEXT;
    destroy(ctx, false);
    if (current() == ctx) stack.pop_back();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice dev) {
    EMU_ENTER("cuDevicePrimaryCtxRetain");
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    Primary& p = primaries[dev];
    if (!p.ctx) p.ctx = make_context(dev, p.flags, true);
    p.retained++;
    *out = p.ctx;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
    EMU_ENTER("cuDevicePrimaryCtxRelease");
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    Primary& p = primaries[dev];
    if (p.retained == 0 && p.forgiven > 0) {
        p.forgiven--;
        return CUDA_SUCCESS;
    }
    if (p.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--p.retained == 0) {
        destroy(p.ctx, false);
        p.ctx = nullptr;
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxReset_v2(CUdevice dev) {
    EMU_ENTER("cuDevicePrimaryCtxReset");
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    Primary& p = primaries[dev];
    if (!p.ctx) return CUDA_SUCCESS;
    destroy(p.ctx, true);
    p.ctx = nullptr;
    p.forgiven = p.retained;
    p.retained = 0;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) {
    EMU_ENTER("cuDevicePrimaryCtxSetFlags");
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    if (flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) return CUDA_ERROR_INVALID_VALUE;
    Primary& p = primaries[dev];
    p.flags = flags;
    if (p.ctx) p.ctx->flags = flags;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int* flags, int* active) {
    EMU_ENTER("cuDevicePrimaryCtxGetState");
    if (dev < 0 || dev >= machine.devices) return CUDA_ERROR_INVALID_DEVICE;
    if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
    *flags = primaries[dev].flags;
    *active = primaries[dev].ctx != nullptr;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext handle) {
    EMU_ENTER("cuCtxSetCurrent");
    CUcontext ctx = nullptr;
    if (handle)
        if (CUresult r = context_of(handle, "cuCtxSetCurrent", ctx)) return r;
    if (!stack.empty()) stack.pop_back();
    if (ctx) stack.push_back(ctx);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetCurrent(CUcontext* out) {
    EMU_ENTER("cuCtxGetCurrent");
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = current();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxPushCurrent_v2(CUcontext handle) {
    EMU_ENTER("cuCtxPushCurrent");
    CUcontext ctx;
    if (CUresult r = context_of(handle, "cuCtxPushCurrent", ctx)) return r;
    stack.push_back(ctx);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxPopCurrent_v2(CUcontext* out) {
    EMU_ENTER("cuCtxPopCurrent");
    if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (out) *out = stack.back();
    stack.pop_back();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice* device) {
    EMU_ENTER("cuCtxGetDevice");
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    if (!current()) return CUDA_ERROR_INVALID_CONTEXT;
    *device = current()->device;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetFlags(unsigned int* flags) {
    EMU_ENTER("cuCtxGetFlags");
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    if (!current()) return CUDA_ERROR_INVALID_CONTEXT;
    *flags = current()->flags;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetId(CUcontext handle, unsigned long long* id) {
    EMU_ENTER("cuCtxGetId");
    if (!id) return CUDA_ERROR_INVALID_VALUE;
    CUcontext ctx;
    if (CUresult r = context_of(handle ? handle : current(), "cuCtxGetId", ctx)) return r;
    *id = ctx->id;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetApiVersion(CUcontext handle, unsigned int* version) {
    EMU_ENTER("cuCtxGetApiVersion");
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    CUcontext ctx;
    if (CUresult r = context_of(handle ? handle : current(), "cuCtxGetApiVersion", ctx)) return r;
    *version = 3020;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    EMU_ENTER_CONTEXT("cuCtxGetStreamPriorityRange", ctx);
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxSynchronize(void) {
    EMU_ENTER_CONTEXT("cuCtxSynchronize", ctx);
    if (CUresult r = capture_blocks_context(ctx)) return r;
    emu_count("synchronisations", 1);
    return synchronise_all(ctx);
}
