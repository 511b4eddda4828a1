// Streams: queues of work that nothing runs until somebody waits. Order comes from the queue itself, from events and
// from the legacy stream; each operation carries the vector clock of what it follows.
#include "driver.h"

#include <chrono>

namespace emu {

Clock& host_clock = *new Clock;  // what the host has waited for
std::atomic<Running*> running{nullptr};
std::atomic<std::thread::id> running_thread{};

void Clock::set(size_t stream, uint64_t seq) {
    if (stream >= at.size()) at.resize(stream + 1);
    at[stream] = seq;
}

void Clock::join(const Clock& other) {
    if (other.at.size() > at.size()) at.resize(other.at.size());
    for (size_t i = 0; i < other.at.size(); i++)
        if (other.at[i] > at[i]) at[i] = other.at[i];
}

CUstream stream_of(CUcontext ctx, CUstream handle, const char* who) {
    if (handle == nullptr || handle == CU_STREAM_LEGACY) return ctx->legacy;
    if (handle == CU_STREAM_PER_THREAD) {
        CUstream& s = ctx->per_thread[std::this_thread::get_id()];
        if (!s) {
            s = new CUstream_st(ctx);
            s->internal = true;
            add(s);
        }
        return s;
    }
    CUstream s = live(handle, Kind::stream, who);
    if (s && s->ctx != ctx) {
        emu_violation("%s: the stream belongs to another context than the current one", who);
        return nullptr;
    }
    return s;
}

CUresult put(CUstream s, WorkRef work, std::shared_ptr<Record> record, std::vector<After> after) {
    if (s->capture) return capture_add(s, work);
    CUcontext ctx = s->ctx;
    if (s->legacy) {
        if (CUresult r = capture_blocks_legacy(s, work ? work->name.c_str() : "the legacy stream")) return r;
        for (CUstream t : ctx->streams)
            if (t != s && t->blocking() && t->queued) after.push_back({t, t->queued, std::make_shared<Clock>(t->clock)});
    } else if (s->blocking() && ctx->legacy->queued) {
        after.push_back({ctx->legacy, ctx->legacy->queued, std::make_shared<Clock>(ctx->legacy->clock)});
    }
    for (auto& a : after) s->clock.join(*a.clock);
    s->clock.join(host_clock);
    s->clock.set(s->index, ++s->queued);
    Stamp stamp = std::make_shared<Clock>(s->clock);
    if (record) {
        record->stream = s;
        record->seq = s->queued;
        record->clock = stamp;
    }
    s->queue.push_back(Operation{s->queued, work, stamp, std::move(after), std::move(record)});
    return CUDA_SUCCESS;
}

static double now() {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

CUresult execute(const Work& work, Running& run) {
    if (work.injected != CUDA_SUCCESS) return work.injected;
    if (!work.run) return CUDA_SUCCESS;
    Running* outer = running;
    running = &run;
    running_thread = std::this_thread::get_id();
    CUresult r;
    try {
        r = work.run(run);
    } catch (const std::exception& e) {
        emu_violation("%s: %s", work.name.c_str(), e.what());
        r = CUDA_ERROR_UNKNOWN;
    }
    running = outer;
    if (!outer) running_thread = std::thread::id{};
    return run.fault != CUDA_SUCCESS ? run.fault.load() : r;
}

static void execute(CUstream s, const Operation& op) {
    if (op.work) {
        record_accesses(reach_of(*op.work), s->index, op.seq, op.clock);
        Running run;
        run.ctx = s->ctx;
        run.name = op.work->name;
        uint64_t before = emu_counter("violations");
        if (op.work->run) emu_count("executed", 1);
        CUresult r = execute(*op.work, run);
        record_accesses(run.reached, s->index, op.seq, op.clock);
        if (r != CUDA_SUCCESS) break_context(s->ctx, r, run.name);
        if (emu_counter("violations") != before) object_counts_changed();
    }
    if (op.record) {
        op.record->done = true;
        op.record->at = now();
    }
}

void run_until(CUstream s, uint64_t seq) {
    std::vector<std::pair<CUstream, uint64_t>> todo{{s, seq}};
    while (!todo.empty()) {
        auto [t, n] = todo.back();
        if (t->executed >= n || t->queue.empty()) {
            todo.pop_back();
            continue;
        }
        bool ready = true;
        for (auto& a : t->queue.front().after)
            if (a.stream->executed < a.seq) {
                todo.push_back({a.stream, a.seq});
                ready = false;
                break;
            }
        if (!ready) continue;
        Operation op = std::move(t->queue.front());
        t->queue.pop_front();
        execute(t, op);
        if (op.seq > t->executed) t->executed = op.seq;
    }
}

CUresult synchronise(CUstream s) {
    run_until(s, s->queued);
    host_clock.join(s->clock);
    trim_pools(s->ctx->device);
    return s->ctx->sticky;
}

CUresult synchronise_all(CUcontext ctx) {
    for (size_t i = 0; i < ctx->streams.size(); i++) {
        run_until(ctx->streams[i], ctx->streams[i]->queued);
        host_clock.join(ctx->streams[i]->clock);
    }
    trim_pools(ctx->device);
    return ctx->sticky;
}

void drop_queues(CUcontext ctx) {
    for (CUstream s : ctx->streams) {
        for (auto& op : s->queue)
            if (op.record) op.record->done = true;
        s->queue.clear();
        s->executed = s->queued;
    }
}

}  // namespace emu

using namespace emu;

static size_t streams_made;

CUstream_st::CUstream_st(CUcontext c) : Object(Kind::stream, c), index(streams_made++) { c->streams.push_back(this); }

CUresult emu_enqueue(CUstream handle, const char* name, std::function<CUresult()> run, std::vector<EmuRange> touches) {
    std::lock_guard<std::recursive_mutex> hold(big);
    if (CUresult r = emu_context_error()) return r;
    CUcontext ctx = current();
    CUstream s = stream_of(ctx, handle, name);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    auto work = std::make_shared<Work>();
    work->name = name;
    work->type = CU_GRAPH_NODE_TYPE_KERNEL;
    work->library = true;
    for (auto& t : touches) {
        if (!t.bytes) continue;
        if (CUresult r = check_range(t.ptr, t.bytes, name)) return r;
        work->touches.push_back(t);
    }
    work->run = [run](Running&) { return run(); };
    bool captured = s->capture != nullptr;
    if (CUresult r = put(s, work)) return r;
    if (!captured) count_work(*work);
    return CUDA_SUCCESS;
}

extern "C" int emu_stream_valid(CUstream handle) {
    std::lock_guard<std::recursive_mutex> hold(big);
    CUcontext ctx = current();
    return ctx && ctx->alive && stream_of(ctx, handle, "a library") != nullptr;
}

static CUresult create_stream(CUstream* out, unsigned flags, int priority, CUcontext ctx) {
    if (!out || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING))) return CUDA_ERROR_INVALID_VALUE;
    auto s = new CUstream_st(ctx);
    s->flags = flags;
    s->priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
    add(s);
    *out = s;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamCreate(CUstream* out, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuStreamCreate", ctx);
    return create_stream(out, flags, 0, ctx);
}

