// The kernels of the driver's tests. kernels.ptx is made from it, once, by
//   nvcc -O3 -ptx -arch=compute_75 -o kernels.ptx kernels.cu      (CUDA 13.0)
extern "C" __global__ void add_f32(const float *a, const float *b, float *c, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

// scale_f32 has no bounds check: it runs over the end if the grid is too large.
extern "C" __global__ void scale_f32(float *a, float by) { a[blockIdx.x * blockDim.x + threadIdx.x] *= by; }

extern "C" __global__ void fill_f32(float *a, float value) { a[blockIdx.x * blockDim.x + threadIdx.x] = value; }

// sum_f32 adds n values with one block; dynamic shared memory of one float per thread.
extern "C" __global__ void sum_f32(const float *a, float *out, int n) {
    extern __shared__ float part[];
    float t = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) t += a[i];
    part[threadIdx.x] = t;
    __syncthreads();
    for (int k = blockDim.x / 2; k; k /= 2) {
        if (threadIdx.x < k) part[threadIdx.x] += part[threadIdx.x + k];
        __syncthreads();
    }
    if (threadIdx.x == 0) *out = part[0];
}

// reverse_racy lacks the barrier between writing and reading shared memory.
extern "C" __global__ void reverse_racy(float *a) {
    __shared__ float part[128];
    part[threadIdx.x] = a[threadIdx.x];
    a[threadIdx.x] = part[127 - threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(64) bounded(float *a) { a[threadIdx.x] = 1; }

extern "C" __global__ void load_vector(const float4 *a, float4 *b) { b[threadIdx.x] = a[threadIdx.x]; }

extern "C" __global__ void stop(void) { __trap(); }

__constant__ float factor = 3;
__device__ float total = 5;
extern "C" __global__ void use_variables(float *out) { *out = factor * total; }
