// driver.h is the inside of the emulated libcuda.so.1: objects, the memory table, streams as queues of work.
// Everything runs under one lock (big), except what the threads of one executing piece of work call: the memory
// table, counters, faults and reports have locks of their own.
#pragma once

#include "../emulator.h"
#include "../ptx/ptx.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace emu {

extern std::recursive_mutex big;

// Machine is what the environment says this computer has.
struct Machine {
    bool ready = false;
    int devices = 1, driver = 13000, compute = 90, threads = 1;
    uint64_t memory = 0;
};
extern Machine machine;
int driver_version();  // also before cuInit

// Clock is a vector clock over streams: of(s) is the last operation of stream s known to come before.
struct Clock {
    std::vector<uint64_t> at;
    uint64_t of(size_t stream) const { return stream < at.size() ? at[stream] : 0; }
    void set(size_t stream, uint64_t seq);
    void join(const Clock& other);
};
using Stamp = std::shared_ptr<const Clock>;

// Access is a range of an allocation that a piece of work read or wrote.
struct Access {
    size_t stream;
    uint64_t seq;
    uint64_t begin, end;
    bool write;
    std::string name;
};

enum class Space { device, pinned, pageable };

struct Allocation {
    enum State { live, freeing, freed };
    uint64_t base = 0, size = 0;
    uint8_t* host = nullptr;
    Space space = Space::device;
    State state = live;
    bool pooled = false;      // stream-ordered
    bool registered = false;  // host memory of somebody else
    bool constant = false;    // kernels may only read it
    bool internal = false;    // variables of a module: freed with it
    CUcontext ctx = nullptr;
    int device = 0;
    uint64_t id = 0;
    std::string freed_by;
    std::vector<Access> accesses;  // of work that has run; under big
};
using Held = std::shared_ptr<Allocation>;

// Reach is what a piece of work that has just run touched.
struct Reach {
    Held allocation;
    uint64_t begin, end;
    bool write;
    std::string name;  // of the work
};

// Running is the piece of work that executes now; there is never more than one.
struct Running {
    CUcontext ctx;
    std::string name;
    std::vector<Reach> reached;
    std::atomic<CUresult> fault{CUDA_SUCCESS};
};
extern std::atomic<Running*> running;
extern std::atomic<std::thread::id> running_thread;  // the one that holds big while work executes

// Work is what a stream or a graph node does. It may run many times.
struct Work {
    std::string name;
    CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
    std::function<CUresult(Running&)> run;
    std::vector<EmuRange> touches;
    bool library = false;
    CUresult injected = CUDA_SUCCESS;                       // instead of running
    std::shared_ptr<void> details;                          // KernelCall, for graph updates
    CUmemorytype from = CU_MEMORYTYPE_HOST, to = CU_MEMORYTYPE_HOST;  // of a copy
    uint64_t bytes = 0;                                     // of a copy or memset
};
using WorkRef = std::shared_ptr<const Work>;

enum class Kind { context, stream, event, module, function, graph, exec, pool };
const char* kind_name(Kind);

struct Object {
    Kind kind;
    bool alive = true, internal = false;  // internal: the driver's own, no leak
    CUcontext ctx;
    Object(Kind k, CUcontext c) : kind(k), ctx(c) {}
    virtual ~Object() = default;
};

}  // namespace emu

struct CUctx_st : emu::Object {
    int device = 0;
    unsigned flags = 0;
    bool primary = false;
    CUresult sticky = CUDA_SUCCESS;
    std::string culprit;
    CUstream legacy = nullptr;
    std::map<std::thread::id, CUstream> per_thread;
    std::vector<CUstream> streams;  // every stream ever made in it, legacy included
    uint64_t id = 0;
    CUctx_st() : Object(emu::Kind::context, nullptr) {}
};

namespace emu {

// Record is one cuEventRecord: the point of a stream it stands for.
struct Record {
    CUstream stream;
    uint64_t seq;
    Stamp clock;
    bool done = false;
    double at = 0;  // milliseconds
};

struct Capture {
    CUgraph graph;
    CUstream origin;
    CUstreamCaptureMode mode;
    std::thread::id thread;
    bool invalid = false;
    uint64_t id;
    std::vector<CUstream> streams;  // origin and those that joined
};

// After is a point of another stream that has to be reached first.
struct After {
    CUstream stream;
    uint64_t seq;
    Stamp clock;
};

struct Operation {
    uint64_t seq;
    WorkRef work;
    Stamp clock;
    std::vector<After> after;
    std::shared_ptr<Record> record;
};

}  // namespace emu

struct CUstream_st : emu::Object {
    size_t index;
    unsigned flags = 0;
    int priority = 0;
    bool legacy = false;
    uint64_t queued = 0, executed = 0;
    std::deque<emu::Operation> queue;
    emu::Clock clock;
    std::shared_ptr<emu::Capture> capture;
    std::vector<CUgraphNode> frontier;  // of the capture: what the next node comes after
    explicit CUstream_st(CUcontext c);
    bool blocking() const { return !(flags & CU_STREAM_NON_BLOCKING); }
};

struct CUevent_st : emu::Object {
    unsigned flags = 0;
    std::shared_ptr<emu::Record> record;
    std::shared_ptr<emu::Capture> capture;  // recorded inside it
    std::vector<CUgraphNode> frontier;
    explicit CUevent_st(CUcontext c) : Object(emu::Kind::event, c) {}
};

struct CUgraphNode_st {
    CUgraph graph;
    size_t index;
    emu::WorkRef work;
    std::vector<CUgraphNode> after;
};

