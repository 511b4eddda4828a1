// Streams and events: nothing runs before somebody waits, and what has no order is a race.
#include "testing.h"

TEST(nothing_runs_before_a_wait) {
    Context c;
    Stream s;
    Floats a(4);
    Pinned host(4, -1);
    OK(cuMemsetD32Async(a.p, 0x40000000, 4, s.s));  // 2.0f
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, s.s));
    EQUAL(host.p[0], -1.0f);  // a read before synchronisation sees the old value
    OK(cuStreamSynchronize(s.s));
    EQUAL(host.p[0], 2.0f);
}

TEST(each_wait_runs_what_it_must) {
    Context c;
    Stream s, t;
    Event e;
    Floats a(1), b(1);
    Pinned from_a(1, -1), from_b(1, -1), late(1, -1);
    OK(cuMemcpyDtoHAsync(from_a.p, a.p, 4, s.s));
    OK(cuEventRecord(e.e, s.s));
    OK(cuMemcpyDtoHAsync(late.p, a.p, 4, s.s));
    OK(cuMemcpyDtoHAsync(from_b.p, b.p, 4, t.s));
    OK(cuEventSynchronize(e.e));
    EQUAL(from_a.p[0], 0.0f);
    EQUAL(late.p[0], -1.0f);    // after the event
    EQUAL(from_b.p[0], -1.0f);  // another stream
    OK(cuStreamQuery(s.s));
    EQUAL(late.p[0], 0.0f);
    OK(cuStreamSynchronize(s.s));
    EQUAL(from_b.p[0], -1.0f);
    OK(cuCtxSynchronize());
    EQUAL(from_b.p[0], 0.0f);
}

TEST(what_ran_is_counted) {
    Context c;
    Stream s, t;
    Floats a(4), b(4);
    Pinned host(4, 1);
    float pageable[4] = {};
    control("reset-counters");
    OK(cuMemcpyHtoDAsync(a.p, host.p, 16, s.s));
    OK(cuMemcpyHtoDAsync(b.p, pageable, 16, t.s));
    EQUAL(emu_counter("h2d_copies"), 2u);
    EQUAL(emu_counter("h2d_pageable"), 1u);
    EQUAL(emu_counter("executed"), 0u);
    OK(cuStreamSynchronize(s.s));
    EQUAL(emu_counter("executed"), 1u);
    OK(cuStreamSynchronize(t.s));
    EQUAL(emu_counter("executed"), 2u);
}

TEST(event_orders_two_streams) {
    Context c;
    Stream s, t;
    Event e;
    Floats a(4);
    Pinned host(4, -1);
    OK(cuMemsetD32Async(a.p, 0x3f800000, 4, s.s));
    OK(cuEventRecord(e.e, s.s));
    OK(cuStreamWaitEvent(t.s, e.e, 0));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, t.s));
    OK(cuStreamSynchronize(t.s));  // runs the part of s that t waits for
    EQUAL(host.p[0], 1.0f);
    EQUAL(emu_counter("violations"), 0u);
}

TEST(an_event_stands_for_its_last_record) {
    Context c;
    Stream s, t;
    Event e;
    Floats a(1);
    Pinned host(1, -1);
    OK(cuEventRecord(e.e, s.s));
    OK(cuStreamWaitEvent(t.s, e.e, 0));  // for the record so far, not for what follows
    OK(cuMemsetD32Async(a.p, 0x3f800000, 1, s.s));
    OK(cuEventRecord(e.e, s.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 4, t.s));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

TEST(a_race, {}, 0, "race: ") {
    Context c;
    Stream s, t;
    Floats a(4);
    Pinned host(4);
    OK(cuMemsetD32Async(a.p, 0, 4, s.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p + 4, 4, t.s));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

// A later read in the same stream must not hide the write before it.
TEST(a_race_with_an_older_write) {
    Context c;
    Stream s, t;
    Floats a(4);
    Pinned host(4), other(4);
    OK(cuMemsetD32Async(a.p, 0, 4, s.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, s.s));
    OK(cuStreamQuery(t.s));
    OK(cuMemcpyDtoHAsync(other.p, a.p, 16, t.s));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

TEST(no_race_of_reads_or_apart) {
    Context c;
    Stream s, t;
    Floats a(4);
    Pinned host(4), other(4);
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, s.s));
    OK(cuMemcpyDtoHAsync(other.p, a.p, 16, t.s));
    OK(cuCtxSynchronize());
    OK(cuMemsetD32Async(a.p, 0, 2, s.s));
    OK(cuMemsetD32Async(a.p + 8, 0, 2, t.s));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
}

TEST(the_host_orders_streams) {
    Context c;
    Stream s, t;
    Floats a(4);
    Pinned host(4);
    OK(cuMemsetD32Async(a.p, 0, 4, s.s));
    OK(cuStreamSynchronize(s.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, t.s));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
}

TEST(pinned_memory_races_too) {
    Context c;
    Stream s, t;
    Floats a(4), b(4);
    Pinned host(4);
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, s.s));
    OK(cuMemcpyHtoDAsync(b.p, host.p, 16, t.s));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

