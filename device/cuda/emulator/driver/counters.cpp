// Counters by name, and the commands of emu_control.
#include "driver.h"

#include <cstring>
#include <sstream>

namespace emu {

static std::mutex counters_lock;
static auto& counters = *new std::unordered_map<std::string, unsigned long long>;
static std::atomic<bool> count_bytes{false};

bool counting_bytes() { return count_bytes; }

void expect_violations(uint64_t n);  // report.cpp
void clear_violations();

// result_named finds a status by its name or number, for "fail-call NAME N STATUS".
static bool result_named(const std::string& text, CUresult& result) {
    for (int code = 1; code <= CUDA_ERROR_UNKNOWN; code++) {
        const char* name = nullptr;
        if (cuGetErrorName(static_cast<CUresult>(code), &name) == CUDA_SUCCESS && name &&
            (text == name || text == std::to_string(code))) {
            result = static_cast<CUresult>(code);
            return true;
        }
    }
    return false;
}

static bool number(std::istringstream& in, uint64_t& n) {
    std::string word;
    if (!(in >> word) || word.find_first_not_of("0123456789") != std::string::npos || word.size() > 19) return false;
    n = std::stoull(word);
    return true;
}

static bool control(const std::string& command) {
    std::istringstream in(command);
    std::string verb, name, rest;
    in >> verb;
    uint64_t n = 0;
    auto end = [&] { return !(in >> rest); };
    if (verb == "reset-counters") {
        if (!end()) return false;
        std::lock_guard<std::mutex> hold(counters_lock);
        counters.clear();
        return true;
    }
    if (verb == "fail-alloc") {
        if (!number(in, n) || n < 1 || !end()) return false;
        set_fault("alloc", n, CUDA_ERROR_OUT_OF_MEMORY);
        return true;
    }
    if (verb == "fail-alloc-all") {
        if (!end()) return false;
        set_fail_all_allocations();
        return true;
    }
    if (verb == "fail-launch") {
        if (!number(in, n) || n < 1 || !end()) return false;
        set_fault("launch", n, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
        return true;
    }
    if (verb == "async-error") {
        if (!number(in, n) || n < 1 || !end()) return false;
        set_fault("async", n, CUDA_ERROR_LAUNCH_FAILED);
        return true;
    }
    if (verb == "fail-call") {
        if (!(in >> name) || !number(in, n) || n < 1) return false;
        CUresult result = CUDA_ERROR_UNKNOWN;
        std::string status;
        if (in >> status && !result_named(status, result)) return false;
        if (!end()) return false;
        set_fault("library_call:" + name, n, result);
        return true;
    }
    if (verb == "clear-faults") {
        if (!end()) return false;
        clear_faults();
        return true;
    }
    if (verb == "memory") {
        if (!number(in, n) || !end()) return false;
        std::lock_guard<std::recursive_mutex> hold(big);
        machine.memory = n;
        return true;
    }
    if (verb == "expect-violations") {
        if (!number(in, n) || !end()) return false;
        expect_violations(n);
        return true;
    }
    if (verb == "clear-violations") {
        if (!end()) return false;
        clear_violations();
        return true;
    }
    if (verb == "count-bytes") {
        if (!number(in, n) || n > 1 || !end()) return false;
        count_bytes = n == 1;
        return true;
    }
    return false;
}

}  // namespace emu

using namespace emu;

extern "C" void emu_count(const char* name, unsigned long long by) {
    std::lock_guard<std::mutex> hold(counters_lock);
    counters[name] += by;
}

extern "C" unsigned long long emu_counter(const char* name) {
    std::lock_guard<std::mutex> hold(counters_lock);
    auto found = counters.find(name ? name : "");
    return found == counters.end() ? 0 : found->second;
}

extern "C" int emu_control(const char* command) {
    if (command && control(command)) return 0;
    fprintf(stderr, "emulator: command not understood: %s\n", command ? command : "(null)");
    return -1;
}

extern "C" int emu_threads(void) { return machine.ready ? machine.threads : 1; }
