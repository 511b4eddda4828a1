// api.h: what every function of the emulated libcudnn.so.9 shares: checks that end in a status and a sentence, descriptors that
// are known to be alive, and work that is queued and never run at call time.
#pragma once

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC visibility push(default)
#include <cudnn.h>
#pragma GCC visibility pop

#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "../emulator.h"
#include "number.h"

// The descriptors. cudnn.h leaves their structs open; every one carries set, false until a Set function succeeded.

struct cudnnContext {
    CUcontext context = nullptr;
    CUstream stream = nullptr;
};

struct cudnnTensorStruct {
    static constexpr const char* kind = "cudnnTensorDescriptor_t";
    bool set = false;
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    int rank = 0;
    int dim[CUDNN_DIM_MAX] = {}, stride[CUDNN_DIM_MAX] = {};
};

struct cudnnFilterStruct {
    static constexpr const char* kind = "cudnnFilterDescriptor_t";
    bool set = false;
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnTensorFormat_t format = CUDNN_TENSOR_NCHW;
    int rank = 0;
    int dim[CUDNN_DIM_MAX] = {};
};

struct cudnnConvolutionStruct {
    static constexpr const char* kind = "cudnnConvolutionDescriptor_t";
    bool set = false;
    int rank = 0;  // spatial dimensions
    int pad[CUDNN_DIM_MAX] = {}, stride[CUDNN_DIM_MAX] = {}, dilation[CUDNN_DIM_MAX] = {};
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnMathType_t math = CUDNN_DEFAULT_MATH;
    cudnnReorderType_t reorder = CUDNN_DEFAULT_REORDER;
    int groups = 1;
};

struct cudnnPoolingStruct {
    static constexpr const char* kind = "cudnnPoolingDescriptor_t";
    bool set = false;
    int rank = 0;
    cudnnPoolingMode_t mode = CUDNN_POOLING_MAX;
    cudnnNanPropagation_t nan = CUDNN_NOT_PROPAGATE_NAN;
    int window[CUDNN_DIM_MAX] = {}, pad[CUDNN_DIM_MAX] = {}, stride[CUDNN_DIM_MAX] = {};
};

struct cudnnActivationStruct {
    static constexpr const char* kind = "cudnnActivationDescriptor_t";
    bool set = false;
    cudnnActivationMode_t mode = CUDNN_ACTIVATION_RELU;
    cudnnNanPropagation_t nan = CUDNN_NOT_PROPAGATE_NAN;
    double coef = 0, swish_beta = 1;
};

// A new LRN descriptor has the values of Krizhevsky's paper.
struct cudnnLRNStruct {
    static constexpr const char* kind = "cudnnLRNDescriptor_t";
    bool set = true;
    unsigned n = 5;
    double alpha = 1e-4, beta = 0.75, k = 2;
};

struct cudnnOpTensorStruct {
    static constexpr const char* kind = "cudnnOpTensorDescriptor_t";
    bool set = false;
    cudnnOpTensorOp_t op = CUDNN_OP_TENSOR_ADD;
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnNanPropagation_t nan = CUDNN_NOT_PROPAGATE_NAN;
};

namespace nn {

using Tensor = cudnnTensorStruct;
using Filter = cudnnFilterStruct;
using Convolution = cudnnConvolutionStruct;
using Pooling = cudnnPoolingStruct;
using Activation = cudnnActivationStruct;
using Lrn = cudnnLRNStruct;
using OpTensor = cudnnOpTensorStruct;

constexpr cudnnStatus_t BAD = CUDNN_STATUS_BAD_PARAM, NOT = CUDNN_STATUS_NOT_SUPPORTED;

// Refusal ends a call: the status goes to the caller, the text to cudnnGetLastErrorString.
struct Refusal {
    cudnnStatus_t status;
    std::string text;
};

std::string format(const char* text, ...) __attribute__((format(printf, 1, 2)));

// require refuses the call unless ok. A macro, so that the text is made only for a refusal.
#define require(ok, status, ...) ((ok) ? void() : throw ::nn::Refusal{status, ::nn::format(__VA_ARGS__)})

// Live knows which descriptors exist, so that one that was destroyed is refused and not read.
template <class T>
class Live {
  public:
    static T* make() {
        T* p = new T;
        {
            std::lock_guard<std::mutex> hold(lock());
            all().insert(p);
        }
        emu_library_alive(T::kind, p);
        return p;
    }
    static bool has(const T* p) {
        std::lock_guard<std::mutex> hold(lock());
        return all().count(p) != 0;
    }
    static void destroy(T* p) {
        {
            std::lock_guard<std::mutex> hold(lock());
            all().erase(p);
        }
        emu_library_dead(T::kind, p);
        delete p;
    }

