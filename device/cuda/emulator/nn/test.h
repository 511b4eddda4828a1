// test.h: what the tests of the emulated libraries share: device memory, random numbers, comparisons that say where they failed.
#pragma once

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cudnn.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../emulator.h"
#include "number.h"

namespace test {

inline int failures = 0;
inline std::string row = "";  // what the running row of a table is called

inline void fail(const char* file, int line, const std::string& text) {
    std::fprintf(stderr, "%s:%d: %s: %s\n", file, line, row.c_str(), text.c_str());
    failures++;
}

#define CHECK(ok) ((ok) ? void() : test::fail(__FILE__, __LINE__, #ok))
#define STATUS(want, call)                                                                                             \
    do {                                                                                                               \
        const auto got_ = (call);                                                                                      \
        if (got_ != (want)) test::fail(__FILE__, __LINE__, std::string(#call) + " = " + std::to_string(int(got_)) + ", expected " #want " " + test::why()); \
    } while (0)
#define OK(call) STATUS(0, int(call))

inline std::string why() {
    char text[512] = "";
    cudnnGetLastErrorString(text, sizeof text);
    return text;
}

inline void device() {
    CUdevice d;
    CUcontext c;
    OK(cuInit(0));
    OK(cuDeviceGet(&d, 0));
    OK(cuDevicePrimaryCtxRetain(&c, d));
    OK(cuCtxSetCurrent(c));
}

// done releases the device and answers main's exit code.
inline int done(const char* name) {
    CUdevice d;
    OK(cuDeviceGet(&d, 0));
    OK(cuCtxSetCurrent(nullptr));
    OK(cuDevicePrimaryCtxRelease(d));
    std::printf("%s %s\n", failures ? "FAIL" : "ok  ", name);
    return failures ? 1 : 0;
}

// expect runs body, which must break n rules of the emulator.
inline void expect(int n, const std::function<void()>& body) {
    emu_control(("expect-violations " + std::to_string(n)).c_str());
    const auto before = emu_counter("violations");
    body();
    if (emu_counter("violations") - before != unsigned(n))
        fail(__FILE__, __LINE__, "expected " + std::to_string(n) + " violations, saw " + std::to_string(emu_counter("violations") - before));
}

// Random gives the same numbers everywhere.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
    float next() {  // in [-1, 1)
        state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
        return float(double(state_ >> 11) / double(1ull << 52) - 1);
    }
    std::vector<float> fill(size_t n) {
        std::vector<float> v(n);
        for (float& x : v) x = next();
        return v;
    }

  private:
    uint64_t state_;
};

// Buffer is device memory of n elements of a type.
class Buffer {
  public:
    Buffer(size_t n, nn::Type type = nn::Type::f32) : n_(n), type_(type) { OK(cuMemAlloc(&p_, std::max<size_t>(1, n * nn::size_of(type)))); }
    Buffer(const std::vector<float>& v, nn::Type type = nn::Type::f32) : Buffer(v.size(), type) { put(v); }
    Buffer(const Buffer&) = delete;
    ~Buffer() { OK(cuMemFree(p_)); }

    void* p() const { return reinterpret_cast<void*>(p_); }
    void* at(size_t bytes) const { return reinterpret_cast<void*>(p_ + bytes); }

    void put(const std::vector<float>& v) {
        std::vector<char> raw(n_ * nn::size_of(type_));
        for (size_t i = 0; i < n_; i++) nn::store(raw.data(), type_, int64_t(i), v[i]);
        OK(cuMemcpyHtoD(p_, raw.data(), raw.size()));
    }

    std::vector<float> get() const {
        std::vector<char> raw(n_ * nn::size_of(type_));
        OK(cuMemcpyDtoH(raw.data(), p_, raw.size()));
        std::vector<float> v(n_);
        for (size_t i = 0; i < n_; i++) v[i] = nn::load(raw.data(), type_, int64_t(i));
        return v;
    }

  private:
    CUdeviceptr p_ = 0;
    size_t n_;
    nn::Type type_;
};

// near compares by relative error in norm, and names the element that is farthest off.
inline void near(const std::vector<float>& got, const std::vector<double>& want, double tolerance, const char* what) {
    double error = 0, norm = 0, worst = -1;
    size_t where = 0;
    if (got.size() != want.size()) return fail(__FILE__, __LINE__, std::string(what) + ": " + std::to_string(got.size()) + " elements, expected " + std::to_string(want.size()));
    for (size_t i = 0; i < got.size(); i++) {
        const double d = std::isnan(got[i]) == std::isnan(want[i]) ? (std::isnan(got[i]) ? 0 : std::fabs(got[i] - want[i])) : INFINITY;
        error += d * d;
        if (!std::isnan(want[i])) norm += want[i] * want[i];
        if (d > worst) worst = d, where = i;
    }
    if (!(std::sqrt(error) <= tolerance * std::sqrt(norm) + 1e-30))
        fail(__FILE__, __LINE__, std::string(what) + ": relative error " + std::to_string(std::sqrt(error / (norm + 1e-30))) + ", worst at " + std::to_string(where) + ": got " +
                                     std::to_string(got[where]) + ", expected " + std::to_string(want[where]));
}

inline bool same(const std::vector<float>& a, const std::vector<float>& b) { return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size() * sizeof(float)); }

inline cudnnDataType_t cudnn_type(nn::Type t) { return t == nn::Type::f32 ? CUDNN_DATA_FLOAT : t == nn::Type::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF; }

inline float stored(float x, nn::Type t) {
    float one[1];
    nn::store(one, t, 0, x);
    return nn::load(one, t, 0);
}

// Layout is a 4-D tensor in one of three layouts: NCHW, NHWC, and one with gaps and another order.
struct Layout {
    int n, c, h, w, ns, cs, hs, ws;

