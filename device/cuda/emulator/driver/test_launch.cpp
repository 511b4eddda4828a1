// Launches: what is accepted, what runs, and the bugs that are found while it runs.
#include "testing.h"

TEST(add) {
    Context c;
    Module m;
    Floats a(1000, 2), b(1000, 3), sum(1000, -1);
    OK(launch(m.function("add_f32"), 4, 256, nullptr, 0, a.p, b.p, sum.p, 999ll));
    std::vector<float> host = sum.read();
    for (size_t i = 0; i < 999; i++) EQUAL(host[i], 5.0f);
    EQUAL(host[999], -1.0f);
    EQUAL(emu_counter("launches"), 1u);
}

TEST(dynamic_shared_memory) {
    Context c;
    Module m;
    Floats a(1000, 2), out(1);
    OK(launch(m.function("sum_f32"), 1, 128, nullptr, 512, a.p, out.p, 1000));
    EQUAL(out.read()[0], 2000.0f);
}

TEST(parameters_in_one_buffer) {
    Context c;
    Module m;
    Floats a(128);
    struct {
        CUdeviceptr p;
        float value;
    } packed{a.p, 4};
    size_t bytes = 12, few = 8;
    void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    OK(cuLaunchKernel(m.function("fill_f32"), 1, 1, 1, 128, 1, 1, 0, nullptr, nullptr, extra));
    EQUAL(a.read()[127], 4.0f);
    extra[3] = &few;
    IS(cuLaunchKernel(m.function("fill_f32"), 1, 1, 1, 128, 1, 1, 0, nullptr, nullptr, extra), CUDA_ERROR_INVALID_VALUE);
}

// Parameters are taken at the call.
TEST(parameters_may_change_after_the_call) {
    Context c;
    Module m;
    Floats a(128);
    float value = 1;
    void* params[] = {&a.p, &value};
    OK(cuLaunchKernel(m.function("fill_f32"), 1, 1, 1, 128, 1, 1, 0, nullptr, params, nullptr));
    value = 2;
    EQUAL(a.read()[0], 1.0f);
}

TEST(refused) {
    Context c;
    Module m;
    Floats a(2048);
    CUfunction fill = m.function("fill_f32"), bounded = m.function("bounded");
    float value = 1;
    void* params[] = {&a.p, &value};
    void* missing[] = {&a.p, nullptr};
    const struct {
        const char* what;
        CUfunction f;
        unsigned grid[3], block[3], shared;
        void** params;
        CUresult wanted;
    } rows[] = {
        {"an empty grid", fill, {0, 1, 1}, {32, 1, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"an empty block", fill, {1, 1, 1}, {32, 0, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"a block of 1025", fill, {1, 1, 1}, {1025, 1, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"a block of 32x33", fill, {1, 1, 1}, {32, 33, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"65 deep", fill, {1, 1, 1}, {1, 1, 65}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"a grid too high", fill, {1, 65536, 1}, {1, 1, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"a grid too wide", fill, {0x80000000u, 1, 1}, {1, 1, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"more threads than its launch bounds", bounded, {1, 1, 1}, {65, 1, 1}, 0, params, CUDA_ERROR_INVALID_VALUE},
        {"as many as its launch bounds", bounded, {1, 1, 1}, {64, 1, 1}, 0, params, CUDA_SUCCESS},
        {"more than 48 KiB without asking", fill, {1, 1, 1}, {32, 1, 1}, 49153, params, CUDA_ERROR_INVALID_VALUE},
        {"48 KiB", fill, {1, 1, 1}, {32, 1, 1}, 49152, params, CUDA_SUCCESS},
        {"a parameter missing", fill, {1, 1, 1}, {32, 1, 1}, 0, missing, CUDA_ERROR_INVALID_VALUE},
        {"no parameters", fill, {1, 1, 1}, {32, 1, 1}, 0, nullptr, CUDA_ERROR_INVALID_VALUE},
    };
    for (auto& row : rows) {
        CUresult r = cuLaunchKernel(row.f, row.grid[0], row.grid[1], row.grid[2], row.block[0], row.block[1], row.block[2], row.shared, nullptr, row.params, nullptr);
        if (r != row.wanted) failed(__FILE__, __LINE__, std::string(row.what) + " answers " + status_text(r));
    }
    OK(cuCtxSynchronize());
    IS(cuFuncSetAttribute(fill, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 300000), CUDA_ERROR_INVALID_VALUE);
    OK(cuFuncSetAttribute(fill, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100000));
    OK(cuLaunchKernel(fill, 1, 1, 1, 32, 1, 1, 100000, nullptr, params, nullptr));
    OK(cuCtxSynchronize());
}

TEST(function_attributes_and_occupancy) {
    Context c;
    Module m;
    int value = 0;
    OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, m.function("bounded")));
    EQUAL(value, 64);
    OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, m.function("reverse_racy")));
    EQUAL(value, 512);
    const struct {
        int threads;
        size_t shared;
        int wanted;
    } rows[] = {{1024, 0, 2}, {256, 0, 8}, {32, 0, 32}, {128, 100 << 10, 2}, {128, 227 << 10, 1}};
    for (auto& row : rows) {
        OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, m.function("fill_f32"), row.threads, row.shared));
        EQUAL(value, row.wanted);
    }
}

