// emulator.h is what the emulated driver (libcuda.so.1) offers to the emulated libraries and, through
// emu_control and emu_counter, to tests. Device pointers are not host addresses: only emu_resolve opens them.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <functional>
#include <vector>

#define EMU_EXPORT __attribute__((visibility("default")))

// EmuRange is a range of memory (device or pinned) that a piece of work touches.
struct EmuRange {
    CUdeviceptr ptr;
    size_t bytes;
    bool write;
};

// emu_enqueue puts library work in stream order (s may be 0, the legacy stream, CU_STREAM_LEGACY or
// CU_STREAM_PER_THREAD); nothing runs before something waits for it. The work is captured instead when s is
// capturing, and then runs once per graph launch, so it must not use up what it holds: keep descriptors by
// value. Every range of touches is checked against its allocation now (CUDA_ERROR_INVALID_VALUE and a
// violation when it does not fit) and takes part in race detection; a range of zero bytes is skipped.
// A result of work other than CUDA_SUCCESS becomes the context's sticky error. Counts one library_call.
EMU_EXPORT CUresult emu_enqueue(CUstream s, const char* name, std::function<CUresult()> work,
                                std::vector<EmuRange> touches);

extern "C" {

// emu_resolve gives the host memory behind a device (or pinned) range, or nullptr after recording a sticky
// CUDA_ERROR_ILLEGAL_ADDRESS and a violation which names who. Only for use inside work that is executing;
// what it returns is valid until that work returns. Any thread may call it.
EMU_EXPORT void* emu_resolve(CUdeviceptr p, size_t bytes, int write, const char* who);

// emu_is_device tells whether all of [p, p+bytes) lies in live device memory; it records nothing.
EMU_EXPORT int emu_is_device(CUdeviceptr p, size_t bytes);

// emu_stream_valid tells whether s is a stream that exists (the special handles included).
EMU_EXPORT int emu_stream_valid(CUstream s);

// emu_context_error is the sticky error of the current context, CUDA_ERROR_INVALID_CONTEXT when none is
// current, CUDA_SUCCESS otherwise. A library calls it at the top of each function that needs the device.
EMU_EXPORT CUresult emu_context_error(void);

// emu_violation records a broken rule: printed, counted as "violations", and the process's exit code becomes
// non-zero (unless FOVEA_EMU_STRICT=0 or a test announced it with "expect-violations").
EMU_EXPORT void emu_violation(const char* format, ...) __attribute__((format(printf, 1, 2)));

// emu_fault tells whether an injected fault is due at this point: "alloc", "launch", "async" or
// "library_call:<function>", which counts "call:<function>" too. Each call counts as one passage, so call it exactly
// once per API call.
EMU_EXPORT int emu_fault(const char* point);

// emu_count adds to a counter of any name, which emu_counter then answers.
EMU_EXPORT void emu_count(const char* name, unsigned long long by);

// emu_library_alive and emu_library_dead count handles of the libraries (kind "cudnnHandle_t", ...), so that
// the leak report at exit can name what was never destroyed.
EMU_EXPORT void emu_library_alive(const char* kind, const void* handle);
EMU_EXPORT void emu_library_dead(const char* kind, const void* handle);

// emu_unsupported prints, once per name, that a function (or a mode of it) is not modelled.
EMU_EXPORT void emu_unsupported(const char* name);

// emu_threads is how many host threads may work on one operation (FOVEA_EMU_THREADS).
EMU_EXPORT int emu_threads(void);

// emu_control carries out one command of README.md: 0, or -1 and a line on stderr if it is not understood.
EMU_EXPORT int emu_control(const char* command);

// emu_report writes what an exit now would complain of (unexpected violations, everything not released), one
// line each, and answers how many lines that is. The emulator prints it itself when a process ends through
// exit(); a Go program does not, so its tests ask (package control).
EMU_EXPORT int emu_report(char* text, size_t bytes);

// emu_counter answers a counter of README.md; one that nothing has counted is 0.
EMU_EXPORT unsigned long long emu_counter(const char* name);

}  // extern "C"
