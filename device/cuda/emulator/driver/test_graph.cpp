// Graphs: what may be captured, what a launch runs, what an update may change.
#include "testing.h"

// A stream that captures a fill of a with each value in turn, then a copy of the first element to host.
static CUgraph capture(CUstream s, CUfunction fill, CUdeviceptr a, std::vector<float> values, float* host) {
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    for (float v : values) OK(launch(fill, 1, 128, s, 0, a, v));
    OK(cuMemcpyDtoHAsync(host, a, 4, s));
    CUgraph g = nullptr;
    OK(cuStreamEndCapture(s, &g));
    return g;
}

TEST(capture_launch_update) {
    Context c;
    Module m;
    Stream s;
    Floats a(128, 1);
    Pinned host(1, -1);
    CUfunction fill = m.function("fill_f32");
    control("reset-counters");
    CUgraph g = capture(s.s, fill, a.p, {2, 3}, host.p);
    EQUAL(emu_counter("launches"), 0u);  // captured is not launched
    EQUAL(emu_counter("d2h_copies"), 0u);
    OK(cuStreamSynchronize(s.s));
    EQUAL(host.p[0], -1.0f);
    size_t n = 0;
    OK(cuGraphGetNodes(g, nullptr, &n));
    EQUAL(n, 3u);
    CUgraphNode nodes[3];
    OK(cuGraphGetNodes(g, nodes, &n));
    CUgraphNodeType type;
    OK(cuGraphNodeGetType(nodes[2], &type));
    EQUAL(static_cast<int>(type), static_cast<int>(CU_GRAPH_NODE_TYPE_MEMCPY));
    n = 0;
    OK(cuGraphGetRootNodes(g, nullptr, &n));
    EQUAL(n, 1u);
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, g, 0));
    OK(cuGraphDestroy(g));  // the instantiated graph lives on
    OK(cuGraphLaunch(exec, s.s));
    EQUAL(host.p[0], -1.0f);  // lazy like everything
    OK(cuStreamSynchronize(s.s));
    EQUAL(host.p[0], 3.0f);
    EQUAL(emu_counter("graph_launches"), 1u);
    EQUAL(emu_counter("graph_nodes"), 3u);
    EQUAL(emu_counter("launches"), 0u);
    EQUAL(emu_counter("d2h_copies"), 1u);

    CUgraphExecUpdateResultInfo info;
    g = capture(s.s, fill, a.p, {4, 5}, host.p);
    OK(cuGraphLaunch(exec, s.s));  // queued with the old parameters
    OK(cuGraphExecUpdate(exec, g, &info));
    EQUAL(static_cast<int>(info.result), static_cast<int>(CU_GRAPH_EXEC_UPDATE_SUCCESS));
    OK(cuStreamSynchronize(s.s));
    EQUAL(host.p[0], 3.0f);
    OK(cuGraphLaunch(exec, s.s));
    OK(cuStreamSynchronize(s.s));
    EQUAL(host.p[0], 5.0f);
    OK(cuGraphDestroy(g));

    g = capture(s.s, fill, a.p, {4, 5, 6}, host.p);  // one node more
    IS(cuGraphExecUpdate(exec, g, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    CHECK(info.result == CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED || info.result == CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    OK(cuGraphLaunch(exec, s.s));  // unchanged by the failure
    OK(cuStreamSynchronize(s.s));
    EQUAL(host.p[0], 5.0f);
    OK(cuGraphDestroy(g));
    OK(cuGraphExecDestroy(exec));
}

TEST(what_an_update_refuses) {
    Context c;
    Stream s;
    Floats a(4), b(4);
    Pinned host(4);
    const auto none = [] { return CUDA_SUCCESS; };
    const auto captured = [&](int which) {
        OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_RELAXED));
        switch (which) {
        case 0: OK(cuMemcpyDtoDAsync(a.p, b.p, 4, s.s)); break;
        case 1: OK(cuMemcpyDtoHAsync(host.p, b.p, 4, s.s)); break;
        case 2: OK(cuMemsetD8Async(a.p, 0, 4, s.s)); break;
        case 3: OK(emu_enqueue(s.s, "one", none, {})); break;
        case 4: OK(emu_enqueue(s.s, "two", none, {})); break;
        case 5: break;
        }
        CUgraph g;
        OK(cuStreamEndCapture(s.s, &g));
        return g;
    };
    const struct {
        int was, is;
        CUgraphExecUpdateResult wanted;
    } rows[] = {
        {0, 1, CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED}, {0, 2, CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED},
        {3, 4, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED},   {3, 3, CU_GRAPH_EXEC_UPDATE_SUCCESS},
        {0, 5, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED},   {5, 0, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED},
        {2, 2, CU_GRAPH_EXEC_UPDATE_SUCCESS},
    };
    for (auto& row : rows) {
        CUgraph was = captured(row.was), is = captured(row.is);
        CUgraphExec exec;
        OK(cuGraphInstantiate(&exec, was, 0));
        CUgraphExecUpdateResultInfo info;
        CUresult r = cuGraphExecUpdate(exec, is, &info);
        EQUAL(static_cast<int>(info.result), static_cast<int>(row.wanted));
        IS(r, row.wanted == CU_GRAPH_EXEC_UPDATE_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
        OK(cuGraphExecDestroy(exec));
        OK(cuGraphDestroy(was));
        OK(cuGraphDestroy(is));
    }
}

// The same nodes, once one after the other, once side by side.
TEST(an_update_keeps_the_edges) {
    Context c;
    Stream s, t;
    Event fork, join;
    Floats a(4), b(4);
    CUgraph graphs[2];
    for (bool chain : {false, true}) {
        OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_RELAXED));
        OK(cuEventRecord(fork.e, s.s));
        OK(cuStreamWaitEvent(t.s, fork.e, 0));
        OK(cuMemsetD8Async(a.p, 0, 4, s.s));
        OK(cuMemsetD8Async(b.p, 0, 4, chain ? s.s : t.s));
        OK(cuEventRecord(join.e, t.s));
        OK(cuStreamWaitEvent(s.s, join.e, 0));
        OK(cuStreamEndCapture(s.s, &graphs[chain]));
    }
    size_t n = 0;
    OK(cuGraphGetRootNodes(graphs[0], nullptr, &n));
    EQUAL(n, 2u);
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, graphs[0], 0));
    CUgraphExecUpdateResultInfo info;
    IS(cuGraphExecUpdate(exec, graphs[1], &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    EQUAL(static_cast<int>(info.result), static_cast<int>(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED));
    OK(cuGraphExecUpdate(exec, graphs[0], &info));
    OK(cuGraphExecDestroy(exec));
    for (CUgraph g : graphs) OK(cuGraphDestroy(g));
}

TEST(library_calls_are_captured_and_run_again) {
    Context c;
    Stream s;
    Floats a(1);
    CUdeviceptr p = a.p;
    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    OK(emu_enqueue(s.s, "increment", [p] {
        auto f = static_cast<float*>(emu_resolve(p, 4, 1, "increment"));
        if (!f) return CUDA_ERROR_ILLEGAL_ADDRESS;
        *f += 1;
        return CUDA_SUCCESS;
    }, {{p, 4, true}}));
    CUgraph g;
    OK(cuStreamEndCapture(s.s, &g));
    EQUAL(emu_counter("library_calls"), 0u);
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, g, 0));
    for (int i = 0; i < 3; i++) OK(cuGraphLaunch(exec, s.s));
    OK(cuStreamSynchronize(s.s));
    EQUAL(a.read()[0], 3.0f);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(g));
}

