#include "api.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace nn {
namespace {

thread_local std::string last_error;

std::mutex& handles_lock() {
    static auto* lock = new std::mutex;
    return *lock;
}

std::unordered_set<cudnnHandle_t>& handles() {
    static auto* all = new std::unordered_set<cudnnHandle_t>;
    return *all;
}

cudnnStatus_t status_of(CUresult r) {
    switch (r) {
    case CUDA_SUCCESS: return CUDNN_STATUS_SUCCESS;
    case CUDA_ERROR_INVALID_VALUE: return BAD;
    case CUDA_ERROR_OUT_OF_MEMORY: return CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    default: return CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER;
    }
}

void need_context() {
    CUresult r = emu_context_error();
    const char* name = "";
    if (r != CUDA_SUCCESS) cuGetErrorName(r, &name);
    require(r == CUDA_SUCCESS, CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, "the context cannot be used: %s", name);
}

}  // namespace

std::string format(const char* text, ...) {
    char line[1024];
    va_list args;
    va_start(args, text);
    std::vsnprintf(line, sizeof line, text, args);
    va_end(args);
    return line;
}

cudnnStatus_t refused(const char* function, const Refusal& r) {
    last_error = std::string(function) + ": " + r.text;
    if (std::getenv("FOVEA_EMU_LOG")) std::fprintf(stderr, "emulated cuDNN: %s (%s)\n", last_error.c_str(), cudnnGetErrorString(r.status));
    return r.status;
}

void enter(const char* function) {
    require(!emu_fault(("library_call:" + std::string(function)).c_str()), CUDNN_STATUS_EXECUTION_FAILED, "injected fault");
}

void enter(const char* function, cudnnHandle_t handle) {
    enter(function);
    require(handle, BAD, "handle is NULL");
    bool exists;
    {
        std::lock_guard<std::mutex> hold(handles_lock());
        exists = handles().count(handle) != 0;
    }
    if (!exists) emu_violation("%s: the handle was destroyed, or never created", function);
    require(exists, CUDNN_STATUS_NOT_INITIALIZED, "the handle does not exist");
    need_context();
    CUcontext current = nullptr;
    cuCtxGetCurrent(&current);
    require(current == handle->context, CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, "the handle belongs to another context than the current one");
}

float scalar(const void* p, const char* name) {
    require(p, BAD, "%s is NULL", name);
    require(!emu_is_device(CUdeviceptr(p), sizeof(float)), BAD, "%s is a device pointer, expected host memory", name);
    return *static_cast<const float*>(p);
}

Type type_of(cudnnDataType_t type, const char* name) {
    switch (type) {
    case CUDNN_DATA_FLOAT: return Type::f32;
    case CUDNN_DATA_BFLOAT16: return Type::bf16;
    case CUDNN_DATA_HALF: return Type::f16;
    default: throw Refusal{NOT, format("%s has data type %d; the emulator computes with FLOAT, HALF and BFLOAT16", name, int(type))};
    }
}

std::string text(const Tensor& t) {
    std::string s = "[";
    for (int i = 0; i < t.rank; i++) s += (i ? "," : "") + std::to_string(t.dim[i]);
    s += "] strides [";
    for (int i = 0; i < t.rank; i++) s += (i ? "," : "") + std::to_string(t.stride[i]);
    return s + "]";
}

bool same_dims(const Tensor& a, const Tensor& b) { return a.rank == b.rank && std::equal(a.dim, a.dim + a.rank, b.dim); }

bool same_strides(const Tensor& a, const Tensor& b) { return a.rank == b.rank && std::equal(a.stride, a.stride + a.rank, b.stride); }

// Strides of dimensions of one element say nothing about the layout.
bool packed_nhwc(const Tensor& t) {
    int64_t next = 1;
    for (int i = 0; i < t.rank; i++) {
        int d = i == 0 ? 1 : i == t.rank - 1 ? 0 : t.rank - i;
        if (t.dim[d] > 1 && t.stride[d] != next) return false;
        next *= t.dim[d];
    }
    return true;
}

bool packed_nchw(const Tensor& t) {
    int64_t next = 1;
    for (int d = t.rank - 1; d >= 0; d--) {
        if (t.dim[d] > 1 && t.stride[d] != next) return false;
        next *= t.dim[d];
    }
    return true;
}

int64_t elements(const Tensor& t) {
    int64_t n = 1;
    for (int i = 0; i < t.rank; i++) n *= t.dim[i];
    return n;
}

int64_t elements(const Filter& f) {
    int64_t n = 1;
    for (int i = 0; i < f.rank; i++) n *= f.dim[i];
    return n;
}

int64_t span(const Tensor& t) {
    int64_t n = 1;
    for (int i = 0; i < t.rank; i++) n += int64_t(t.dim[i] - 1) * t.stride[i];
    return n;
}

EmuRange bytes(const void* p, size_t n, bool write) { return {CUdeviceptr(p), p ? n : 0, write}; }

EmuRange range(const void* p, const Tensor& t, bool write, const char* name) {
    require(p, BAD, "%s is NULL", name);
    for (int i = 0; i < t.rank; i++) require(t.stride[i] >= 0, NOT, "%s has a negative stride: %s", name, text(t).c_str());
    const size_t size = size_of(type_of(t.type, name));
    require(CUdeviceptr(p) % size == 0, CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "%s is not aligned to its elements of %zu bytes", name, size);
    return bytes(p, size_t(span(t)) * size, write);
}

