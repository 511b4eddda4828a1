// Faults on demand, and what the emulator says when a process ends.
#include "testing.h"

TEST(allocations_fail_on_demand) {
    Context c;
    CUdeviceptr p, q;
    control("fail-alloc 2");
    OK(cuMemAlloc(&p, 4));
    IS(cuMemAllocAsync(&q, 4, nullptr), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemAlloc(&q, 4));
    OK(cuMemFree(q));
    control("fail-alloc-all");
    for (int i = 0; i < 3; i++) IS(cuMemAlloc(&q, 4), CUDA_ERROR_OUT_OF_MEMORY);
    control("clear-faults");
    OK(cuMemAlloc(&q, 4));
    control("fail-alloc 1");
    control("clear-faults");
    OK(cuMemFree(q));
    OK(cuMemAlloc(&q, 4));
    OK(cuMemFree(q));
    OK(cuMemFree(p));
}

TEST(any_call_fails_on_demand) {
    Context c;
    Stream s;
    control("fail-call cuStreamSynchronize 2");
    OK(cuStreamSynchronize(s.s));
    IS(cuStreamSynchronize(s.s), CUDA_ERROR_UNKNOWN);
    OK(cuStreamSynchronize(s.s));
    void* p;
    control("fail-call cuMemHostAlloc 1 CUDA_ERROR_OUT_OF_MEMORY");
    IS(cuMemHostAlloc(&p, 4, 0), CUDA_ERROR_OUT_OF_MEMORY);
    control("fail-call cudnnConvolutionForward 2");
    EQUAL(emu_fault("library_call:cudnnConvolutionForward"), 0);
    EQUAL(emu_fault("library_call:cudnnConvolutionForward"), 1);
    EQUAL(emu_fault("library_call:cudnnConvolutionForward"), 0);
    EQUAL(emu_counter("call:cudnnConvolutionForward"), 3u);
}

TEST(commands_from_the_environment, {"FOVEA_EMU_CONTROL=fail-alloc 2;fail-call cuStreamCreate 1"}) {
    Context c;
    CUdeviceptr p, q;
    CUstream s;
    OK(cuMemAlloc(&p, 4));
    IS(cuMemAlloc(&q, 4), CUDA_ERROR_OUT_OF_MEMORY);
    IS(cuStreamCreate(&s, 0), CUDA_ERROR_UNKNOWN);
    OK(cuMemFree(p));
}

TEST(commands_that_are_not_understood) {
    for (const char* command : {"", "nonsense", "fail-alloc", "fail-alloc 0", "fail-alloc x", "fail-alloc 1 2", "fail-call cuInit", "fail-call cuInit 1 CUDA_ERROR_NOTHING", "count-bytes 2", "memory"})
        if (emu_control(command) != -1) failed(__FILE__, __LINE__, command);
    CHECK(emu_control(nullptr) == -1);
    EQUAL(emu_counter("nothing by this name"), 0u);
}

TEST(clean_process_is_silent) {
    Context c;
    char text[100];
    CHECK(emu_report(text, sizeof text) == 1);  // the context itself
}

TEST(violation_fails_the_process, {}, 1, "violations: 1\n  made up 7") {
    OK(cuInit(0));
    emu_violation("made up %d", 7);
}
TEST(violation_without_strictness, {"FOVEA_EMU_STRICT=0"}, 0, "made up") {
    OK(cuInit(0));
    emu_violation("made up");
}
TEST(missing_violation_fails_the_process, {}, 1, "expected violations that did not come: 1") {
    OK(cuInit(0));
    control("expect-violations 1");
}
TEST(cleared_violations, {}, 0) {
    OK(cuInit(0));
    emu_violation("made up");
    EQUAL(emu_counter("violations"), 1u);
    control("reset-counters");
    EQUAL(emu_counter("violations"), 0u);
    control("clear-violations");
}
TEST(resetting_counters_forgives_nothing, {}, 1, "violations: 1") {
    OK(cuInit(0));
    emu_violation("made up");
    control("reset-counters");
}

static void retain() {
    OK(cuInit(0));
    CUcontext ctx;
    OK(cuDevicePrimaryCtxRetain(&ctx, 0));
    OK(cuCtxSetCurrent(ctx));
}

// One of everything, left behind.
TEST(leaks_context, {}, 1, "not released: context: 1") { retain(); }
TEST(leaks_memory, {}, 1, "not released: device memory: 2 (1020 bytes)") {
    retain();
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 1000));
    OK(cuMemAllocAsync(&p, 20, nullptr));
}
TEST(leaks_pinned, {}, 1, "not released: pinned memory: 1 (64 bytes)") {
    retain();
    void* p;
    OK(cuMemHostAlloc(&p, 64, 0));
}
TEST(leaks_stream, {}, 1, "not released: stream: 1") {
    retain();
    CUstream s;
    OK(cuStreamCreate(&s, 0));
}
TEST(leaks_event, {}, 1, "not released: event: 1") {
    retain();
    CUevent e;
    OK(cuEventCreate(&e, 0));
}
TEST(leaks_module, {}, 1, "not released: module: 1") {
    retain();
    CUmodule m;
    OK(cuModuleLoadData(&m, kernels_ptx().c_str()));
}
TEST(leaks_graphs, {}, 1, "not released: graph: 1\nnot released: graph exec: 1") {
    retain();
    CUgraph g;
    CUgraphExec exec;
    OK(cuGraphCreate(&g, 0));
    OK(cuGraphInstantiate(&exec, g, 0));
}
TEST(leaks_library_handle, {}, 1, "not released: cudnnHandle_t: 1") {
    OK(cuInit(0));
    int a, b;
    emu_library_alive("cudnnHandle_t", &a);
    emu_library_alive("cudnnHandle_t", &b);
    emu_library_dead("cudnnHandle_t", &a);
}
TEST(releases_an_unknown_library_handle, {}, 1, "cudnnHandle_t") {
    OK(cuInit(0));
    int a;
    emu_library_dead("cudnnHandle_t", &a);
}
TEST(leaks_with_a_destroyed_context, {}, 1, "context destroyed with 1 allocations (400 bytes) not released") {
    retain();
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 400));
    OK(cuDevicePrimaryCtxRelease(0));
}
TEST(a_reset_releases_everything) {
    retain();
    CUdeviceptr p;
    CUstream s;
    OK(cuMemAlloc(&p, 400));
    OK(cuStreamCreate(&s, 0));
    OK(cuDevicePrimaryCtxReset(0));
    OK(cuDevicePrimaryCtxRelease(0));
}

// A process that leaves without exit() (as Go programs do) leaves its report in a file.
TEST(report_file, {"FOVEA_EMU_REPORT=/tmp"}) {
    const std::string path = "/tmp/" + std::to_string(getpid());
    {
        Context c;
        Floats a(10);
        std::string text = read_file(path);
        CHECK(text.find("not released: device memory: 1 (40 bytes)\n") == 0);
        CHECK(text.find("not released: context: 1\n") != std::string::npos);
    }
    std::string text = read_file(path);
    unlink(path.c_str());
    CHECK(text.find_first_not_of('\n') == std::string::npos);
}

TEST(exit_code_of_the_process_is_kept, {}, 7, "not released") {
    retain();
    exit(7);
}
