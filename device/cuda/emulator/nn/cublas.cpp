// libcublas.so.13: the few functions that a program without cuBLASLt needs.
#pragma GCC visibility push(default)
#include <cublas_v2.h>
#pragma GCC visibility pop

#include <mutex>
#include <string>
#include <unordered_set>

#include "matmul.h"

using namespace nn;

struct cublasContext {
    CUcontext context;
    CUstream stream = nullptr;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
};

namespace {

struct Refusal {
    cublasStatus_t status;
};

void require(bool ok, cublasStatus_t status) {
    if (!ok) throw Refusal{status};
}

constexpr cublasStatus_t INVALID = CUBLAS_STATUS_INVALID_VALUE, NOT = CUBLAS_STATUS_NOT_SUPPORTED;

std::mutex& lock() {
    static auto* m = new std::mutex;
    return *m;
}

std::unordered_set<cublasHandle_t>& handles() {
    static auto* all = new std::unordered_set<cublasHandle_t>;
    return *all;
}

template <class F>
cublasStatus_t api(const char* function, cublasHandle_t h, F body) {
    if (emu_fault(("library_call:" + std::string(function)).c_str())) return CUBLAS_STATUS_EXECUTION_FAILED;
    bool exists;
    {
        std::lock_guard<std::mutex> hold(lock());
        exists = handles().count(h) != 0;
    }
    if (!exists) {
        if (h) emu_violation("%s: the handle was destroyed, or never created", function);
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    CUcontext now = nullptr;
    cuCtxGetCurrent(&now);
    if (emu_context_error() != CUDA_SUCCESS || now != h->context) return CUBLAS_STATUS_EXECUTION_FAILED;
    try {
        body();
        return CUBLAS_STATUS_SUCCESS;
    } catch (const Refusal& r) {
        return r.status;
    }
}

Type type_of(cudaDataType t) {
    require(t == CUDA_R_32F || t == CUDA_R_16BF || t == CUDA_R_16F, NOT);
    return t == CUDA_R_32F ? Type::f32 : t == CUDA_R_16BF ? Type::bf16 : Type::f16;
}

float scalar(const void* p) {
    require(p && !emu_is_device(CUdeviceptr(p), 4), INVALID);
    return *static_cast<const float*>(p);
}

struct Gemm {
    const char* function;
    cublasOperation_t transa, transb;
    int m, n, k;
    const void* alpha;
    const void* a;
    Type a_type;
    int lda;
    long long a_stride;
    const void* b;
    Type b_type;
    int ldb;
    long long b_stride;
    const void* beta;
    void* c;
    Type c_type;
    int ldc;
    long long c_stride;
    int batch;
    Math math;
};

void gemm(cublasHandle_t h, const Gemm& g) {
    require(g.m >= 0 && g.n >= 0 && g.k >= 0 && g.batch >= 0, INVALID);
    const auto operation = [](cublasOperation_t t) { return t == CUBLAS_OP_N || t == CUBLAS_OP_T || t == CUBLAS_OP_C; };
    require(operation(g.transa) && operation(g.transb), INVALID);
    const bool ta = g.transa != CUBLAS_OP_N, tb = g.transb != CUBLAS_OP_N;
    require(g.lda >= std::max(1, ta ? g.k : g.m) && g.ldb >= std::max(1, tb ? g.n : g.k) && g.ldc >= std::max(1, g.m), INVALID);
    Product p;
    p.alpha = scalar(g.alpha);
    p.beta = scalar(g.beta);
    p.math = g.math;
    if (!g.m || !g.n || !g.batch) return;
    require(g.c && (!g.k || (g.a && g.b)), INVALID);
    require(CUdeviceptr(g.a) % size_of(g.a_type) == 0 && CUdeviceptr(g.b) % size_of(g.b_type) == 0 && CUdeviceptr(g.c) % size_of(g.c_type) == 0, INVALID);
    p.a = {g.a_type, ta ? g.k : g.m, ta ? g.m : g.k, 1, g.lda};
    p.b = {g.b_type, tb ? g.n : g.k, tb ? g.k : g.n, 1, g.ldb};
    const auto whole = [&](const Matrix& m, long long stride) { return size_t(m.span() + stride * (g.batch - 1)) * size_of(m.type); };
    p.c = p.d = {g.c_type, g.m, g.n, 1, g.ldc};
    std::vector<EmuRange> touches = {{CUdeviceptr(g.c), whole(p.c, g.c_stride), true}, {CUdeviceptr(g.a), whole(p.a, g.a_stride), false}, {CUdeviceptr(g.b), whole(p.b, g.b_stride), false}};
    if (ta) p.a = p.a.transposed();
    if (tb) p.b = p.b.transposed();
    const Gemm call = g;
    CUresult r = emu_enqueue(
        h->stream, g.function,
        [=]() -> CUresult {
            char* host[3] = {};
            for (size_t i = 0; i < 3; i++)
                if (touches[i].bytes && !(host[i] = static_cast<char*>(emu_resolve(touches[i].ptr, touches[i].bytes, touches[i].write, call.function))))
                    return CUDA_ERROR_ILLEGAL_ADDRESS;
            for (int64_t i = 0; i < call.batch; i++) {
                void* c = host[0] + i * call.c_stride * int64_t(size_of(call.c_type));
                run(p, host[1] + i * call.a_stride * int64_t(size_of(call.a_type)), host[2] + i * call.b_stride * int64_t(size_of(call.b_type)), c, c, nullptr);
            }
            return CUDA_SUCCESS;
        },
        touches);
    require(r != CUDA_ERROR_INVALID_VALUE, INVALID);
    require(r == CUDA_SUCCESS, CUBLAS_STATUS_EXECUTION_FAILED);
}

Math math_of(cublasHandle_t h) { return h->math & CUBLAS_TF32_TENSOR_OP_MATH ? Math::tf32 : Math::f32; }

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
    if (emu_fault("library_call:cublasCreate_v2")) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!handle) return INVALID;
    CUcontext current = nullptr;
    if (emu_context_error() != CUDA_SUCCESS || cuCtxGetCurrent(&current) != CUDA_SUCCESS || !current) return CUBLAS_STATUS_NOT_INITIALIZED;
    auto* made = new cublasContext{current};
    std::lock_guard<std::mutex> hold(lock());
    handles().insert(made);
    emu_library_alive("cublasHandle_t", made);
    *handle = made;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    return api("cublasDestroy_v2", handle, [&] {
        {
            std::lock_guard<std::mutex> hold(lock());
            handles().erase(handle);
        }
        emu_library_dead("cublasHandle_t", handle);
        delete handle;
    });
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
    return api("cublasGetVersion_v2", handle, [&] {
        require(version, INVALID);
        *version = CUBLAS_VER_MAJOR * 10000 + CUBLAS_VER_MINOR * 100 + CUBLAS_VER_PATCH;
    });
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    return api("cublasSetStream_v2", handle, [&] {
        require(emu_stream_valid(CUstream(stream)), INVALID);
        handle->stream = CUstream(stream);
    });
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
    return api("cublasGetStream_v2", handle, [&] {
        require(stream, INVALID);
        *stream = cudaStream_t(handle->stream);
    });
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    return api("cublasSetMathMode", handle, [&] {
        const int known = CUBLAS_TENSOR_OP_MATH | CUBLAS_PEDANTIC_MATH | CUBLAS_TF32_TENSOR_OP_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
        require((int(mode) & ~known) == 0, INVALID);
        handle->math = mode;
    });
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
    return api("cublasGetMathMode", handle, [&] {
        require(mode, INVALID);
        *mode = handle->math;
    });
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* space, size_t bytes) {
    return api("cublasSetWorkspace_v2", handle, [&] {
        require(CUdeviceptr(space) % 256 == 0, INVALID);
        require(!space || emu_is_device(CUdeviceptr(space), bytes), INVALID);
    });
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
    return api("cublasSetPointerMode_v2", handle, [&] { require(mode == CUBLAS_POINTER_MODE_HOST, NOT); });
}

cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
    return api("cublasGetPointerMode_v2", handle, [&] {
        require(mode, INVALID);
        *mode = CUBLAS_POINTER_MODE_HOST;
    });
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const float* alpha, const float* a,
                              int lda, const float* b, int ldb, const float* beta, float* c, int ldc) {
    return api("cublasSgemm_v2", handle, [&] {
        gemm(handle, {"cublasSgemm_v2", transa, transb, m, n, k, alpha, a, Type::f32, lda, 0, b, Type::f32, ldb, 0, beta, c, Type::f32, ldc, 0, 1, math_of(handle)});
    });
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const float* alpha,
                                         const float* a, int lda, long long a_stride, const float* b, int ldb, long long b_stride, const float* beta, float* c,
                                         int ldc, long long c_stride, int batch) {
    return api("cublasSgemmStridedBatched", handle, [&] {
        require(a_stride >= 0 && b_stride >= 0 && c_stride >= 0, INVALID);
        gemm(handle, {"cublasSgemmStridedBatched", transa, transb, m, n, k, alpha, a, Type::f32, lda, a_stride, b, Type::f32, ldb, b_stride, beta, c, Type::f32, ldc,
                      c_stride, batch, math_of(handle)});
    });
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const void* alpha, const void* a,
                            cudaDataType a_type, int lda, const void* b, cudaDataType b_type, int ldb, const void* beta, void* c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
    return api("cublasGemmEx", handle, [&] {
        require(a_type == b_type && (c_type == a_type || c_type == CUDA_R_32F), NOT);
        Math math = math_of(handle);
        switch (compute) {
        case CUBLAS_COMPUTE_32F: break;
        case CUBLAS_COMPUTE_32F_PEDANTIC: math = Math::f32; break;
        case CUBLAS_COMPUTE_32F_FAST_TF32: math = Math::tf32; break;
        case CUBLAS_COMPUTE_32F_FAST_16BF: math = Math::bf16; break;
        case CUBLAS_COMPUTE_32F_FAST_16F: math = Math::f16; break;
        default: require(false, NOT);
        }
        require(a_type == CUDA_R_32F || compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_PEDANTIC, NOT);
        if (a_type != CUDA_R_32F) math = Math::f32;
        gemm(handle, {"cublasGemmEx", transa, transb, m, n, k, alpha, a, type_of(a_type), lda, 0, b, type_of(b_type), ldb, 0, beta, c, type_of(c_type), ldc, 0, 1, math});
    });
}

}  // extern "C"
