// Launches: blocks over host threads, the warps of a block in turn, barriers.
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "sectors.h"
#include "warp.h"

namespace ptx {

void find(Worker& worker, int lane, uint64_t address, size_t bytes, bool write, Extent& extent) {
    Extent x{};
    std::string why;
    if (!worker.memory->find(address, bytes, write, x, why))
        trouble(Fault::address, lane, "%s of %zu bytes at 0x%llx: %s", write ? "a write" : "a read", bytes, (unsigned long long)address, why.c_str());
    extent = x;
}

void record(Sectors& sectors, uint64_t address, size_t bytes) {
    for (uint64_t s = address >> 5; s <= (address + bytes - 1) >> 5; s++) sectors.add(s);
}

uint64_t clock_now() {
    return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

namespace {

constexpr uint32_t barriers = 16;
constexpr uint32_t epochs = 1 << 14;

struct Barrier {
    uint32_t arrived = 0, expected = 0;
    const Instr* at = nullptr;
};

// Machine runs blocks on one host thread.
class Machine {
public:
    Machine(const Kernel& kernel, const Launch& launch, Memory& memory, bool count);
    std::optional<Fault> block(uint64_t index);
    void collect(Traffic& traffic);

private:
    void rounds();
    void arrive(Runner& warp, uint32_t live);
    void next_epoch();
    [[noreturn]] void deadlock();

    Worker worker{};
    Sectors reads, writes;
    std::vector<Runner> warps;
    size_t shared_bytes;
    Barrier barrier[barriers];
    std::vector<uint32_t> waits;         // per warp: the barrier it waits at
    Runner* current = nullptr;
    uint64_t read_sectors = 0, write_sectors = 0;
};

Machine::Machine(const Kernel& kernel, const Launch& launch, Memory& memory, bool count) {
    worker.memory = &memory, worker.launch = &launch, worker.kernel = &kernel;
    worker.extents.resize(kernel.code->module->cached);
    if (count) worker.reads = &reads, worker.writes = &writes;
    shared_bytes = launch.dynamic_shared ? kernel.code->dynamic_base + launch.dynamic_shared : kernel.static_shared;
    worker.shared.resize(shared_bytes + 64);
    uint32_t threads = launch.block.x * launch.block.y * launch.block.z;
    if (launch.check_races && threads > lanes) worker.shadow.resize(shared_bytes / 2 + 1);
    uint32_t n = (threads + lanes - 1) / lanes;
    worker.local.resize(size_t(n) * lanes * kernel.local_bytes + 64, 0xFF);
    auto align = [](std::vector<uint8_t>& v) { return v.data() + (64 - reinterpret_cast<uintptr_t>(v.data()) % 64) % 64; };
    for (uint32_t k = 0; k < n; k++) {
        warps.emplace_back(worker, k, threads);
        Runner& w = warps.back();
        w.shared = align(worker.shared), w.shared_bytes = shared_bytes;
        w.local = align(worker.local) + size_t(k) * lanes * kernel.local_bytes;
    }
    waits.resize(n);
}

void Machine::next_epoch() {
    if (++worker.epoch == epochs) {
        worker.shadow.assign(worker.shadow.size(), 0);
        worker.epoch = 1;
    }
}

void Machine::arrive(Runner& warp, uint32_t live) {
    const Instr& i = *warp.here;
    uint32_t lane = uint32_t(__builtin_ctz(live)), number, count = 0;
    std::memcpy(&number, warp.frame + i.a + lane * 4, 4);
    if (number >= barriers) trouble(Fault::barrier, int(lane), "barrier %u, of %u", number, barriers);
    if (i.b != nowhere) {
        std::memcpy(&count, warp.frame + i.b + lane * 4, 4);
        if (count == 0 || count % lanes || count / lanes > warps.size())
            trouble(Fault::barrier, int(lane), "a barrier for %u threads in a block of %zu warps", count, warps.size());
    } else if (uint32_t gone = warp.dead & ~warp.missing) {
        trouble(Fault::barrier, __builtin_ctz(gone), "threads wait at barrier %u while %d threads of their warp have returned", number, __builtin_popcount(gone));
    }
    Barrier& b = barrier[number];
    uint32_t expected = i.b == nowhere ? uint32_t(warps.size()) : count / lanes;
    if (b.arrived == 0) {
        b.expected = expected, b.at = &i;
    } else {
        if (b.expected != expected) trouble(Fault::barrier, int(lane), "barrier %u for %u warps, while others wait there for %u", number, expected, b.expected);
        if (b.at != &i && i.b == nowhere && !i.relaxed)
            trouble(Fault::barrier, int(lane), "the warp waits at barrier %u here, other warps of the block in line %d: __syncthreads in divergent code", number, b.at->line);
    }
    b.arrived++;
    waits[warp.id] = number;
}

void Machine::deadlock() {
    size_t waiting = 0, done = 0;
    Runner* first = nullptr;
    for (auto& w : warps) {
        waiting += w.state == Runner::waiting, done += w.state == Runner::done;
        if (w.state == Runner::waiting && !first) first = &w;
    }
    current = first;
    trouble(Fault::barrier, __builtin_ctz(~first->dead), "%zu warps of the block wait at a barrier, %zu have returned: nobody comes any more", waiting, done);
}

void Machine::rounds() {
    for (;;) {
        bool ran = false, left = false;
        for (auto& w : warps) {
            if (w.state == Runner::ready) {
                current = &w;
                ran = true;
                if (w.run() == Runner::waiting) arrive(w, ~w.dead);
            }
            left |= w.state != Runner::done;
        }
        if (!left) return;
        bool released = false;
        for (uint32_t k = 0; k < barriers; k++) {
            Barrier& b = barrier[k];
            if (b.arrived == 0 || b.arrived < b.expected) continue;
            for (auto& w : warps)
                if (w.state == Runner::waiting && waits[w.id] == k) w.state = Runner::ready;
            b = {};
            released = true;
            next_epoch();
        }
        if (!ran && !released) deadlock();
    }
}

std::optional<Fault> Machine::block(uint64_t index) {
    const Dim3& grid = worker.launch->grid;
    Dim3 ctaid{uint32_t(index % grid.x), uint32_t(index / grid.x % grid.y), uint32_t(index / grid.x / grid.y)};
    // memory nobody wrote reads as NaN
    if (shared_bytes) std::memset(warps[0].shared, 0xFF, shared_bytes);
    next_epoch();
    for (auto& b : barrier) b = {};
    for (auto& w : warps) w.begin(ctaid);
    current = &warps[0];
    try {
        rounds();
    } catch (const Trouble& t) {
        const Dim3& n = worker.launch->block;
        uint32_t linear = current->first + uint32_t(t.lane);
        Fault fault{t.kind, {}, current->here ? current->here->line : 0, ctaid, {linear % n.x, linear / n.x % n.y, linear / n.x / n.y}};
        char where[256];
        std::snprintf(where, sizeof where, ", line %d of the PTX, block (%u,%u,%u), thread (%u,%u,%u): ", fault.line, ctaid.x, ctaid.y, ctaid.z, fault.thread.x, fault.thread.y, fault.thread.z);
        fault.what = "kernel " + worker.kernel->name + where + t.what;
        return fault;
    }
    if (worker.reads) read_sectors += reads.take(), write_sectors += writes.take();
    return std::nullopt;
}

void Machine::collect(Traffic& traffic) {
    for (auto& w : warps) traffic.instructions += w.instructions;
    traffic.read_bytes += read_sectors * 32, traffic.write_bytes += write_sectors * 32;
}

Fault refuse(const Kernel& kernel, const std::string& what) { return {Fault::launch, "kernel " + kernel.name + ": " + what, 0, {0, 0, 0}, {0, 0, 0}}; }

}  // namespace

std::optional<Fault> run(const Kernel& kernel, const Launch& launch, Memory& memory, Traffic* traffic, int threads) {
    const Dim3 &g = launch.grid, &b = launch.block;
    uint64_t block = uint64_t(b.x) * b.y * b.z, blocks = uint64_t(g.x) * g.y * g.z;
    auto shape = [](const Dim3& d) { return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")"; };
    if (block == 0 || blocks == 0) return refuse(kernel, "an empty launch: grid " + shape(g) + ", block " + shape(b));
    if (block > 1024 || b.x > 1024 || b.y > 1024 || b.z > 64) return refuse(kernel, "a block of " + shape(b) + ", more than 1024 threads");
    if (g.x > 0x7FFFFFFF || g.y > 65535 || g.z > 65535) return refuse(kernel, "a grid of " + shape(g) + " is too large");
    if (int(block) > kernel.max_threads) return refuse(kernel, "a block of " + std::to_string(block) + " threads, compiled for at most " + std::to_string(kernel.max_threads));
    if (kernel.required[0] && (int(b.x) != kernel.required[0] || int(b.y) != kernel.required[1] || int(b.z) != kernel.required[2]))
        return refuse(kernel, "a block of " + shape(b) + ", compiled for another");
    if (kernel.param_bytes && !launch.params) return refuse(kernel, "no parameters");

    std::atomic<uint64_t> next{0}, stop{~uint64_t(0)};
    std::mutex mutex;
    std::optional<Fault> fault;
    uint64_t faulting = ~uint64_t(0);
    // every block below a faulting one is run, so the fault found is always that of the first block
    auto work = [&](Machine& machine, uint64_t most) {
        while (most-- > 0) {
            uint64_t index = next.fetch_add(1);
            if (index >= blocks || index > stop.load()) break;
            if (auto f = machine.block(index)) {
                std::lock_guard lock(mutex);
                if (index < faulting) faulting = index, fault = std::move(f), stop = index;
            }
        }
        };
    auto finish = [&](Machine& machine) {
        if (!traffic) return;
        std::lock_guard lock(mutex);
        machine.collect(*traffic);
    };

    Machine machine(kernel, launch, memory, traffic != nullptr);
    uint64_t start = clock_now();
    work(machine, 1);
    uint64_t each = clock_now() - start;
    std::vector<std::thread> others;
    // a thread costs some 30 us to start
    uint64_t left = blocks - 1;
    if (threads > 1 && each * left > 200000) {
        uint64_t n = std::min<uint64_t>(uint64_t(threads - 1), left);
        for (uint64_t k = 0; k < n; k++)
            others.emplace_back([&] {
                Machine own(kernel, launch, memory, traffic != nullptr);
                work(own, ~uint64_t(0));
                finish(own);
            });
    }
    work(machine, ~uint64_t(0));
    finish(machine);
    for (auto& t : others) t.join();
    return fault;
}

}  // namespace ptx
