// Injected faults: "the N-th passage of this point from now", once each.
#include "driver.h"

namespace emu {

namespace {
struct Due {
    uint64_t left;
    CUresult result;
};
std::mutex lock;
auto& due = *new std::unordered_map<std::string, Due>;
std::atomic<size_t> armed{0};
std::atomic<bool> all_allocations{false};
}  // namespace

int injected(const char* point, CUresult* result) {
    if (armed == 0) return 0;
    std::lock_guard<std::mutex> hold(lock);
    auto found = due.find(point);
    if (found == due.end() || --found->second.left > 0) return 0;
    if (result) *result = found->second.result;
    due.erase(found);
    armed--;
    return 1;
}

void set_fault(const std::string& point, uint64_t n, CUresult result) {
    std::lock_guard<std::mutex> hold(lock);
    due[point] = Due{n, result};
    armed = due.size();
}

void set_fail_all_allocations() { all_allocations = true; }
bool fail_all_allocations() { return all_allocations; }

void clear_faults() {
    std::lock_guard<std::mutex> hold(lock);
    due.clear();
    armed = 0;
    all_allocations = false;
}

}  // namespace emu

extern "C" int emu_fault(const char* point) {
    std::string_view name = point;
    if (name == "alloc" && emu::fail_all_allocations()) return 1;
    constexpr std::string_view call = "library_call:";
    if (name.substr(0, call.size()) == call) emu_count(("call:" + std::string(name.substr(call.size()))).c_str(), 1);
    return emu::injected(point, nullptr);
}
