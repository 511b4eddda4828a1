// Contexts: which one is current, primary contexts, errors that stick.
#include "testing.h"

#include <thread>

TEST(a_call_without_a_context) {
    OK(cuInit(0));
    CUdeviceptr p;
    IS(cuMemAlloc(&p, 4), CUDA_ERROR_INVALID_CONTEXT);
    CUstream s;
    IS(cuStreamCreate(&s, 0), CUDA_ERROR_INVALID_CONTEXT);
    IS(cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT);
    Context c;
    std::thread([] {
        CUdeviceptr p;
        IS(cuMemAlloc(&p, 4), CUDA_ERROR_INVALID_CONTEXT);  // current is per thread
    }).join();
    OK(cuMemAlloc(&p, 4));
    OK(cuMemFree(p));
}

TEST(stack) {
    Context a;
    CUcontext top = nullptr;
    {
        Context b;
        OK(cuCtxGetCurrent(&top));
        CHECK(top == b.ctx);
        OK(cuCtxPushCurrent(a.ctx));
        OK(cuCtxPopCurrent(&top));
        CHECK(top == a.ctx);
    }
    OK(cuCtxGetCurrent(&top));
    CHECK(top == a.ctx);
    OK(cuCtxSetCurrent(nullptr));
    IS(cuCtxPopCurrent(&top), CUDA_ERROR_INVALID_CONTEXT);
    OK(cuCtxSetCurrent(a.ctx));
}

TEST(primary) {
    OK(cuInit(0));
    CUcontext a, b;
    unsigned flags;
    int active;
    OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
    EQUAL(active, 0);
    OK(cuDevicePrimaryCtxSetFlags(0, CU_CTX_SCHED_BLOCKING_SYNC));
    OK(cuDevicePrimaryCtxRetain(&a, 0));
    OK(cuDevicePrimaryCtxRetain(&b, 0));
    CHECK(a == b);
    OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
    EQUAL(active, 1);
    EQUAL(flags, static_cast<unsigned>(CU_CTX_SCHED_BLOCKING_SYNC));
    IS(cuCtxDestroy(a), CUDA_ERROR_INVALID_CONTEXT);
    OK(cuDevicePrimaryCtxRelease(0));
    OK(cuDevicePrimaryCtxRelease(0));
    IS(cuDevicePrimaryCtxRelease(0), CUDA_ERROR_INVALID_CONTEXT);
}

TEST(a_destroyed_context) {
    OK(cuInit(0));
    CUcontext ctx;
    OK(cuDevicePrimaryCtxRetain(&ctx, 0));
    OK(cuCtxSetCurrent(ctx));
    OK(cuDevicePrimaryCtxRelease(0));
    CUdeviceptr p;
    IS(cuMemAlloc(&p, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    control("expect-violations 1");
    IS(cuCtxSetCurrent(ctx), CUDA_ERROR_INVALID_CONTEXT);
}

// An asynchronous error shows up at the next wait, then everywhere until the context is gone.
TEST(an_error_sticks, {}, 0, "kernel fill_f32: CUDA_ERROR_LAUNCH_FAILED") {
    OK(cuInit(0));
    CUcontext ctx;
    OK(cuDevicePrimaryCtxRetain(&ctx, 0));
    OK(cuCtxSetCurrent(ctx));
    CUdeviceptr p, q;
    OK(cuMemAlloc(&p, 512));
    CUmodule m;
    OK(cuModuleLoadData(&m, kernels_ptx().c_str()));
    CUfunction f;
    OK(cuModuleGetFunction(&f, m, "fill_f32"));
    control("async-error 2");
    OK(launch(f, 1, 128, nullptr, 0, p, 1.0f));
    OK(cuCtxSynchronize());  // the first launch is well
    OK(launch(f, 1, 128, nullptr, 0, p, 2.0f));
    OK(launch(f, 1, 128, nullptr, 0, p, 3.0f));  // nobody knows yet
    IS(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
    float host[1];
    IS(cuMemcpyDtoH(host, p, 4), CUDA_ERROR_LAUNCH_FAILED);
    IS(cuMemAlloc(&q, 4), CUDA_ERROR_LAUNCH_FAILED);
    IS(cuMemFree(p), CUDA_ERROR_LAUNCH_FAILED);
    IS(cuModuleUnload(m), CUDA_ERROR_LAUNCH_FAILED);
    IS(launch(f, 1, 128, nullptr, 0, p, 2.0f), CUDA_ERROR_LAUNCH_FAILED);
    IS(emu_context_error(), CUDA_ERROR_LAUNCH_FAILED);
    CUcontext current;
    OK(cuCtxGetCurrent(&current));  // needs no working context
    OK(cuDevicePrimaryCtxReset(0));
    OK(cuDevicePrimaryCtxRetain(&ctx, 0));
    OK(cuCtxSetCurrent(ctx));
    OK(cuMemAlloc(&q, 4));
    OK(cuMemFree(q));
    OK(cuDevicePrimaryCtxRelease(0));
}

TEST(one_context_breaks_alone) {
    Context well;
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 512));
    {
        Context broken;
        Module m;
        CUdeviceptr q;
        OK(cuMemAlloc(&q, 4));
        control("expect-violations 1");
        OK(launch(m.function("fill_f32"), 1, 128, nullptr, 0, q, 1.0f));
        IS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
        m.m = nullptr;
        OK(cuCtxDestroy(broken.ctx));
        OK(cuCtxCreate(&broken.ctx, nullptr, 0, 0));
        OK(cuModuleLoadData(&m.m, kernels_ptx().c_str()));
    }
    OK(cuMemFree(p));
}
