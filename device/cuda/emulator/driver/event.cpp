// Events: a record is a point of a stream with the clock of all that comes before it.
#include "driver.h"

using namespace emu;

CUresult CUDAAPI cuEventCreate(CUevent* out, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuEventCreate", ctx);
    if (!out || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    if ((flags & CU_EVENT_INTERPROCESS) && !(flags & CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_VALUE;
    auto e = new CUevent_st(ctx);
    e->flags = flags;
    add(e);
    *out = e;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventDestroy_v2(CUevent event) {
    EMU_ENTER_CONTEXT("cuEventDestroy", ctx);
    CUevent e = live(event, Kind::event, "cuEventDestroy");
    if (!e) return CUDA_ERROR_INVALID_HANDLE;
    e->record = nullptr;
    e->capture = nullptr;
    e->frontier.clear();
    retire(e);
    return CUDA_SUCCESS;
}

static CUresult record(CUevent event, CUstream handle, unsigned flags, CUcontext ctx) {
    if (flags > CU_EVENT_RECORD_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
    CUevent e = live(event, Kind::event, "cuEventRecord");
    CUstream s = stream_of(ctx, handle, "cuEventRecord");
    if (!e || !s) return CUDA_ERROR_INVALID_HANDLE;
    if (e->ctx != s->ctx) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) {
        if (s->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        e->record = nullptr;
        e->capture = s->capture;
        e->frontier = s->frontier;
        return CUDA_SUCCESS;
    }
    auto made = std::make_shared<Record>();
    if (CUresult r = put(s, nullptr, made)) return r;
    e->capture = nullptr;
    e->frontier.clear();
    e->record = made;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream) {
    EMU_ENTER_CONTEXT("cuEventRecord", ctx);
    return record(event, stream, 0, ctx);
}

CUresult CUDAAPI cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags) {
    EMU_ENTER_CONTEXT("cuEventRecordWithFlags", ctx);
    return record(event, stream, flags, ctx);
}

static CUresult reach(CUevent event, const char* who, CUcontext ctx) {
    CUevent e = live(event, Kind::event, who);
    if (!e) return CUDA_ERROR_INVALID_HANDLE;
    if (e->capture) return CUDA_ERROR_CAPTURED_EVENT;
    if (!e->record) return CUDA_SUCCESS;
    run_until(e->record->stream, e->record->seq);
    host_clock.join(*e->record->clock);
    return ctx->sticky;
}

CUresult CUDAAPI cuEventSynchronize(CUevent event) {
    EMU_ENTER_CONTEXT("cuEventSynchronize", ctx);
    emu_count("synchronisations", 1);
    return reach(event, "cuEventSynchronize", ctx);
}

CUresult CUDAAPI cuEventQuery(CUevent event) {
    EMU_ENTER_CONTEXT("cuEventQuery", ctx);
    return reach(event, "cuEventQuery", ctx);
}

static CUresult elapsed(float* milliseconds, CUevent begin, CUevent end) {
    if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
    CUevent a = live(begin, Kind::event, "cuEventElapsedTime"), b = live(end, Kind::event, "cuEventElapsedTime");
    if (!a || !b || !a->record || !b->record || ((a->flags | b->flags) & CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_HANDLE;
    if (!a->record->done || !b->record->done) return CUDA_ERROR_NOT_READY;
    *milliseconds = static_cast<float>(b->record->at - a->record->at);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventElapsedTime(float* milliseconds, CUevent begin, CUevent end) {
    EMU_ENTER_CONTEXT("cuEventElapsedTime", ctx);
    return elapsed(milliseconds, begin, end);
}

CUresult CUDAAPI cuEventElapsedTime_v2(float* milliseconds, CUevent begin, CUevent end) {
    EMU_ENTER_CONTEXT("cuEventElapsedTime", ctx);
    return elapsed(milliseconds, begin, end);
}
