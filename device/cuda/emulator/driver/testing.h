// testing.h: tests of the emulated driver, each in a process of its own, since what the environment says, sticky errors
// and the report at exit belong to a process.
#pragma once

#include "../emulator.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

struct Test {
    const char* name;
    void (*run)();
    std::vector<std::string> environment = {};  // "NAME=value"
    int code = 0;                               // of the process
    std::string says = {};                      // on stderr, somewhere
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

#define TEST(name, ...)                                                                              \
    static void name();                                                                              \
    static const int name##_listed = (tests().push_back(Test{#name, name, ##__VA_ARGS__}), 0);       \
    static void name()

[[noreturn]] inline void failed(const char* file, int line, const std::string& text) {
    fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
    _exit(99);
}

inline std::string status_text(CUresult r) {
    const char* name = nullptr;
    cuGetErrorName(r, &name);
    return name ? name : "status " + std::to_string(r);
}

#define CHECK(condition) ((condition) ? void() : failed(__FILE__, __LINE__, "not so: " #condition))
#define IS(call, wanted)                                                                                                        \
    do {                                                                                                                        \
        CUresult got_ = (call);                                                                                                 \
        if (got_ != (wanted)) failed(__FILE__, __LINE__, #call " answers " + status_text(got_) + ", wanted " + status_text(wanted)); \
    } while (0)
#define OK(call) IS(call, CUDA_SUCCESS)
#define EQUAL(got, wanted)                                                                                                     \
    do {                                                                                                                       \
        auto got_ = (got);                                                                                                     \
        decltype(got_) wanted_ = (wanted);                                                                                     \
        if (!(got_ == wanted_)) failed(__FILE__, __LINE__, #got " is " + std::to_string(got_) + ", wanted " + std::to_string(wanted_)); \
    } while (0)

inline void control(const char* command) { CHECK(emu_control(command) == 0); }

// Context is a context that is current while it lives.
struct Context {
    CUcontext ctx = nullptr;
    Context() {
        OK(cuInit(0));
        OK(cuCtxCreate(&ctx, nullptr, 0, 0));
    }
    ~Context() { OK(cuCtxDestroy(ctx)); }
};

// Floats is n floats of device memory.
struct Floats {
    CUdeviceptr p = 0;
    size_t n;
    explicit Floats(size_t count, float value = 0) : n(count) {
        OK(cuMemAlloc(&p, n * sizeof(float)));
        unsigned bits;
        memcpy(&bits, &value, sizeof bits);
        OK(cuMemsetD32(p, bits, n));
        OK(cuCtxSynchronize());
    }
    ~Floats() {
        if (p) OK(cuMemFree(p));
    }
    std::vector<float> read() const {
        std::vector<float> host(n);
        OK(cuMemcpyDtoH(host.data(), p, n * sizeof(float)));
        return host;
    }
};

struct Pinned {
    float* p = nullptr;
    explicit Pinned(size_t n, float value = 0) {
        OK(cuMemAllocHost(reinterpret_cast<void**>(&p), n * sizeof(float)));
        for (size_t i = 0; i < n; i++) p[i] = value;
    }
    ~Pinned() { OK(cuMemFreeHost(p)); }
};

struct Stream {
    CUstream s = nullptr;
    explicit Stream(unsigned flags = CU_STREAM_NON_BLOCKING) { OK(cuStreamCreate(&s, flags)); }
    ~Stream() { OK(cuStreamDestroy(s)); }
};

struct Event {
    CUevent e = nullptr;
    explicit Event(unsigned flags = CU_EVENT_DISABLE_TIMING) { OK(cuEventCreate(&e, flags)); }
    ~Event() { OK(cuEventDestroy(e)); }
};

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) failed(__FILE__, __LINE__, "cannot read " + path);
    return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

inline const std::string& kernels_ptx() {
    static const std::string text = read_file("driver/testdata/kernels.ptx");
    return text;
}

struct Module {
    CUmodule m = nullptr;
    Module() { OK(cuModuleLoadData(&m, kernels_ptx().c_str())); }
    ~Module() { OK(cuModuleUnload(m)); }
    CUfunction function(const char* name) {
        CUfunction f = nullptr;
        OK(cuModuleGetFunction(&f, m, name));
        return f;
    }
};

template <class... Args>
CUresult launch(CUfunction f, unsigned grid, unsigned block, CUstream s, unsigned shared, Args... args) {
    void* params[] = {&args..., nullptr};
    return cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, s, params, nullptr);
}

// run_alone executes this program again for one test and answers what was wrong, "" if nothing.
inline std::string run_alone(const Test& t, const char* program) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        for (auto& e : t.environment) putenv(const_cast<char*>(e.c_str()));
        execl(program, program, t.name, static_cast<char*>(nullptr));
        _exit(98);
    }
    close(ends[1]);
    std::string text;
    char block[4096];
    for (ssize_t n; (n = read(ends[0], block, sizeof block)) > 0;) text.append(block, n);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    std::string wrong;
    if (!WIFEXITED(status))
        wrong = "ended by signal " + std::to_string(WTERMSIG(status));
    else if (WEXITSTATUS(status) != t.code)
        wrong = "exit code " + std::to_string(WEXITSTATUS(status)) + ", wanted " + std::to_string(t.code);
    else if (text.find(t.says) == std::string::npos)
        wrong = "stderr does not say: " + t.says;
    return wrong.empty() ? "" : wrong + "\n" + text;
}

int main(int argc, char** argv) {
    if (argc == 2) {
        for (auto& t : tests())
            if (strcmp(t.name, argv[1]) == 0) {
                t.run();
                return 0;
            }
        return 97;
    }
    int bad = 0;
    for (auto& t : tests()) {
        std::string wrong = run_alone(t, argv[0]);
        if (wrong.empty()) continue;
        bad++;
        printf("--- FAIL %s: %s\n", t.name, wrong.c_str());
    }
    printf("%s: %zu tests, %d failed\n", argv[0], tests().size(), bad);
    return bad ? 1 : 0;
}