    size_t span() const { return size_t(n - 1) * ns + size_t(c - 1) * cs + size_t(h - 1) * hs + size_t(w - 1) * ws + 1; }
    size_t at(int in, int ic, int ih, int iw) const { return size_t(in) * ns + size_t(ic) * cs + size_t(ih) * hs + size_t(iw) * ws; }
};

inline Layout layout(char kind, int n, int c, int h, int w) {
    switch (kind) {
    case 'h': return {n, c, h, w, c * h * w, 1, w * c, c};               // NHWC
    case 'g': return {n, c, h, w, 3 + h * 2 * (w + 1) * c, 2, 2 * (w + 1) * c, 2 * c};  // NHWC with gaps
    default: return {n, c, h, w, c * h * w, h * w, w, 1};
    }
}

// Tensor is a descriptor with memory; values outside of the tensor's elements are guards.
struct Tensor {
    Layout l;
    nn::Type type;
    cudnnTensorDescriptor_t d;
    std::vector<float> start;
    Buffer memory;

    Tensor(Layout layout, nn::Type t, Random& random) : l(layout), type(t), start(random.fill(layout.span())), memory(start.size(), t) {
        for (float& x : start) x = stored(x, t);
        memory.put(start);
        OK(cudnnCreateTensorDescriptor(&d));
        OK(cudnnSetTensor4dDescriptorEx(d, cudnn_type(t), l.n, l.c, l.h, l.w, l.ns, l.cs, l.hs, l.ws));
    }
    Tensor(const Tensor&) = delete;
    ~Tensor() { OK(cudnnDestroyTensorDescriptor(d)); }

    void* p() const { return memory.p(); }
    float at(int n, int c, int h, int w) const { return start[l.at(n, c, h, w)]; }

    // whole is start as double, to be changed where a result is expected.
    std::vector<double> whole() const { return {start.begin(), start.end()}; }
};

// each visits all elements of a tensor.
template <class F>
void each(const Layout& l, F visit) {
    for (int n = 0; n < l.n; n++)
        for (int c = 0; c < l.c; c++)
            for (int h = 0; h < l.h; h++)
                for (int w = 0; w < l.w; w++) visit(n, c, h, w);
}

}  // namespace test