EmuRange range(const void* p, const Filter& f, bool write, const char* name) {
    require(p, BAD, "%s is NULL", name);
    const size_t size = size_of(type_of(f.type, name));
    require(CUdeviceptr(p) % size == 0, CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "%s is not aligned to its elements of %zu bytes", name, size);
    return bytes(p, size_t(elements(f)) * size, write);
}

bool overlap(const EmuRange& a, const EmuRange& b) {
    return a.bytes && b.bytes && a.ptr < b.ptr + b.bytes && b.ptr < a.ptr + a.bytes;
}

void enqueue(cudnnHandle_t handle, const char* function, std::vector<EmuRange> touches, Work work) {
    CUresult r = emu_enqueue(
        handle->stream, function,
        [=]() -> CUresult {
            std::vector<void*> host(touches.size(), nullptr);
            for (size_t i = 0; i < touches.size(); i++) {
                if (!touches[i].bytes) continue;
                host[i] = emu_resolve(touches[i].ptr, touches[i].bytes, touches[i].write, function);
                if (!host[i]) return CUDA_ERROR_ILLEGAL_ADDRESS;
            }
            work(host.data());
            return CUDA_SUCCESS;
        },
        touches);
    const char* name = "";
    if (r != CUDA_SUCCESS) cuGetErrorName(r, &name);
    require(r == CUDA_SUCCESS, status_of(r), "could not be queued: %s", name);
}

}  // namespace nn

using namespace nn;

extern "C" {

size_t cudnnGetVersion(void) { return CUDNN_VERSION; }
size_t cudnnGetMaxDeviceVersion(void) { return CUDNN_MAX_DEVICE_VERSION; }
size_t cudnnGetCudartVersion(void) { return CUDA_VERSION; }

cudnnStatus_t cudnnGetProperty(libraryPropertyType type, int* value) {
    return api("cudnnGetProperty", [&] {
        require(value, BAD, "value is NULL");
        switch (type) {
        case MAJOR_VERSION: *value = CUDNN_MAJOR; break;
        case MINOR_VERSION: *value = CUDNN_MINOR; break;
        case PATCH_LEVEL: *value = CUDNN_PATCHLEVEL; break;
        default: throw Refusal{CUDNN_STATUS_INVALID_VALUE, "unknown property"};
        }
    });
}

cudnnStatus_t cudnnGraphVersionCheck(void) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnOpsVersionCheck(void) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnCnnVersionCheck(void) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnAdvVersionCheck(void) { return CUDNN_STATUS_SUCCESS; }

const char* cudnnGetErrorString(cudnnStatus_t status) {
    switch (status) {
#define NAME(s) case s: return #s;
        NAME(CUDNN_STATUS_SUCCESS)
        NAME(CUDNN_STATUS_NOT_INITIALIZED)
        NAME(CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH)
        NAME(CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH)
        NAME(CUDNN_STATUS_DEPRECATED)
        NAME(CUDNN_STATUS_LICENSE_ERROR)
        NAME(CUDNN_STATUS_RUNTIME_IN_PROGRESS)
        NAME(CUDNN_STATUS_RUNTIME_FP_OVERFLOW)
        NAME(CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED)
        NAME(CUDNN_STATUS_BAD_PARAM)
        NAME(CUDNN_STATUS_BAD_PARAM_NULL_POINTER)
        NAME(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER)
        NAME(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT)
        NAME(CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH)
        NAME(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH)
        NAME(CUDNN_STATUS_NOT_SUPPORTED)
        NAME(CUDNN_STATUS_NOT_SUPPORTED_SHAPE)
        NAME(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE)
        NAME(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT)
        NAME(CUDNN_STATUS_INTERNAL_ERROR)
        NAME(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED)
        NAME(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
        NAME(CUDNN_STATUS_EXECUTION_FAILED)
        NAME(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER)
#undef NAME
    default: return "CUDNN_UNKNOWN_STATUS";
    }
}

void cudnnGetLastErrorString(char* message, size_t max_size) {
    if (!message || !max_size) return;
    const size_t n = std::min(max_size - 1, last_error.size());
    std::copy_n(last_error.data(), n, message);
    message[n] = 0;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
    return api("cudnnCreate", [&] {
        require(handle, BAD, "handle is NULL");
        CUcontext current = nullptr;
        require(emu_context_error() == CUDA_SUCCESS && cuCtxGetCurrent(&current) == CUDA_SUCCESS && current, CUDNN_STATUS_NOT_INITIALIZED,
                "no usable context is current on this thread");
        auto* made = new cudnnContext;
        made->context = current;
        std::lock_guard<std::mutex> hold(handles_lock());
        handles().insert(made);
        emu_library_alive("cudnnHandle_t", made);
        *handle = made;
    });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    return api("cudnnDestroy", [&] {
        require(handle, BAD, "handle is NULL");
        size_t erased;
        {
            std::lock_guard<std::mutex> hold(handles_lock());
            erased = handles().erase(handle);
        }
        if (!erased) emu_violation("cudnnDestroy: the handle was destroyed before, or never created");
        require(erased, CUDNN_STATUS_NOT_INITIALIZED, "the handle does not exist");
        emu_library_dead("cudnnHandle_t", handle);
        delete handle;
    });
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    return on_device("cudnnSetStream", handle, [&] {
        require(emu_stream_valid(CUstream(stream)), BAD, "the stream does not exist");
        handle->stream = CUstream(stream);
    });
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
    return on_device("cudnnGetStream", handle, [&] {
        require(stream, BAD, "streamId is NULL");
        *stream = cudaStream_t(handle->stream);
    });
}

}  // extern "C"
