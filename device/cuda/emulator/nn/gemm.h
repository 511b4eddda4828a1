// gemm.h: the one matrix product behind cuBLAS, cuBLASLt and the convolutions of cuDNN.
#pragma once

#include <cstdint>
#include <functional>

namespace nn {

// Panel fills dst with a panel of an operand: the elements of k in [k0, k0+depth) and i in [i0, i0+width), element (k, i)
// at dst[slot(k)*stride + i-i0], and zeros for i from i0+width to i0+stride. slot(k) is k-k0, or depth-1-(k-k0) when backwards.
using Panel = std::function<void(int64_t k0, int64_t depth, int64_t i0, int64_t width, int64_t stride, bool backwards, float* dst)>;

// gemm computes c[i*ldc + j] = sum over k of a(k, i) * b(k, j) in float, for i in [i0, i1), j in [j0, j1). It works on the
// calling thread. Each element is summed over k in one order, whatever the ranges: upwards, or downwards if backwards.
void gemm(int64_t i0, int64_t i1, int64_t j0, int64_t j1, int64_t k, const Panel& a, const Panel& b, bool backwards, float* c, int64_t ldc);

// gemm_all is gemm over [0, m) x [0, n) on all threads.
void gemm_all(int64_t m, int64_t n, int64_t k, const Panel& a, const Panel& b, bool backwards, float* c, int64_t ldc);

// strided is the panel of a matrix in memory: element (k, i) at p[k*kstride + i*istride].
Panel strided(const float* p, int64_t kstride, int64_t istride);

}  // namespace nn
