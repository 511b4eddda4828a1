// Broken rules and what was never released: printed as they are found, summed up when the process ends. Processes
// that end without exit() (every Go program) leave the same text in the file FOVEA_EMU_REPORT/<pid>, which is kept
// current all along; the script `run` looks there.
#include "driver.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace emu {

namespace {
std::mutex lock;  // of everything here
uint64_t unexpected, expected_left;
auto& said = *new std::vector<std::string>;  // the first few unexpected violations
auto& unsupported = *new std::set<std::string>;
auto& library_handles = *new std::map<std::string, std::set<const void*>>;
char* page;  // the shared report file
constexpr size_t page_bytes = 16 << 10;

void say(const char* prefix, const std::string& text) { fprintf(stderr, "emulator: %s%s\n", prefix, text.c_str()); }

void add_violation(const std::string& text) {
    emu_count("violations", 1);
    std::lock_guard<std::mutex> hold(lock);
    if (expected_left > 0) {
        expected_left--;
        say("expected violation: ", text);
        return;
    }
    unexpected++;
    if (said.size() < 20) said.push_back(text);
    say("violation: ", text);
}

// lines needs big for what is alive; lock is taken here.
std::vector<std::string> lines() {
    std::vector<std::string> all;
    {
        std::lock_guard<std::mutex> hold(lock);
        if (unexpected) all.push_back("violations: " + std::to_string(unexpected));
        for (auto& text : said) all.push_back("  " + text);
        if (expected_left) all.push_back("expected violations that did not come: " + std::to_string(expected_left));
        for (auto& [kind, handles] : library_handles)
            if (!handles.empty()) all.push_back("not released: " + kind + ": " + std::to_string(handles.size()));
    }
    memory_leaks(all);
    for (Kind kind : {Kind::context, Kind::stream, Kind::event, Kind::module, Kind::graph, Kind::exec})
        if (size_t n = living(kind)) all.push_back(std::string("not released: ") + kind_name(kind) + ": " + std::to_string(n));
    return all;
}

std::string text_of(const std::vector<std::string>& all) {
    std::string text;
    for (auto& line : all) text += line + "\n";
    return text;
}

bool strict() {
    const char* value = getenv("FOVEA_EMU_STRICT");
    return !value || strcmp(value, "0") != 0;
}

void at_exit(int status, void*) {
    if (!machine.ready) return;
    std::vector<std::string> all = lines();
    if (all.empty()) return;
    fflush(stdout);
    fprintf(stderr, "emulator: at exit:\n%s", text_of(all).c_str());
    fflush(nullptr);
    if (strict() && status == 0) _exit(1);
}

__attribute__((constructor)) void watch_exit() { on_exit(at_exit, nullptr); }
}  // namespace

void expect_violations(uint64_t n) {
    std::lock_guard<std::recursive_mutex> first(big);
    {
        std::lock_guard<std::mutex> hold(lock);
        expected_left = n;
    }
    object_counts_changed();
}

void clear_violations() {
    std::lock_guard<std::recursive_mutex> first(big);
    {
        std::lock_guard<std::mutex> hold(lock);
        expected_left = unexpected = 0;
        said.clear();
    }
    object_counts_changed();
}

void start_report() {
    const char* folder = getenv("FOVEA_EMU_REPORT");
    if (!folder || !*folder) return;
    std::string path = std::string(folder) + "/" + std::to_string(getpid());
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, page_bytes) != 0) {
        perror(("emulator: FOVEA_EMU_REPORT: " + path).c_str());
        if (fd >= 0) close(fd);
        return;
    }
    void* at = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) page = static_cast<char*>(at);
    object_counts_changed();
}

// object_counts_changed writes the file anew; the caller holds big or nothing.
void object_counts_changed() {
    if (!page) return;
    std::lock_guard<std::recursive_mutex> first(big);
    std::string text = text_of(lines());
    size_t n = std::min(text.size(), page_bytes);
    memcpy(page, text.data(), n);
    memset(page + n, '\n', page_bytes - n);
}

}  // namespace emu

using namespace emu;

extern "C" void emu_violation(const char* format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add_violation(text);
    // A thread of a running kernel may not wait for big, which the thread that runs the kernel holds; that thread
    // brings the file up to date when the work ends.
    if (!running || running_thread.load() == std::this_thread::get_id()) object_counts_changed();
}

extern "C" void emu_unsupported(const char* name) {
    std::lock_guard<std::mutex> hold(lock);
    if (unsupported.insert(name).second) say("not modelled: ", name);
}

extern "C" void emu_library_alive(const char* kind, const void* handle) {
    {
        std::lock_guard<std::mutex> hold(lock);
        library_handles[kind].insert(handle);
    }
    object_counts_changed();
}

extern "C" void emu_library_dead(const char* kind, const void* handle) {
    bool known;
    {
        std::lock_guard<std::mutex> hold(lock);
        known = library_handles[kind].erase(handle) > 0;
    }
    if (!known) emu_violation("%s %p destroyed which is not alive", kind, handle);
    object_counts_changed();
}

extern "C" int emu_report(char* text, size_t bytes) {
    std::lock_guard<std::recursive_mutex> first(big);
    std::vector<std::string> all = lines();
    if (text && bytes) snprintf(text, bytes, "%s", text_of(all).c_str());
    return static_cast<int>(all.size());
}