TEST(counted_bytes) {
    Context c;
    Module m;
    Floats a(1024, 2), b(1024, 3), sum(1024);
    OK(launch(m.function("add_f32"), 4, 256, nullptr, 0, a.p, b.p, sum.p, 1024ll));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("kernel:add_f32:read_bytes"), 0u);  // only while asked for
    control("count-bytes 1");
    OK(launch(m.function("add_f32"), 4, 256, nullptr, 0, a.p, b.p, sum.p, 1024ll));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("kernel:add_f32:launches"), 1u);
    EQUAL(emu_counter("kernel:add_f32:read_bytes"), 8192u);
    EQUAL(emu_counter("kernel:add_f32:write_bytes"), 4096u);
    CHECK(emu_counter("instructions") > 1024);
}

TEST(a_launch_that_fails) {
    Context c;
    Module m;
    Floats a(128);
    control("fail-launch 2");
    OK(launch(m.function("fill_f32"), 1, 128, nullptr, 0, a.p, 1.0f));
    IS(launch(m.function("fill_f32"), 1, 128, nullptr, 0, a.p, 2.0f), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    EQUAL(a.read()[0], 1.0f);
    OK(launch(m.function("fill_f32"), 1, 128, nullptr, 0, a.p, 3.0f));  // once
    EQUAL(a.read()[0], 3.0f);
}

// Planted bugs. Each breaks its context with the status a GPU would give and is named on stderr.
static void planted(const char* kernel, unsigned grid, unsigned block, size_t floats, CUdeviceptr offset, CUresult wanted) {
    Context c;
    Module m;
    Floats a(floats, 1);
    float by = 2;
    CUdeviceptr p = a.p + offset;
    void* params[] = {&p, strcmp(kernel, "load_vector") == 0 ? static_cast<void*>(&a.p) : &by, nullptr};
    control("expect-violations 1");
    OK(cuLaunchKernel(m.function(kernel), grid, 1, 1, block, 1, 1, 0, nullptr, params, nullptr));
    IS(cuCtxSynchronize(), wanted);
    EQUAL(emu_counter("violations"), 1u);
    a.p = 0;
    m.m = nullptr;
    OK(cuCtxDestroy(c.ctx));
    _exit(0);
}

TEST(store_out_of_bounds, {}, 0, "kernel scale_f32: CUDA_ERROR_ILLEGAL_ADDRESS") { planted("scale_f32", 2, 128, 255, 0, CUDA_ERROR_ILLEGAL_ADDRESS); }
TEST(missing_barrier, {}, 0, "reverse_racy") { planted("reverse_racy", 1, 128, 128, 0, CUDA_ERROR_LAUNCH_FAILED); }
TEST(misaligned_vector, {}, 0, "load_vector") { planted("load_vector", 1, 1, 128, 4, CUDA_ERROR_MISALIGNED_ADDRESS); }
TEST(trap, {}, 0, "kernel stop") { planted("stop", 1, 1, 128, 0, CUDA_ERROR_LAUNCH_FAILED); }