// Two branches of one capture that touch the same memory.
TEST(racing_branches, {}, 0, "in another branch of the same graph") {
    Context c;
    Stream s, t;
    Event fork, join;
    Floats a(4), b(4);
    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuMemsetD32Async(a.p, 1, 4, s.s));
    OK(cuEventRecord(fork.e, s.s));
    OK(cuStreamWaitEvent(t.s, fork.e, 0));
    CUstreamCaptureStatus status;
    OK(cuStreamIsCapturing(t.s, &status));
    CHECK(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    OK(cuMemsetD32Async(b.p, 2, 4, s.s));  // t does not wait for this
    OK(cuMemcpyDtoDAsync(b.p, a.p, 8, t.s));
    OK(cuEventRecord(join.e, t.s));
    OK(cuStreamWaitEvent(s.s, join.e, 0));
    CUgraph g;
    OK(cuStreamEndCapture(s.s, &g));
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, g, 0));
    OK(cuGraphLaunch(exec, s.s));
    control("expect-violations 1");
    OK(cuStreamSynchronize(s.s));
    EQUAL(emu_counter("violations"), 1u);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(g));
}

TEST(ordered_branches_do_not_race) {
    Context c;
    Stream s, t;
    Event fork, join;
    Floats a(4), b(4);
    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuMemsetD32Async(a.p, 1, 4, s.s));
    OK(cuEventRecord(fork.e, s.s));
    OK(cuStreamWaitEvent(t.s, fork.e, 0));
    OK(cuMemcpyDtoDAsync(b.p, a.p, 16, t.s));
    OK(cuEventRecord(join.e, t.s));
    OK(cuStreamWaitEvent(s.s, join.e, 0));
    OK(cuMemsetD32Async(b.p, 2, 4, s.s));
    CUgraph g;
    OK(cuStreamEndCapture(s.s, &g));
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, g, 0));
    OK(cuGraphLaunch(exec, s.s));
    OK(cuGraphLaunch(exec, t.s));  // launches of one graph follow each other
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 0u);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(g));
}

