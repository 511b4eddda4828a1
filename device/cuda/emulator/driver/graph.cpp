// Graphs: capturing streams into one, instantiating, updating and launching it.
#include "driver.h"

#include <algorithm>

namespace emu {

namespace {
auto& captures = *new std::vector<std::shared_ptr<Capture>>;  // those going on
uint64_t captures_made;
thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

void end(const std::shared_ptr<Capture>& capture) {
    for (CUstream s : capture->streams)
        if (s->capture == capture) {
            s->capture = nullptr;
            s->frontier.clear();
        }
    captures.erase(std::remove(captures.begin(), captures.end(), capture), captures.end());
}

void join(std::vector<CUgraphNode>& frontier, const std::vector<CUgraphNode>& other) {
    for (CUgraphNode n : other)
        if (std::find(frontier.begin(), frontier.end(), n) == frontier.end()) frontier.push_back(n);
}

bool ended(const std::shared_ptr<Capture>& capture) {
    return std::find(captures.begin(), captures.end(), capture) == captures.end();
}
}  // namespace

void invalidate(CUstream s) {
    if (s->capture) s->capture->invalid = true;
}

CUresult capture_unsafe(const char* who) {
    if (thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_SUCCESS;
    auto self = std::this_thread::get_id();
    bool prohibited = false;
    for (auto& c : captures) {
        bool ours = c->thread == self && c->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
        bool theirs = thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL && c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
        if (!ours && !theirs) continue;
        c->invalid = true;
        prohibited = true;
    }
    if (!prohibited) return CUDA_SUCCESS;
    fprintf(stderr, "emulator: %s is not allowed while a stream is capturing; the capture is invalid\n", who);
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult capture_blocks_legacy(CUstream s, const char* who) {
    CUresult r = CUDA_SUCCESS;
    for (CUstream t : s->ctx->streams)
        if (t->capture && t->blocking()) {
            t->capture->invalid = true;
            r = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
    if (r) fprintf(stderr, "emulator: %s in the legacy stream while a stream that orders itself after it is capturing\n", who);
    return r;
}

CUresult capture_blocks_sync(CUstream s, const char* who) {
    if (s->legacy) return capture_blocks_legacy(s, who);
    if (!s->capture) return CUDA_SUCCESS;
    s->capture->invalid = true;
    fprintf(stderr, "emulator: %s of a capturing stream; the capture is invalid\n", who);
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult capture_blocks_context(CUcontext ctx) {
    CUresult r = CUDA_SUCCESS;
    for (CUstream s : ctx->streams)
        if (s->capture) {
            s->capture->invalid = true;
            r = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    return r;
}

CUresult capture_add(CUstream s, WorkRef work) {
    if (s->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    CUgraph graph = s->capture->graph;
    auto node = std::make_unique<CUgraphNode_st>();
    node->graph = graph;
    node->index = graph->nodes.size();
    node->work = work;
    node->after = s->frontier;
    s->frontier = {node.get()};
    graph->nodes.push_back(std::move(node));
    return CUDA_SUCCESS;
}

CUresult capture_wait(CUstream s, CUevent e) {
    if (s->capture && s->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!e->capture) {
        if (!e->record) return CUDA_SUCCESS;
        s->capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (ended(e->capture)) {
        invalidate(s);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (e->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (s->capture && s->capture != e->capture) {
        s->capture->invalid = e->capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    }
    if (s->legacy) {
        e->capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    if (!s->capture) {
        s->capture = e->capture;
        s->frontier.clear();
        e->capture->streams.push_back(s);
    }
    join(s->frontier, e->frontier);
    return CUDA_SUCCESS;
}

void count_work(const Work& work) {
    if (work.type == CU_GRAPH_NODE_TYPE_KERNEL) {
        emu_count(work.library ? "library_calls" : "launches", 1);
    } else if (work.type == CU_GRAPH_NODE_TYPE_MEMSET) {
        emu_count("memsets", 1);
    } else if (work.type == CU_GRAPH_NODE_TYPE_MEMCPY) {
        bool from = work.from == CU_MEMORYTYPE_DEVICE, to = work.to == CU_MEMORYTYPE_DEVICE;
        const char* kind = from && to ? "d2d" : to ? "h2d" : from ? "d2h" : "h2h";
        emu_count((std::string(kind) + "_copies").c_str(), 1);
        emu_count((std::string(kind) + "_bytes").c_str(), work.bytes);
    }
}

static std::shared_ptr<const Program> compile(const CUgraph_st& graph) {
    auto program = std::make_shared<Program>();
    bool chain = true;
    for (auto& node : graph.nodes) {
        Program::Node made{node->work, {}};
        for (CUgraphNode a : node->after) made.after.push_back(a->index);
        std::sort(made.after.begin(), made.after.end());
        size_t i = program->nodes.size();
        chain = chain && (i == 0 ? made.after.empty() : made.after == std::vector<size_t>{i - 1});
        program->nodes.push_back(std::move(made));
    }
    if (chain) return program;
    size_t n = program->nodes.size();
    program->before.assign(n, std::vector<bool>(n));
    for (size_t i = 0; i < n; i++)
        for (size_t a : program->nodes[i].after) {
            program->before[i][a] = true;
            for (size_t j = 0; j < n; j++)
                if (program->before[a][j]) program->before[i][j] = true;
        }
    return program;
}

static CUresult run_program(const Program& program, Running& outer) {
    std::vector<std::vector<Reach>> reached;
    for (size_t i = 0; i < program.nodes.size(); i++) {
        const Work& work = *program.nodes[i].work;
        Running run;
        run.ctx = outer.ctx;
        run.name = work.name;
        std::vector<Reach> declared = reach_of(work);
        CUresult r = execute(work, run);
        run.reached.insert(run.reached.end(), declared.begin(), declared.end());
        outer.reached.insert(outer.reached.end(), run.reached.begin(), run.reached.end());
        if (r != CUDA_SUCCESS) {
            outer.name = run.name + " (node " + std::to_string(i) + " of a graph)";
            return r;
        }
        reached.push_back(std::move(run.reached));
    }
    if (!program.before.empty()) check_branches(program, reached);
    return CUDA_SUCCESS;
}

}  // namespace emu

using namespace emu;

CUresult CUDAAPI cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    EMU_ENTER_CONTEXT("cuStreamBeginCapture", ctx);
    if (mode < CU_STREAM_CAPTURE_MODE_GLOBAL || mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    CUstream s = stream_of(ctx, handle, "cuStreamBeginCapture");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (s->capture) return CUDA_ERROR_ILLEGAL_STATE;
    auto capture = std::make_shared<Capture>();
    capture->graph = new CUgraph_st(ctx);
    capture->graph->internal = true;  // nobody's until the capture ends well
    add(capture->graph);
    capture->origin = s;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->id = ++captures_made;
    capture->streams = {s};
    captures.push_back(capture);
    s->capture = capture;
    s->frontier.clear();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamEndCapture(CUstream handle, CUgraph* out) {
    EMU_ENTER_CONTEXT("cuStreamEndCapture", ctx);
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = nullptr;
    CUstream s = stream_of(ctx, handle, "cuStreamEndCapture");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    auto capture = s->capture;
    if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
    if (capture->origin != s) {
        capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != std::this_thread::get_id())
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    CUresult r = capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    if (!r) {
        std::set<CUgraphNode> joined;
        std::vector<CUgraphNode> todo = s->frontier;
        while (!todo.empty()) {
            CUgraphNode n = todo.back();
            todo.pop_back();
            if (joined.insert(n).second) todo.insert(todo.end(), n->after.begin(), n->after.end());
        }
        for (CUstream t : capture->streams)
            for (CUgraphNode n : t->frontier)
                if (!joined.count(n)) r = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    }
    CUgraph graph = capture->graph;
    end(capture);
    retire(graph);
    if (r) {
        graph->nodes.clear();
        return r;
    }
    graph->internal = false;
    graph->alive = true;
    add(graph);
    *out = graph;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
    EMU_ENTER_CONTEXT("cuStreamIsCapturing", ctx);
    if (!status) return CUDA_ERROR_INVALID_VALUE;
    CUstream s = stream_of(ctx, handle, "cuStreamIsCapturing");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->legacy)
        for (CUstream t : ctx->streams)
            if (t->capture && t->blocking()) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    *status = !s->capture           ? CU_STREAM_CAPTURE_STATUS_NONE
              : s->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                    : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
    EMU_ENTER("cuThreadExchangeStreamCaptureMode");
    if (!mode || *mode < CU_STREAM_CAPTURE_MODE_GLOBAL || *mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    std::swap(*mode, thread_mode);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphCreate(CUgraph* out, unsigned int flags) {
    EMU_ENTER("cuGraphCreate");
    if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
    *out = new CUgraph_st(current());
    add(*out);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphDestroy(CUgraph handle) {
    EMU_ENTER("cuGraphDestroy");
    CUgraph graph = live(handle, Kind::graph, "cuGraphDestroy");
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    graph->nodes.clear();
    retire(graph);
    return CUDA_SUCCESS;
}

static CUresult give_nodes(const std::vector<CUgraphNode>& nodes, CUgraphNode* out, size_t* count) {
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    if (out) {
        for (size_t i = 0; i < *count; i++) out[i] = i < nodes.size() ? nodes[i] : nullptr;
        *count = std::min(*count, nodes.size());
    } else {
        *count = nodes.size();
    }
    return CUDA_SUCCESS;
}

static CUresult nodes_of(CUgraph handle, CUgraphNode* out, size_t* count, bool roots, const char* who) {
    EMU_ENTER(who);
    CUgraph graph = live(handle, Kind::graph, who);
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    std::vector<CUgraphNode> nodes;
    for (auto& n : graph->nodes)
        if (!roots || n->after.empty()) nodes.push_back(n.get());
    return give_nodes(nodes, out, count);
}

CUresult CUDAAPI cuGraphGetNodes(CUgraph graph, CUgraphNode* out, size_t* count) { return nodes_of(graph, out, count, false, "cuGraphGetNodes"); }

CUresult CUDAAPI cuGraphGetRootNodes(CUgraph graph, CUgraphNode* out, size_t* count) {
    return nodes_of(graph, out, count, true, "cuGraphGetRootNodes");
}

CUresult CUDAAPI cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
    EMU_ENTER("cuGraphNodeGetType");
    if (!node || !type) return CUDA_ERROR_INVALID_VALUE;
    *type = node->work->type;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode* out, size_t* count) {
    EMU_ENTER("cuGraphNodeGetDependencies");
    if (!node) return CUDA_ERROR_INVALID_VALUE;
    return give_nodes(node->after, out, count);
}

static CUresult instantiate(CUgraphExec* out, CUgraph handle, CUcontext ctx) {
    CUgraph graph = out ? live(handle, Kind::graph, "cuGraphInstantiate") : nullptr;
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    auto exec = new CUgraphExec_st(ctx);
    exec->program = compile(*graph);
    add(exec);
    *out = exec;
    emu_count("graph_instantiations", 1);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph graph, unsigned long long flags) {
    EMU_ENTER_CONTEXT("cuGraphInstantiate", ctx);
    if (flags & ~static_cast<unsigned long long>(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
                                                 CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY))
        return CUDA_ERROR_INVALID_VALUE;
    return instantiate(out, graph, ctx);
}

CUresult CUDAAPI cuGraphInstantiate(CUgraphExec* out, CUgraph graph, CUgraphNode*, char*, size_t) {
    EMU_ENTER_CONTEXT("cuGraphInstantiate", ctx);
    return instantiate(out, graph, ctx);
}

CUresult CUDAAPI cuGraphInstantiate_v2(CUgraphExec* out, CUgraph graph, CUgraphNode*, char*, size_t) {
    EMU_ENTER_CONTEXT("cuGraphInstantiate", ctx);
    return instantiate(out, graph, ctx);
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec handle) {
    EMU_ENTER("cuGraphExecDestroy");
    CUgraphExec exec = live(handle, Kind::exec, "cuGraphExecDestroy");
    if (!exec) return CUDA_ERROR_INVALID_VALUE;
    exec->program = nullptr;
    exec->last.clear();
    retire(exec);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphUpload(CUgraphExec handle, CUstream stream) {
    EMU_ENTER_CONTEXT("cuGraphUpload", ctx);
    if (!live(handle, Kind::exec, "cuGraphUpload")) return CUDA_ERROR_INVALID_VALUE;
    return stream_of(ctx, stream, "cuGraphUpload") ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// The topology must be the same; a kernel may change with its parameters, a copy may not change its direction.
static CUgraphExecUpdateResult differs(const Program& was, const Program& is, size_t& at) {
    for (at = 0; at < std::min(was.nodes.size(), is.nodes.size()); at++) {
        const Work &a = *was.nodes[at].work, &b = *is.nodes[at].work;
        if (was.nodes[at].after != is.nodes[at].after) return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        if (a.type != b.type) return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
        if (a.library != b.library || (a.library && a.name != b.name)) return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        if (a.from != b.from || a.to != b.to) return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
    }
    return was.nodes.size() == is.nodes.size() ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
}

CUresult CUDAAPI cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graph_handle, CUgraphExecUpdateResultInfo* info) {
    EMU_ENTER("cuGraphExecUpdate");
    CUgraphExec exec = live(handle, Kind::exec, "cuGraphExecUpdate");
    CUgraph graph = live(graph_handle, Kind::graph, "cuGraphExecUpdate");
    if (!exec || !graph || !info) return CUDA_ERROR_INVALID_VALUE;
    auto fresh = compile(*graph);
    size_t at = 0;
    *info = CUgraphExecUpdateResultInfo{};
    info->result = differs(*exec->program, *fresh, at);
    if (info->result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
        if (at < graph->nodes.size()) info->errorNode = graph->nodes[at].get();
        return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    exec->program = fresh;
    emu_count("graph_updates", 1);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode* error_node, CUgraphExecUpdateResult* result) {
    CUgraphExecUpdateResultInfo info{};
    CUresult r = cuGraphExecUpdate_v2(exec, graph, &info);
    if (error_node) *error_node = info.errorNode;
    if (result) *result = info.result;
    return r;
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec handle, CUstream stream) {
    EMU_ENTER_CONTEXT("cuGraphLaunch", ctx);
    CUgraphExec exec = live(handle, Kind::exec, "cuGraphLaunch");
    if (!exec) return CUDA_ERROR_INVALID_VALUE;
    CUstream s = stream_of(ctx, stream, "cuGraphLaunch");
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) {
        emu_unsupported("cuGraphLaunch while its stream is capturing");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    CUresult failed = CUDA_SUCCESS;
    if (injected("launch", &failed)) return failed;
    auto program = exec->program;
    auto work = std::make_shared<Work>();
    work->name = "cuGraphLaunch";
    work->type = CU_GRAPH_NODE_TYPE_GRAPH;
    injected("async", &work->injected);
    work->run = [program](Running& run) { return run_program(*program, run); };
    if (CUresult r = put(s, work, nullptr, exec->last)) return r;
    exec->last = {{s, s->queued, std::make_shared<Clock>(s->clock)}};
    emu_count("graph_launches", 1);
    emu_count("graph_nodes", program->nodes.size());
    for (auto& node : program->nodes)
        if (node.work->type != CU_GRAPH_NODE_TYPE_KERNEL) count_work(*node.work);
    return CUDA_SUCCESS;
}
