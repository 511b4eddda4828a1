// Kernels of the kinds that Fovea has, for the emulator's own tests. gen_kernels.ptx is made of it:
// nvcc -ptx -O3 -arch=compute_90 -o gen_kernels.ptx kernels.cu
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

extern "C" {

__global__ void axpy(int n, float a, const float* x, float* y) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = a * x[i] + y[i];
}

__global__ void relu4(int n, const float4* x, float4* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 v = x[i];
    y[i] = make_float4(fmaxf(v.x, 0), fmaxf(v.y, 0), fmaxf(v.z, 0), fmaxf(v.w, 0));
}

__global__ void sum(int n, const float* x, float* partial) {
    __shared__ float warps[32];
    float s = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) s += x[i];
    for (int d = 16; d > 0; d >>= 1) s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x < 32) {
        s = threadIdx.x < blockDim.x / 32 ? warps[threadIdx.x] : 0;
        for (int d = 16; d > 0; d >>= 1) s += __shfl_down_sync(~0u, s, d);
        if (threadIdx.x == 0) partial[blockIdx.x] = s;
    }
}

// the same through a tree in shared memory
__global__ void sum_tree(int n, const float* x, float* partial) {
    extern __shared__ float tree[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    tree[threadIdx.x] = i < n ? x[i] : 0;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2) {
        if (threadIdx.x < d) tree[threadIdx.x] += tree[threadIdx.x + d];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = tree[0];
}

// sum_tree without its last barrier
__global__ void sum_broken(int n, const float* x, float* partial) {
    extern __shared__ float tree[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    tree[threadIdx.x] = i < n ? x[i] : 0;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2)
        if (threadIdx.x < d) tree[threadIdx.x] += tree[threadIdx.x + d];
    if (threadIdx.x == 0) partial[blockIdx.x] = tree[0];
}

// one block per row
__global__ void softmax(int n, const float* x, float* y) {
    extern __shared__ float scratch[];
    x += blockIdx.x * n, y += blockIdx.x * n;
    float m = -INFINITY;
    for (int i = threadIdx.x; i < n; i += blockDim.x) m = fmaxf(m, x[i]);
    scratch[threadIdx.x] = m;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2) {
        if (threadIdx.x < d) scratch[threadIdx.x] = fmaxf(scratch[threadIdx.x], scratch[threadIdx.x + d]);
        __syncthreads();
    }
    m = scratch[0];
    __syncthreads();
    float s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += expf(x[i] - m);
    scratch[threadIdx.x] = s;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2) {
        if (threadIdx.x < d) scratch[threadIdx.x] += scratch[threadIdx.x + d];
        __syncthreads();
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = expf(x[i] - m) / scratch[0];
}

__global__ void philox(int n, uint32_t k0, uint32_t k1, uint4* out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    uint32_t c0 = i, c1 = 0, c2 = 7, c3 = 0;
    for (int r = 0; r < 10; r++) {
        uint32_t h0 = __umulhi(0xD2511F53, c0), l0 = 0xD2511F53 * c0, h1 = __umulhi(0xCD9E8D57, c2), l1 = 0xCD9E8D57 * c2;
        c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0;
        k0 += 0x9E3779B9, k1 += 0xBB67AE85;
    }
    out[i] = make_uint4(c0, c1, c2, c3);
}

__global__ void adam(int n, float rate, float b1, float b2, float epsilon, float c1, float c2, const float* g, float* m, float* v, float* p) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = m[i] = b1 * m[i] + (1 - b1) * g[i];
    float b = v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
    p[i] -= rate * (a / c1) / (sqrtf(b / c2) + epsilon);
}

__global__ void transpose(int rows, int columns, const float* x, float* y) {
    __shared__ float tile[32][33];
    int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32;
    for (int k = threadIdx.y; k < 32; k += 8)
        if (r + k < rows && c < columns) tile[k][threadIdx.x] = x[(r + k) * columns + c];
    __syncthreads();
    c = blockIdx.x * 32, r = blockIdx.y * 32 + threadIdx.x;
    for (int k = threadIdx.y; k < 32; k += 8)
        if (c + k < columns && r < rows) y[(c + k) * rows + r] = tile[threadIdx.x][k];
}

__global__ void functions(int n, const float* x, float* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i], *o = y + i * 10;
    o[0] = powf(fabsf(v), 1.7f), o[1] = expf(v), o[2] = logf(fabsf(v)), o[3] = tanhf(v), o[4] = sinf(v), o[5] = cosf(v * 1e6f), o[6] = rsqrtf(fabsf(v)), o[7] = erff(v), o[8] = log1pf(fabsf(v)), o[9] = fmodf(v, 0.3f);
}

__global__ void functions64(int n, const double* x, double* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i], *o = y + i * 6;
    o[0] = pow(fabs(v), 1.7), o[1] = exp(v), o[2] = log(fabs(v)), o[3] = sin(v), o[4] = v / (v * v + 1), o[5] = sqrt(fabs(v));
}

__global__ void brain(int n, const __nv_bfloat16* x, const __nv_bfloat162* w, __nv_bfloat16* y, __nv_bfloat162* z) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    y[i] = __float2bfloat16(__bfloat162float(x[i]) * 1.5f + 0.25f);
    z[i] = __hfma2(w[i], w[i], __float2bfloat162_rn(0.5f));
}

__global__ void half_(int n, const __half* x, __half* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    y[i] = __hadd(__hmul(x[i], __float2half(3.0f)), hexp(x[i])) > __float2half(2.0f) ? __hneg(x[i]) : __float2half(__half2float(x[i]) / 3);
}

__global__ void argmax(int rows, int columns, const float* x, int* y) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    float best = -INFINITY;
    int at = 0;
    for (int c = lane; c < columns; c += 32)
        if (x[row * columns + c] > best) best = x[row * columns + c], at = c;
    for (int d = 16; d > 0; d >>= 1) {
        float b = __shfl_down_sync(~0u, best, d);
        int a = __shfl_down_sync(~0u, at, d);
        if (b > best || (b == best && a < at)) best = b, at = a;
    }
    if (lane == 0) y[row] = at;
}

__constant__ int weights[4] = {1, 10, 100, 1000};
__device__ unsigned long long total;

__device__ __noinline__ int weigh(int x, int k) { return k > 2 ? x / 3 : x * weights[k]; }

__global__ void histogram(int n, const int* x, int* bins) {
    __shared__ int local[16];
    if (threadIdx.x < 16) local[threadIdx.x] = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicAdd(&local[x[i] & 15], 1);
        int v = weigh(x[i], x[i] & 3);
        switch (x[i] & 7) {
        case 0: v += 5; break;
        case 1: v *= 3; break;
        case 3: v ^= 77; break;
        case 4: v -= x[i] % 7; break;
        case 6: v = __popc(v) + __clz(v) + __brev(v) % 11; break;
        }
        atomicAdd(&total, (unsigned long long)(v & 0xFFFF));
    }
    __syncthreads();
    if (threadIdx.x < 16) atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
}

}