  private:
    // Never destroyed: a descriptor may be touched while the process exits.
    static std::unordered_set<const T*>& all() {
        static auto* set = new std::unordered_set<const T*>;
        return *set;
    }
    static std::mutex& lock() {
        static auto* mutex = new std::mutex;
        return *mutex;
    }
};

// live is the descriptor behind a handle that may still be set.
template <class T>
T& live(T* p, const char* name) {
    require(p, BAD, "%s is NULL", name);
    if (!Live<T>::has(p)) {
        emu_violation("%s is not a %s that exists (destroyed, or never created)", name, T::kind);
        throw Refusal{BAD, format("%s is not a %s that exists", name, T::kind)};
    }
    return *p;
}

// known is live for a descriptor that must have been set.
template <class T>
const T& known(const T* p, const char* name) {
    const T& d = live(const_cast<T*>(p), name);
    require(d.set, BAD, "%s was created but never set", name);
    return d;
}

cudnnStatus_t refused(const char* function, const Refusal& r);
void enter(const char* function);                        // injected faults
void enter(const char* function, cudnnHandle_t handle);  // and the handle, and the context

// api carries out one function without a handle; on_device one with a handle.
template <class F>
cudnnStatus_t api(const char* function, F body) {
    try {
        enter(function);
        body();
        return CUDNN_STATUS_SUCCESS;
    } catch (const Refusal& r) {
        return refused(function, r);
    }
}

template <class F>
cudnnStatus_t on_device(const char* function, cudnnHandle_t handle, F body) {
    try {
        enter(function, handle);
        body();
        return CUDNN_STATUS_SUCCESS;
    } catch (const Refusal& r) {
        return refused(function, r);
    }
}

template <class T>
cudnnStatus_t create(const char* function, T** out) {
    return api(function, [&] {
        require(out, BAD, "the pointer that receives the descriptor is NULL");
        *out = Live<T>::make();
    });
}

template <class T>
cudnnStatus_t destroy(const char* function, T* p) {
    return api(function, [&] {
        if (p) Live<T>::destroy(&live(p, "the descriptor"));
    });
}

// scalar reads alpha or beta, which the host must own.
float scalar(const void* p, const char* name);

Type type_of(cudnnDataType_t type, const char* name);

// Dimensions and memory.
std::string text(const Tensor& t);
bool same_dims(const Tensor& a, const Tensor& b);
bool same_strides(const Tensor& a, const Tensor& b);
bool packed_nhwc(const Tensor& t);
bool packed_nchw(const Tensor& t);
int64_t elements(const Tensor& t);
int64_t elements(const Filter& f);
int64_t span(const Tensor& t);  // elements from the first to the last

EmuRange range(const void* p, const Tensor& t, bool write, const char* name);
EmuRange range(const void* p, const Filter& f, bool write, const char* name);
EmuRange bytes(const void* p, size_t n, bool write);

bool overlap(const EmuRange& a, const EmuRange& b);

// Work gets the host memory of each range, in order; nullptr where a range has no bytes.
using Work = std::function<void(void* const*)>;

void enqueue(cudnnHandle_t handle, const char* function, std::vector<EmuRange> touches, Work work);

}  // namespace nn