TEST(a_graph_races_with_a_stream) {
    Context c;
    Stream s, t;
    Floats a(4);
    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuMemsetD32Async(a.p, 1, 4, s.s));
    CUgraph g;
    OK(cuStreamEndCapture(s.s, &g));
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, g, 0));
    OK(cuGraphLaunch(exec, s.s));
    OK(cuMemsetD32Async(a.p, 2, 4, t.s));
    control("expect-violations 1");
    OK(cuCtxSynchronize());
    EQUAL(emu_counter("violations"), 1u);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(g));
}

// What a capturing stream may not do. Each row begins a capture, does something, and the capture must be lost (or not).
TEST(illegal_while_capturing) {
    Context c;
    Floats a(4);
    Pinned pinned(4);
    float pageable[4];
    Event outside;
    CUdeviceptr p = 0;
    Stream origin, other, blocking(CU_STREAM_DEFAULT);
    OK(cuEventRecord(outside.e, other.s));
    CUstreamCaptureStatus status;
    const auto G = CU_STREAM_CAPTURE_MODE_GLOBAL, L = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, R = CU_STREAM_CAPTURE_MODE_RELAXED;
    struct Row {
        const char* what;
        CUstream stream;
        CUstreamCaptureMode mode;
        std::function<CUresult()> act;
        CUresult wanted;
        bool lost;
    };
    const CUstream s = origin.s, b = blocking.s;
    const Row rows[] = {
        {"synchronise the stream", s, R, [&] { return cuStreamSynchronize(s); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"query the stream", s, R, [&] { return cuStreamQuery(s); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"synchronise the context", s, R, [&] { return cuCtxSynchronize(); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"synchronise another stream", s, L, [&] { return cuStreamSynchronize(other.s); }, CUDA_SUCCESS, false},
        {"wait for an event from outside", s, L, [&] { return cuStreamWaitEvent(s, outside.e, 0); }, CUDA_ERROR_STREAM_CAPTURE_ISOLATION, true},
        {"cuMemAlloc in global mode", s, G, [&] { return cuMemAlloc(&p, 4); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"cuMemAlloc in thread-local mode", s, L, [&] { return cuMemAlloc(&p, 4); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"cuMemAlloc in relaxed mode", s, R, [&] { return cuMemAlloc(&p, 4); }, CUDA_SUCCESS, false},
        {"a synchronous copy", s, L, [&] { return cuMemcpyDtoH(pageable, a.p, 16); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"a synchronous copy beside a blocking stream", b, R, [&] { return cuMemcpyDtoH(pageable, a.p, 16); }, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, true},
        {"the legacy stream beside a blocking stream", b, R, [&] { return cuMemsetD8Async(a.p, 0, 4, nullptr); }, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, true},
        {"the legacy stream beside a non-blocking one", s, R, [&] { return cuMemsetD8Async(a.p, 0, 4, nullptr); }, CUDA_SUCCESS, false},
        {"a copy to pageable memory", s, R, [&] { return cuMemcpyDtoHAsync(pageable, a.p, 16, s); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"a copy from pageable memory", s, R, [&] { return cuMemcpyHtoDAsync(a.p, pageable, 16, s); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true},
        {"a copy to pinned memory", s, R, [&] { return cuMemcpyDtoHAsync(pinned.p, a.p, 16, s); }, CUDA_SUCCESS, false},
        {"begin twice", s, L, [&] { return cuStreamBeginCapture(s, L); }, CUDA_ERROR_ILLEGAL_STATE, false},
        {"nothing", s, L, [&] { return CUDA_SUCCESS; }, CUDA_SUCCESS, false},
    };
    for (auto& row : rows) {
        OK(cuStreamBeginCapture(row.stream, row.mode));
        CUresult r = row.act();
        if (r != row.wanted) failed(__FILE__, __LINE__, std::string(row.what) + " answers " + status_text(r) + ", wanted " + status_text(row.wanted));
        OK(cuStreamIsCapturing(row.stream, &status));
        if ((status == CU_STREAM_CAPTURE_STATUS_INVALIDATED) != row.lost) failed(__FILE__, __LINE__, std::string(row.what) + ": status " + std::to_string(status));
        if (row.lost) IS(cuMemsetD8Async(a.p, 0, 4, row.stream), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        CUgraph g = nullptr;
        r = cuStreamEndCapture(row.stream, &g);
        if (r != (row.lost ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS)) failed(__FILE__, __LINE__, std::string(row.what) + ": the end answers " + status_text(r));
        CHECK((g == nullptr) == row.lost);
        if (g) OK(cuGraphDestroy(g));
        OK(cuStreamSynchronize(row.stream));  // well again
    }
    OK(cuMemFree(p));
    CUgraph g;
    IS(cuStreamEndCapture(s, &g), CUDA_ERROR_ILLEGAL_STATE);
    IS(cuStreamBeginCapture(nullptr, R), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST(a_capture_must_be_joined) {
    Context c;
    Stream s, t, u;
    Event fork;
    Floats a(4);
    CUgraph g;
    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuEventRecord(fork.e, s.s));
    OK(cuStreamWaitEvent(t.s, fork.e, 0));
    OK(cuMemsetD8Async(a.p, 0, 4, t.s));
    IS(cuEventQuery(fork.e), CUDA_ERROR_CAPTURED_EVENT);
    IS(cuEventSynchronize(fork.e), CUDA_ERROR_CAPTURED_EVENT);
    IS(cuStreamEndCapture(s.s, &g), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    CUstreamCaptureStatus status;
    OK(cuStreamIsCapturing(t.s, &status));
    CHECK(status == CU_STREAM_CAPTURE_STATUS_NONE);

    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuEventRecord(fork.e, s.s));
    OK(cuStreamWaitEvent(t.s, fork.e, 0));
    IS(cuStreamEndCapture(t.s, &g), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    IS(cuStreamEndCapture(s.s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuStreamBeginCapture(u.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuEventRecord(fork.e, s.s));
    IS(cuStreamWaitEvent(u.s, fork.e, 0), CUDA_ERROR_STREAM_CAPTURE_MERGE);
    IS(cuStreamEndCapture(s.s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    IS(cuStreamEndCapture(u.s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST(a_graph_that_uses_freed_memory, {}, 0, "illegal address") {
    Context c;
    Stream s;
    CUdeviceptr p;
    OK(cuMemAlloc(&p, 16));
    OK(cuStreamBeginCapture(s.s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuMemsetD32Async(p, 0, 4, s.s));
    CUgraph g;
    OK(cuStreamEndCapture(s.s, &g));
    CUgraphExec exec;
    OK(cuGraphInstantiate(&exec, g, 0));
    OK(cuMemFree(p));
    OK(cuGraphLaunch(exec, s.s));
    control("expect-violations 1");
    IS(cuStreamSynchronize(s.s), CUDA_ERROR_ILLEGAL_ADDRESS);
    EQUAL(emu_counter("violations"), 1u);
    _exit(0);
}