// The legacy stream waits for every blocking stream and they for it; a non-blocking stream takes no part.
TEST(legacy_stream_order) {
    Context c;
    Stream blocking(CU_STREAM_DEFAULT), apart(CU_STREAM_NON_BLOCKING);
    Floats a(4);
    Pinned host(4, -1);
    OK(cuMemsetD32Async(a.p, 0x3f800000, 4, blocking.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, nullptr));
    OK(cuMemsetD32Async(a.p, 0, 4, blocking.s));
    OK(cuStreamSynchronize(nullptr));
    EQUAL(host.p[0], 1.0f);
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
    OK(cuMemsetD32Async(a.p, 0, 4, apart.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 16, nullptr));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

// A kernel's accesses are seen as it makes them.
TEST(kernels_race, {}, 0, "race: ") {
    Context c;
    Module m;
    Stream s, t;
    Floats a(128, 1), b(128, 1), x(128), y(128);
    CUfunction add = m.function("add_f32"), fill = m.function("fill_f32");
    OK(launch(add, 1, 128, s.s, 0, a.p, b.p, x.p, 128ll));  // both only read a and b
    OK(launch(add, 1, 128, t.s, 0, a.p, b.p, y.p, 128ll));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
    Event e;
    OK(launch(fill, 1, 128, s.s, 0, a.p, 5.0f));
    OK(cuEventRecord(e.e, s.s));
    OK(cuStreamWaitEvent(t.s, e.e, 0));
    OK(launch(add, 1, 128, t.s, 0, a.p, b.p, y.p, 128ll));
    OK(cuCtxSynchronize());
    EQUAL(y.read()[127], 6.0f);
    EQUAL(emu_counter("violations"), 0u);
    OK(launch(fill, 1, 128, s.s, 0, a.p, 5.0f));  // the same without the event
    OK(launch(add, 1, 128, t.s, 0, a.p, b.p, y.p, 128ll));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

// Two kernels on two ends of one allocation, then on the same end, each in its own stream.
TEST(kernels_apart_do_not_race) {
    Context c;
    Module m;
    Stream s, t;
    Floats a(1 << 16);
    CUfunction fill = m.function("fill_f32");
    CUdeviceptr high = a.p + (4 << 15);
    OK(launch(fill, 1, 128, s.s, 0, a.p, 1.0f));
    OK(launch(fill, 1, 128, t.s, 0, high, 2.0f));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
    std::vector<float> host = a.read();
    CHECK(host[127] == 1 && host[128] == 0 && host[(1 << 15) + 127] == 2);
    OK(launch(fill, 512, 128, s.s, 0, a.p, 3.0f));
    OK(launch(fill, 1, 128, t.s, 0, high, 2.0f));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
}

TEST(library_work_in_order) {
    Context c;
    Stream s, t;
    Floats a(4);
    CUdeviceptr p = a.p;
    auto work = [p]() {
        auto f = static_cast<float*>(emu_resolve(p, 16, 1, "test"));
        if (!f) return CUDA_ERROR_ILLEGAL_ADDRESS;
        f[0] += 1;
        return CUDA_SUCCESS;
    };
    OK(emu_enqueue(s.s, "libraryCall", work, {{p, 16, true}}));
    OK(emu_enqueue(s.s, "libraryCall", work, {{p, 16, true}}));
    OK(cuStreamSynchronize(s.s));
    EQUAL(a.read()[0], 2.0f);
    EQUAL(emu_counter("library_calls"), 2u);
    OK(emu_enqueue(s.s, "libraryCall", work, {{p, 16, true}}));
    OK(emu_enqueue(t.s, "otherCall", work, {{p, 16, false}}));
    control("expect-violations 2");
    OK(cuCtxSynchronize());
    IS(emu_enqueue(s.s, "libraryCall", work, {{p, 17, true}}), CUDA_ERROR_INVALID_VALUE);
    EQUAL(emu_counter("violations"), 2u);
    IS(emu_enqueue(s.s, "broken", [] { return CUDA_ERROR_LAUNCH_FAILED; }, {}), CUDA_SUCCESS);
    IS(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
    control("clear-violations");
    _exit(0);
}

// Memory of cuMemAllocAsync belongs to its stream until others are put in order with it.
TEST(stream_ordered_memory) {
    Context c;
    Stream s, t;
    Event e;
    CUdeviceptr p;
    OK(cuMemAllocAsync(&p, 16, s.s));
    OK(cuEventRecord(e.e, s.s));
    OK(cuStreamWaitEvent(t.s, e.e, 0));
    OK(cuMemsetD32Async(p, 0, 4, t.s));
    OK(cuEventRecord(e.e, t.s));
    OK(cuStreamWaitEvent(s.s, e.e, 0));
    OK(cuMemFreeAsync(p, s.s));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
    OK(cuMemAllocAsync(&p, 16, s.s));
    OK(cuMemsetD32Async(p, 0, 4, t.s));  // before the allocation?
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    OK(cuMemFreeAsync(p, s.s));
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
    EQUAL(emu_counter("allocations"), 2u);
    EQUAL(emu_counter("frees"), 2u);
    EQUAL(emu_counter("bytes_allocated"), 32u);
}

TEST(events) {
    Context c;
    Stream s;
    Event timed(CU_EVENT_DEFAULT), end(CU_EVENT_DEFAULT), untimed;
    float ms = -1;
    OK(cuEventQuery(timed.e));  // never recorded
    IS(cuEventElapsedTime(&ms, timed.e, end.e), CUDA_ERROR_INVALID_HANDLE);
    OK(cuEventRecord(timed.e, s.s));
    OK(cuEventRecord(end.e, s.s));
    OK(cuEventRecord(untimed.e, s.s));
    IS(cuEventElapsedTime(&ms, timed.e, end.e), CUDA_ERROR_NOT_READY);
    OK(cuEventSynchronize(end.e));
    OK(cuEventElapsedTime(&ms, timed.e, end.e));
    CHECK(ms >= 0);
    OK(cuStreamSynchronize(s.s));
    IS(cuEventElapsedTime(&ms, timed.e, untimed.e), CUDA_ERROR_INVALID_HANDLE);
}

TEST(handles_that_are_gone, {}, 0, "the stream") {
    Context c;
    CUstream s;
    CUevent e;
    OK(cuStreamCreate(&s, 0));
    OK(cuEventCreate(&e, 0));
    OK(cuStreamDestroy(s));
    OK(cuEventDestroy(e));
    control("expect-violations 5");
    IS(cuStreamSynchronize(s), CUDA_ERROR_INVALID_HANDLE);
    IS(cuStreamDestroy(s), CUDA_ERROR_INVALID_HANDLE);
    IS(cuEventDestroy(e), CUDA_ERROR_INVALID_HANDLE);
    IS(cuEventRecord(e, nullptr), CUDA_ERROR_INVALID_HANDLE);
    IS(cuStreamSynchronize(reinterpret_cast<CUstream>(e)), CUDA_ERROR_INVALID_HANDLE);
    IS(cuStreamDestroy(CU_STREAM_LEGACY), CUDA_ERROR_INVALID_HANDLE);
    EQUAL(emu_counter("violations"), 5u);
}

TEST(a_destroyed_stream_finishes) {
    Context c;
    Floats a(1);
    CUstream s;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemsetD32Async(a.p, 0x3f800000, 1, s));
    OK(cuStreamDestroy(s));
    OK(cuCtxSynchronize());
    EQUAL(a.read()[0], 1.0f);
}

TEST(host_function_runs_in_order) {
    Context c;
    Stream s;
    int calls = 0;
    OK(cuLaunchHostFunc(s.s, [](void* p) { ++*static_cast<int*>(p); }, &calls));
    EQUAL(calls, 0);
    OK(cuStreamSynchronize(s.s));
    EQUAL(calls, 1);
}

TEST(counts) {
    Context c;
    Stream s;
    Floats a(4), b(4);
    Pinned host(4);
    control("reset-counters");
    OK(cuMemcpyHtoDAsync(a.p, host.p, 16, s.s));
    OK(cuMemcpyHtoDAsync(a.p, host.p, 8, s.s));
    OK(cuMemcpyDtoDAsync(b.p, a.p, 12, s.s));
    OK(cuMemsetD8Async(a.p, 0, 4, s.s));
    OK(cuMemcpyDtoHAsync(host.p, a.p, 4, s.s));
    const struct {
        const char* name;
        unsigned long long wanted;
    } rows[] = {{"h2d_copies", 2}, {"h2d_bytes", 24}, {"d2d_copies", 1}, {"d2d_bytes", 12}, {"d2h_copies", 1}, {"d2h_bytes", 4}, {"memsets", 1}, {"synchronisations", 0}, {"launches", 0}};
    for (auto& row : rows)
        if (emu_counter(row.name) != row.wanted) failed(__FILE__, __LINE__, std::string(row.name) + " is " + std::to_string(emu_counter(row.name)));
    OK(cuStreamSynchronize(s.s));
    EQUAL(emu_counter("synchronisations"), 1u);
    OK(cuMemcpyDtoH(host.p, a.p, 4));
    EQUAL(emu_counter("synchronisations"), 2u);
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 4));
    OK(cuMemFree(p));
    EQUAL(emu_counter("synchronisations"), 3u);
}
