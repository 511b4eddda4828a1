// Memory: what a copy or a kernel may touch, and what happens to memory that is gone.
#include "testing.h"

TEST(round_trip) {
    Context c;
    Floats a(1000);
    std::vector<float> in(1000), out(1000);
    for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<float>(i);
    OK(cuMemcpyHtoD(a.p, in.data(), 4000));
    OK(cuMemcpyDtoH(out.data(), a.p, 4000));
    CHECK(in == out);
    Floats b(1000);
    OK(cuMemcpyDtoD(b.p + 400, a.p, 3600));
    out = b.read();
    EQUAL(out[99], 0.0f);
    EQUAL(out[100], 0.0f);
    EQUAL(out[999], 899.0f);
    OK(cuMemcpy(b.p, reinterpret_cast<CUdeviceptr>(in.data()), 40));
    OK(cuMemcpy(reinterpret_cast<CUdeviceptr>(out.data()), b.p, 40));
    EQUAL(out[9], 9.0f);
}

TEST(fresh_memory_is_nan) {
    Context c;
    CUdeviceptr p, q;
    OK(cuMemAlloc(&p, 400));
    OK(cuMemAllocAsync(&q, 400, nullptr));
    float host[100];
    for (CUdeviceptr from : {p, q}) {
        OK(cuMemcpyDtoH(host, from, 400));
        for (float f : host) CHECK(std::isnan(f));
    }
    Pinned pinned(10);
    OK(cuMemFree(p));
    OK(cuMemFreeAsync(q, nullptr));
    OK(cuCtxSynchronize());
}

TEST(device_addresses_are_not_host_addresses) {
    Context c;
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 4096));
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], reinterpret_cast<void*>(p), 1) == -1);  // EFAULT: nobody can read there
    OK(cuMemFree(p));
}

TEST(sets) {
    Context c;
    Floats a(8);
    OK(cuMemsetD8(a.p, 0x01, 3));
    OK(cuMemsetD16(a.p + 4, 0x0203, 2));
    OK(cuMemsetD32Async(a.p + 8, 0x04050607, 2, nullptr));
    std::vector<float> host = a.read();
    uint32_t words[4];
    memcpy(words, host.data(), sizeof words);
    EQUAL(words[0], 0x00010101u);
    EQUAL(words[1], 0x02030203u);
    EQUAL(words[2], 0x04050607u);
    EQUAL(words[3], 0x04050607u);
    control("expect-violations 2");
    IS(cuMemsetD32(a.p + 2, 0, 1), CUDA_ERROR_INVALID_VALUE);  // not aligned
    IS(cuMemsetD32(a.p + 28, 0, 2), CUDA_ERROR_INVALID_VALUE);
    EQUAL(emu_counter("violations"), 2u);
}

TEST(copies_out_of_range, {}, 0, "cuMemcpyHtoD: 404 bytes at [0, 404) of an allocation of 400 bytes") {
    Context c;
    Floats a(100), b(100);
    std::vector<float> host(200);
    Pinned pinned(10);
    control("expect-violations 10");
    IS(cuMemcpyHtoD(a.p, host.data(), 404), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemcpyHtoD(a.p + 396, host.data(), 5), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemcpyDtoH(host.data(), a.p + 1, 400), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemcpyDtoD(a.p, b.p + 4, 400), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemcpyDtoDAsync(a.p, a.p + 40, 44, nullptr), CUDA_ERROR_INVALID_VALUE);  // overlap
    IS(cuMemcpyHtoDAsync(a.p, pinned.p, 44, nullptr), CUDA_ERROR_INVALID_VALUE);  // past pinned memory
    IS(cuMemcpyHtoD(a.p - 4, host.data(), 4), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemcpyHtoD(12345, host.data(), 4), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemcpyHtoD(a.p, reinterpret_cast<void*>(b.p), 4), CUDA_ERROR_INVALID_VALUE);  // a device pointer as the host's
    IS(cuMemcpyDtoH(host.data(), reinterpret_cast<CUdeviceptr>(host.data()), 4), CUDA_ERROR_INVALID_VALUE);
    EQUAL(emu_counter("violations"), 10u);
    OK(cuMemcpyHtoD(a.p, host.data(), 0));
    OK(cuCtxSynchronize());  // none of these breaks the context
}

TEST(use_after_free, {}, 0, "memory freed before by cuMemFree (an allocation of 400 bytes)") {
    Context c;
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 400));
    OK(cuMemFree(p));
    float host[1] = {};
    control("expect-violations 2");
    IS(cuMemcpyHtoD(p, host, 4), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemsetD8(p + 3, 0, 1), CUDA_ERROR_INVALID_VALUE);
    CUdeviceptr q;
    OK(cuMemAlloc(&q, 400));
    CHECK(q != p);  // an address is never given out twice
    OK(cuMemFree(q));
}

TEST(kernel_uses_freed_memory, {}, 0, "freed before by cuMemFree") {
    Context c;
    Module m;
    Floats a(128), b(128), result(128);
    CUdeviceptr freed = b.p;
    OK(cuMemFree(b.p));
    b.p = 0;
    control("expect-violations 1");
    OK(launch(m.function("add_f32"), 1, 128, nullptr, 0, a.p, freed, result.p, 128ll));  // a kernel's pointers are only known when it runs
    IS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
    EQUAL(emu_counter("violations"), 1u);
    control("clear-violations");
    _exit(0);  // the context is lost
}

