// A product is cut into blocks of KC x NC of b and MC x KC of a, which are packed into panels as wide as the register tile;
// the tile kernel then reads both with unit stride. The kernels are written with vector types and compiled for three
// instruction sets; what bounds them is one FMA per accumulator and k.
#include "gemm.h"

#include <algorithm>
#include <vector>

#include "parallel.h"

namespace nn {
namespace {

constexpr int64_t KC = 256, NC = 512, MC = 96;

// The tile kernel: acc[rows][cols] += a panel (depth x rows) * b panel (depth x cols).
using Tile = void (*)(int64_t depth, const float* a, const float* b, float* acc);

// A macro and not a template, because the target attribute does not reach through an inlined template.
#define TILE(name, isa, bytes, rows, vectors)                                          \
    __attribute__((target(isa))) void name(int64_t depth, const float* a, const float* b, float* acc) { \
        typedef float v __attribute__((vector_size(bytes), aligned(4)));               \
        constexpr int lanes = bytes / 4, cols = lanes * vectors;                       \
        v sum[rows][vectors];                                                          \
        for (int r = 0; r < rows; r++)                                                 \
            for (int j = 0; j < vectors; j++) sum[r][j] = *(const v*)(acc + r * cols + j * lanes); \
        for (int64_t k = 0; k < depth; k++, a += rows, b += cols) {                    \
            v line[vectors];                                                           \
            for (int j = 0; j < vectors; j++) line[j] = *(const v*)(b + j * lanes);    \
            for (int r = 0; r < rows; r++)                                             \
                for (int j = 0; j < vectors; j++) sum[r][j] += a[r] * line[j];         \
        }                                                                              \
        for (int r = 0; r < rows; r++)                                                 \
            for (int j = 0; j < vectors; j++) *(v*)(acc + r * cols + j * lanes) = sum[r][j]; \
    }

TILE(tile_avx512, "avx512f,fma", 64, 12, 2)
TILE(tile_avx2, "avx2,fma", 32, 6, 2)
TILE(tile_sse2, "sse2", 16, 4, 2)

struct Kernel {
    Tile tile;
    int rows, cols;
};

const Kernel& kernel() {
    static const Kernel chosen = [] {
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f")) return Kernel{tile_avx512, 12, 32};
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Kernel{tile_avx2, 6, 16};
        return Kernel{tile_sse2, 4, 8};
    }();
    return chosen;
}

// pack lays the panels of [i0, i1) one after the other, each depth x stride.
void pack(const Panel& panel, int64_t k0, int64_t depth, int64_t i0, int64_t i1, int64_t stride, bool backwards, float* dst) {
    for (int64_t i = i0; i < i1; i += stride, dst += depth * stride)
        panel(k0, depth, i, std::min(stride, i1 - i), stride, backwards, dst);
}

}  // namespace

void gemm(int64_t i0, int64_t i1, int64_t j0, int64_t j1, int64_t k, const Panel& a, const Panel& b, bool backwards, float* c, int64_t ldc) {
    const Kernel& tile = kernel();
    for (int64_t i = i0; i < i1; i++) std::fill(c + i * ldc + j0, c + i * ldc + j1, 0.0f);
    thread_local std::vector<float> packed_a, packed_b;
    packed_a.resize(size_t(KC * (MC + tile.rows)));
    packed_b.resize(size_t(KC * (NC + tile.cols)));
    float acc[12 * 32];
    const int64_t blocks = (k + KC - 1) / KC;
    for (int64_t jc = j0; jc < j1; jc += NC) {
        const int64_t je = std::min(jc + NC, j1);
        for (int64_t block = 0; block < blocks; block++) {
            const int64_t kc = (backwards ? blocks - 1 - block : block) * KC, depth = std::min(KC, k - kc);
            pack(b, kc, depth, jc, je, tile.cols, backwards, packed_b.data());
            for (int64_t ic = i0; ic < i1; ic += MC) {
                const int64_t ie = std::min(ic + MC, i1);
                pack(a, kc, depth, ic, ie, tile.rows, backwards, packed_a.data());
                for (int64_t j = jc; j < je; j += tile.cols)
                    for (int64_t i = ic; i < ie; i += tile.rows) {
                        const int64_t h = std::min<int64_t>(tile.rows, ie - i), w = std::min<int64_t>(tile.cols, je - j);
                        std::fill(acc, acc + tile.rows * tile.cols, 0.0f);
                        for (int64_t r = 0; r < h; r++) std::copy_n(c + (i + r) * ldc + j, w, acc + r * tile.cols);
                        tile.tile(depth, packed_a.data() + (i - ic) * depth, packed_b.data() + (j - jc) * depth, acc);
                        for (int64_t r = 0; r < h; r++) std::copy_n(acc + r * tile.cols, w, c + (i + r) * ldc + j);
                    }
            }
        }
    }
}

void gemm_all(int64_t m, int64_t n, int64_t k, const Panel& a, const Panel& b, bool backwards, float* c, int64_t ldc) {
    const Kernel& tile = kernel();
    const int64_t rows = (m + tile.rows - 1) / tile.rows, cols = (n + tile.cols - 1) / tile.cols;
    if (rows >= cols)
        parallel(rows, [&](int64_t begin, int64_t end) {
            gemm(begin * tile.rows, std::min(m, end * tile.rows), 0, n, k, a, b, backwards, c, ldc);
        });
    else
        parallel(cols, [&](int64_t begin, int64_t end) {
            gemm(0, m, begin * tile.cols, std::min(n, end * tile.cols), k, a, b, backwards, c, ldc);
        });
}

Panel strided(const float* p, int64_t kstride, int64_t istride) {
    return [=](int64_t k0, int64_t depth, int64_t i0, int64_t width, int64_t stride, bool backwards, float* dst) {
        for (int64_t k = 0; k < depth; k++) {
            const float* src = p + (k0 + k) * kstride + i0 * istride;
            float* to = dst + (backwards ? depth - 1 - k : k) * stride;
            if (istride == 1)
                std::copy_n(src, width, to);
            else
                for (int64_t i = 0; i < width; i++) to[i] = src[i * istride];
            std::fill(to + width, to + stride, 0.0f);
        }
    };
}

}  // namespace nn