struct CUgraph_st : emu::Object {
    std::vector<std::unique_ptr<CUgraphNode_st>> nodes;  // each comes after those it depends on
    explicit CUgraph_st(CUcontext c) : Object(emu::Kind::graph, c) {}
};

namespace emu {

// Program is an instantiated graph; launches hold the one they were queued with.
struct Program {
    struct Node {
        WorkRef work;
        std::vector<size_t> after;
    };
    std::vector<Node> nodes;
    std::vector<std::vector<bool>> before;  // before[i][j]: j comes before i; empty when the graph is one chain
};

}  // namespace emu

struct CUgraphExec_st : emu::Object {
    std::shared_ptr<const emu::Program> program;
    std::vector<emu::After> last;  // the previous launch: launches of one graph follow each other
    explicit CUgraphExec_st(CUcontext c) : Object(emu::Kind::exec, c) {}
};

struct CUmod_st : emu::Object {
    std::shared_ptr<ptx::Module> code;
    std::unordered_map<std::string, CUfunction> functions;
    std::vector<std::pair<std::string, emu::Held>> variables;
    int ptx_version = 0;
    explicit CUmod_st(CUcontext c) : Object(emu::Kind::module, c) {}
};

struct CUfunc_st : emu::Object {
    CUmodule module;
    const ptx::Kernel* kernel;
    int max_dynamic_shared = 48 << 10;
    CUfunc_st(CUmodule m, const ptx::Kernel* k) : Object(emu::Kind::function, m->ctx), module(m), kernel(k) {}
};

struct CUmemPoolHandle_st : emu::Object {
    int device;
    uint64_t threshold = 0, reserved = 0, reserved_high = 0, used = 0, used_high = 0;
    explicit CUmemPoolHandle_st(int d) : Object(emu::Kind::pool, nullptr), device(d) {}
};

namespace emu {

// objects.cpp: every handle ever given out stays known, so that one which was destroyed is told from one never made.
void add(Object*);
void retire(Object*);  // no longer alive; keeps its address
Object* lookup(const void* handle, Kind kind, const char* who);  // null: bad, and a violation if it was destroyed
size_t living(Kind kind);
std::vector<Object*> of_context(CUcontext ctx);
template <class T>
T* live(T* handle, Kind kind, const char* who) {
    return static_cast<T*>(lookup(handle, kind, who));
}

// context.cpp
CUresult enter(const char* function);
CUresult enter_context(const char* function, CUcontext& ctx);
CUcontext current();
void break_context(CUcontext ctx, CUresult error, const std::string& culprit);

#define EMU_ENTER(function)                                    \
    std::lock_guard<std::recursive_mutex> hold_big(emu::big);  \
    if (CUresult entered = emu::enter(function)) return entered

#define EMU_ENTER_CONTEXT(function, ctx)                                    \
    std::lock_guard<std::recursive_mutex> hold_big(emu::big);               \
    CUcontext ctx = nullptr;                                                \
    if (CUresult entered = emu::enter_context(function, ctx)) return entered

// memory.cpp
Held find_allocation(uint64_t address);                            // live or freed; null: none
bool find_range(uint64_t address, size_t bytes, Held& held, std::string& why);
Held allocate_device(CUcontext ctx, size_t bytes, bool pooled, bool internal = false);  // null: out of memory
void release(const Held& held, const char* by);                    // gives the memory back now
Space space_of(const void* p, Held* held = nullptr);
CUresult check_range(uint64_t address, size_t bytes, const char* who, Held* held = nullptr);
void release_all(CUcontext ctx, const char* by);
void memory_leaks(std::vector<std::string>& lines);
CUmemoryPool default_pool(int device);
void trim_pools(int device);

// stream.cpp
extern Clock& host_clock;
CUstream stream_of(CUcontext ctx, CUstream handle, const char* who);  // null: no such stream
CUresult put(CUstream s, WorkRef work, std::shared_ptr<Record> record = nullptr,
             std::vector<After> after = {});  // captured if s is capturing
CUresult execute(const Work& work, Running& run);  // runs it here and now
void run_until(CUstream s, uint64_t seq);
CUresult synchronise(CUstream s);       // runs and orders; not counted
CUresult synchronise_all(CUcontext ctx);
void drop_queues(CUcontext ctx);

// graph.cpp
CUresult capture_unsafe(const char* who);                   // a call that may not be made while someone captures
CUresult capture_blocks_sync(CUstream s, const char* who);  // waiting for s
CUresult capture_blocks_legacy(CUstream s, const char* who);
CUresult capture_add(CUstream s, WorkRef work);
CUresult capture_wait(CUstream s, CUevent e);
void invalidate(CUstream s);
void count_work(const Work& work);  // one more execution of it was asked for
CUresult capture_blocks_context(CUcontext ctx);             // waiting for everything



// launch.cpp
struct KernelCall {
    CUfunction function;
    CUmodule module;
    std::shared_ptr<ptx::Module> code;  // keeps the kernel while the call is queued
    const ptx::Kernel* kernel;
    ptx::Launch launch;
    std::vector<uint8_t> params;
};

// races.cpp
std::vector<Reach> reach_of(const Work& work);  // what it says it touches
void record_accesses(const std::vector<Reach>& reached, size_t stream, uint64_t seq, const Stamp& clock);
void check_branches(const Program& program, const std::vector<std::vector<Reach>>& reached);

// counters.cpp
bool counting_bytes();

// faults.cpp
int injected(const char* point, CUresult* result);
void set_fault(const std::string& point, uint64_t n, CUresult result);
void set_fail_all_allocations();
void clear_faults();
bool fail_all_allocations();

// report.cpp
void object_counts_changed();
void start_report();
void leak(const std::string& what);

}  // namespace emu