CUresult CUDAAPI cuStreamCreateWithPriority(CUstream* out, unsigned int flags, int priority) {
    EMU_ENTER_CONTEXT("cuStreamCreateWithPriority", ctx);
    return create_stream(out, flags, priority, ctx);
}

// A destroyed stream finishes what is in it, when somebody waits for the context.
CUresult CUDAAPI cuStreamDestroy_v2(CUstream handle) {
    EMU_ENTER_CONTEXT("cuStreamDestroy", ctx);
    if (handle == nullptr || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD) return CUDA_ERROR_INVALID_HANDLE;
    CUstream s = live(handle, Kind::stream, "cuStreamDestroy");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) {
        invalidate(s);
        s->capture = nullptr;
        s->frontier.clear();
    }
    retire(s);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamSynchronize(CUstream handle) {
    EMU_ENTER_CONTEXT("cuStreamSynchronize", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamSynchronize");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult r = capture_blocks_sync(s, "cuStreamSynchronize")) return r;
    emu_count("synchronisations", 1);
    return synchronise(s);
}

CUresult CUDAAPI cuStreamQuery(CUstream handle) {
    EMU_ENTER_CONTEXT("cuStreamQuery", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamQuery");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult r = capture_blocks_sync(s, "cuStreamQuery")) return r;
    return synchronise(s);
}

CUresult CUDAAPI cuStreamWaitEvent(CUstream handle, CUevent event, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuStreamWaitEvent", ctx);
    if (flags > CU_EVENT_WAIT_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
    CUstream s = stream_of(ctx, handle, "cuStreamWaitEvent");
    CUevent e = live(event, Kind::event, "cuStreamWaitEvent");
    if (!s || !e) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture || e->capture) return capture_wait(s, e);
    if (!e->record) return CUDA_SUCCESS;
    return put(s, nullptr, nullptr, {{e->record->stream, e->record->seq, e->record->clock}});
}

CUresult CUDAAPI cuStreamGetFlags(CUstream handle, unsigned int* flags) {
    EMU_ENTER_CONTEXT("cuStreamGetFlags", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamGetFlags");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    *flags = s->flags;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamGetPriority(CUstream handle, int* priority) {
    EMU_ENTER_CONTEXT("cuStreamGetPriority", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamGetPriority");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (!priority) return CUDA_ERROR_INVALID_VALUE;
    *priority = s->priority;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamGetCtx(CUstream handle, CUcontext* out) {
    EMU_ENTER_CONTEXT("cuStreamGetCtx", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamGetCtx");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = s->ctx;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamGetDevice(CUstream handle, CUdevice* out) {
    EMU_ENTER_CONTEXT("cuStreamGetDevice", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamGetDevice");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = s->ctx->device;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamGetId(CUstream handle, unsigned long long* id) {
    EMU_ENTER_CONTEXT("cuStreamGetId", ctx);
    CUstream s = stream_of(ctx, handle, "cuStreamGetId");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (!id) return CUDA_ERROR_INVALID_VALUE;
    *id = s->index + 1;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuLaunchHostFunc(CUstream handle, CUhostFn function, void* data) {
    EMU_ENTER_CONTEXT("cuLaunchHostFunc", ctx);
    CUstream s = stream_of(ctx, handle, "cuLaunchHostFunc");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (!function) return CUDA_ERROR_INVALID_VALUE;
    auto work = std::make_shared<Work>();
    work->name = "cuLaunchHostFunc";
    work->type = CU_GRAPH_NODE_TYPE_HOST;
    work->run = [function, data](Running&) {
        function(data);
        return CUDA_SUCCESS;
    };
    return put(s, work);
}