TEST(double_free, {}, 0, "cuMemFree: double free of") {
    Context c;
    CUdeviceptr p, q;
    OK(cuMemAlloc(&p, 400));
    OK(cuMemFree(p));
    control("expect-violations 6");
    IS(cuMemFree(p), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemAllocAsync(&q, 400, nullptr));
    OK(cuMemFreeAsync(q, nullptr));
    IS(cuMemFreeAsync(q, nullptr), CUDA_ERROR_INVALID_VALUE);  // though the first has not run yet
    IS(cuMemFree(q), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemsetD8Async(q, 0, 4, nullptr), CUDA_ERROR_INVALID_VALUE);
    OK(cuCtxSynchronize());
    IS(cuMemFree(q), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemAlloc(&p, 400));
    IS(cuMemFree(p + 4), CUDA_ERROR_INVALID_VALUE);  // not the start
    OK(cuMemFree(p));
    OK(cuMemFree(0));
    EQUAL(emu_counter("violations"), 6u);
}

TEST(pinned_free) {
    Context c;
    void* p;
    OK(cuMemHostAlloc(&p, 100, CU_MEMHOSTALLOC_PORTABLE));
    OK(cuMemFreeHost(p));
    control("expect-violations 2");
    IS(cuMemFreeHost(p), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemFreeHost(&p), CUDA_ERROR_INVALID_VALUE);
}

// Staged at the call: the source may change at once.
TEST(pageable_source_is_staged) {
    Context c;
    Stream s;
    Floats a(4);
    float host[4] = {1, 2, 3, 4};
    OK(cuMemcpyHtoDAsync(a.p, host, 16, s.s));
    host[0] = 9;
    EQUAL(emu_counter("synchronisations"), 1u);  // Floats
    OK(cuStreamSynchronize(s.s));
    EQUAL(a.read()[0], 1.0f);
}

// Not staged: read when the copy runs. This is the bug of reusing a pinned buffer too early.
TEST(pinned_source_is_read_late) {
    Context c;
    Stream s;
    Floats a(4);
    Pinned host(4, 1);
    OK(cuMemcpyHtoDAsync(a.p, host.p, 16, s.s));
    host.p[0] = 9;
    OK(cuStreamSynchronize(s.s));
    EQUAL(a.read()[0], 9.0f);
}

TEST(pageable_target_synchronises) {
    Context c;
    Stream s;
    Floats a(4, 7);
    float host[4] = {};
    uint64_t before = emu_counter("synchronisations");
    OK(cuMemcpyDtoHAsync(host, a.p, 16, s.s));
    EQUAL(host[3], 7.0f);
    EQUAL(emu_counter("synchronisations"), before + 1);
}

TEST(out_of_memory_and_recovery, {"FOVEA_EMU_MEMORY=1000000"}) {
    Context c;
    CUdeviceptr p, q, r;
    size_t free, total;
    OK(cuMemAlloc(&p, 600000));
    OK(cuMemGetInfo(&free, &total));
    EQUAL(total, 1000000u);
    CHECK(free < 400001 && free > 399000);
    IS(cuMemAlloc(&q, 500000), CUDA_ERROR_OUT_OF_MEMORY);
    IS(cuMemAllocAsync(&q, 500000, nullptr), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemFree(p));
    OK(cuMemAlloc(&q, 500000));  // the context is as well as before
    OK(cuMemAllocAsync(&r, 400000, nullptr));
    OK(cuMemFreeAsync(r, nullptr));
    OK(cuMemAllocAsync(&r, 400000, nullptr));  // waits for the free that is queued
    control("memory 2000000");
    OK(cuMemAlloc(&p, 600000));
    OK(cuMemFree(p));
    OK(cuMemFree(q));
    OK(cuMemFreeAsync(r, nullptr));
    OK(cuCtxSynchronize());
}

TEST(pool_keeps_what_the_threshold_allows) {
    Context c;
    CUmemoryPool pool;
    OK(cuDeviceGetDefaultMemPool(&pool, 0));
    cuuint64_t keep = 1 << 20, value = 0;
    OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    CUdeviceptr p;
    OK(cuMemAllocAsync(&p, 3 << 20, nullptr));
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &value));
    EQUAL(value, 3u << 20);
    OK(cuMemFreeAsync(p, nullptr));
    OK(cuCtxSynchronize());
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &value));
    EQUAL(value, 0u);
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value));
    EQUAL(value, 3u << 20);
    size_t free, total;
    OK(cuMemGetInfo(&free, &total));
    EQUAL(total - free, 1u << 20);
    OK(cuMemPoolTrimTo(pool, 0));
    OK(cuMemGetInfo(&free, &total));
    EQUAL(total, free);
}

TEST(pointer_attributes) {
    Context c;
    Floats a(100);
    Pinned pinned(100);
    unsigned type = 0;
    OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, a.p + 40));
    EQUAL(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
    OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, reinterpret_cast<CUdeviceptr>(pinned.p)));
    EQUAL(type, static_cast<unsigned>(CU_MEMORYTYPE_HOST));
    CUdeviceptr base;
    size_t size;
    OK(cuPointerGetAttribute(&base, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, a.p + 40));
    CHECK(base == a.p);
    OK(cuMemGetAddressRange(&base, &size, a.p + 40));
    CHECK(base == a.p && size == 400);
    int local;
    IS(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, reinterpret_cast<CUdeviceptr>(&local)), CUDA_ERROR_INVALID_VALUE);
    CHECK(emu_is_device(a.p, 400) && !emu_is_device(a.p, 401) && !emu_is_device(reinterpret_cast<CUdeviceptr>(pinned.p), 4));
}
