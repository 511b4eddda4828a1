// Races: two accesses of overlapping bytes, one of them a write, that neither stream order, events, the legacy
// stream nor a wait of the host puts in order.
#include "driver.h"

#include <algorithm>

namespace emu {

static void report(const Allocation& held, const std::string& name, bool write, const std::string& other, bool other_write,
                   uint64_t begin, uint64_t end, const char* how) {
    emu_violation("race: %s %s bytes [%llu, %llu) of a%s allocation of %llu bytes that %s %s, %s", name.c_str(), write ? "writes" : "reads",
                  static_cast<unsigned long long>(begin - held.base), static_cast<unsigned long long>(end - held.base),
                  held.space == Space::pinned ? " pinned" : "n", static_cast<unsigned long long>(held.size), other.c_str(),
                  other_write ? "writes" : "reads", how);
}

std::vector<Reach> reach_of(const Work& work) {
    std::vector<Reach> reached;
    for (auto& t : work.touches) {
        Held held = find_allocation(t.ptr);
        if (held && held->state != Allocation::freed) reached.push_back({held, t.ptr, t.ptr + t.bytes, t.write, work.name});
    }
    return reached;
}

// prune forgets accesses that come before everything which may still run.
static void prune(Allocation& held) {
    auto known = [&](const Access& a) {
        if (host_clock.of(a.stream) < a.seq) return false;
        for (CUstream s : held.ctx->streams)
            if (!s->queue.empty() && s->queue.front().clock->of(a.stream) < a.seq) return false;
        return true;
    };
    held.accesses.erase(std::remove_if(held.accesses.begin(), held.accesses.end(), known), held.accesses.end());
}

void record_accesses(const std::vector<Reach>& reached, size_t stream, uint64_t seq, const Stamp& clock) {
    for (auto& r : reached) {
        auto& past = r.allocation->accesses;
        for (auto& a : past) {
            if (a.stream == stream || !(a.write || r.write) || a.end <= r.begin || r.end <= a.begin) continue;
            if (clock->of(a.stream) >= a.seq) continue;  // a comes before; what comes after has not run yet
            report(*r.allocation, r.name, r.write, a.name, a.write, std::max(a.begin, r.begin), std::min(a.end, r.end),
                   "in another stream without an order between them");
        }
        // What this access covers, in its own stream, cannot race with anything that it does not race with itself.
        auto covered = [&](const Access& a) {
            return a.stream == stream && a.begin >= r.begin && a.end <= r.end && (r.write || !a.write);
        };
        past.erase(std::remove_if(past.begin(), past.end(), covered), past.end());
        past.push_back({stream, seq, r.begin, r.end, r.write, r.name});
        if (past.size() > 64) prune(*r.allocation);
    }
}

void check_branches(const Program& program, const std::vector<std::vector<Reach>>& reached) {
    std::unordered_map<const Allocation*, std::vector<std::pair<size_t, const Reach*>>> seen;
    for (size_t i = 0; i < reached.size(); i++)
        for (auto& r : reached[i]) {
            auto& past = seen[r.allocation.get()];
            for (auto& [j, a] : past) {
                if (i == j || program.before[i][j] || !(a->write || r.write) || a->end <= r.begin || r.end <= a->begin) continue;
                report(*r.allocation, r.name, r.write, a->name, a->write, std::max(a->begin, r.begin), std::min(a->end, r.end),
                       "in another branch of the same graph");
            }
            past.push_back({i, &r});
        }
}

}  // namespace emu
