// Pooling: y = alpha * (largest value or mean of each window of x) + beta * y, and its gradient.
#include <atomic>
#include <cmath>
#include <limits>

#include "walk.h"

using namespace nn;

namespace {

struct Pool {
    Pooling d;
    Tensor x, y;
    Type type;

    bool max() const { return d.mode == CUDNN_POOLING_MAX || d.mode == CUDNN_POOLING_MAX_DETERMINISTIC; }
};

Pool pool(const Pooling& d, const Tensor& x, const Tensor& y) {
    require(x.rank == d.rank + 2 && x.rank == y.rank, BAD, "ranks differ: x %d, y %d, pooling %d + 2", x.rank, y.rank, d.rank);
    require(d.rank == 2, NOT, "%d spatial dimensions; the emulator has two-dimensional pooling", d.rank);
    require(x.type == y.type, BAD, "data types differ: x %d, y %d", int(x.type), int(y.type));
    require(x.dim[0] == y.dim[0] && x.dim[1] == y.dim[1], BAD, "x %s and y %s differ in images or channels", text(x).c_str(), text(y).c_str());
    for (int i = 0; i < 2; i++) {
        const int64_t room = int64_t(x.dim[2 + i]) + 2 * d.pad[i] - d.window[i];
        const int64_t want = room < 0 ? 0 : room / d.stride[i] + 1;
        require(d.pad[i] >= 0, BAD, "padding %d, expected at least 0", d.pad[i]);
        require(y.dim[2 + i] == want, BAD, "y is %s, expected %lld along dimension %d", text(y).c_str(), (long long)want, 2 + i);
        if (d.pad[i] >= d.window[i] || (want - 1) * d.stride[i] - d.pad[i] >= x.dim[2 + i])
            emu_violation("pooling: a window of %d with padding %d lies wholly in the padding; what cuDNN answers there is not documented", d.window[i], d.pad[i]);
    }
    return {d, x, y, type_of(x.type, "xDesc")};
}

// Window is the part of x under one output, clipped to x.
struct Window {
    int64_t h0, h1, w0, w1;
    float weight;  // of one value in a mean
};

Window window(const Pool& p, int64_t row, int64_t column) {
    const int64_t h = row * p.d.stride[0] - p.d.pad[0], w = column * p.d.stride[1] - p.d.pad[1];
    Window v{std::max<int64_t>(h, 0), std::min<int64_t>(h + p.d.window[0], p.x.dim[2]), std::max<int64_t>(w, 0), std::min<int64_t>(w + p.d.window[1], p.x.dim[3]), 0};
    v.weight = p.d.mode == CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING ? 1.0f / float(p.d.window[0] * p.d.window[1]) : 1.0f / float((v.h1 - v.h0) * (v.w1 - v.w0));
    return v;
}

// largest is the place of the first largest value, -1 if there is none (only NaN, which do not count).
int64_t largest(const Pool& p, const void* x, const Window& v, int64_t base) {
    int64_t best = -1;
    float value = 0;
    for (int64_t h = v.h0; h < v.h1; h++)
        for (int64_t w = v.w0; w < v.w1; w++) {
            const int64_t i = base + h * p.x.stride[2] + w * p.x.stride[3];
            const float f = load(x, p.type, i);
            if (std::isnan(f)) {
                if (p.d.nan == CUDNN_PROPAGATE_NAN) return i;
            } else if (best < 0 || f > value) {
                best = i, value = f;
            }
        }
    return best;
}

// planes calls visit(n, c) for each image and channel, on all threads.
template <class F>
void planes(const Pool& p, F visit) {
    parallel(int64_t(p.x.dim[0]) * p.x.dim[1], [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) visit(i / p.x.dim[1], i % p.x.dim[1]);
    });
}

int64_t at(const Tensor& t, int64_t n, int64_t c, int64_t h, int64_t w) { return n * t.stride[0] + c * t.stride[1] + h * t.stride[2] + w * t.stride[3]; }

}  // namespace

extern "C" {

cudnnStatus_t cudnnPoolingForward(cudnnHandle_t handle, const cudnnPoolingDescriptor_t d, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x,
                                  const void* beta, const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnPoolingForward";
    return on_device(function, handle, [&] {
        const Pool p = pool(known(d, "poolingDesc"), known(xd, "xDesc"), known(yd, "yDesc"));
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        const EmuRange out = range(y, p.y, true, "y"), in = range(x, p.x, false, "x");
        require(!overlap(out, in), BAD, "y overlaps x");
        enqueue(handle, function, {out, in}, [=](void* const* host) {
            planes(p, [&](int64_t n, int64_t c) {
                const int64_t base = at(p.x, n, c, 0, 0);
                for (int64_t row = 0; row < p.y.dim[2]; row++)
                    for (int64_t column = 0; column < p.y.dim[3]; column++) {
                        const Window v = window(p, row, column);
                        float result = 0;
                        if (p.max()) {
                            const int64_t i = largest(p, host[1], v, base);
                            result = i < 0 ? std::numeric_limits<float>::lowest() : load(host[1], p.type, i);
                        } else {
                            for (int64_t h = v.h0; h < v.h1; h++)
                                for (int64_t w = v.w0; w < v.w1; w++) result += load(host[1], p.type, at(p.x, n, c, h, w));
                            result *= v.weight;
                        }
                        blend(host[0], p.type, at(p.y, n, c, row, column), result, a, b);
                    }
            });
        });
    });
}

cudnnStatus_t cudnnPoolingBackward(cudnnHandle_t handle, const cudnnPoolingDescriptor_t d, const void* alpha, const cudnnTensorDescriptor_t yd, const void* y,
                                   const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnTensorDescriptor_t xd, const void* x, const void* beta,
                                   const cudnnTensorDescriptor_t dxd, void* dx) {
    const char* function = "cudnnPoolingBackward";
    return on_device(function, handle, [&] {
        const Pool p = pool(known(d, "poolingDesc"), known(xd, "xDesc"), known(yd, "yDesc"));
        const Tensor dyt = known(dyd, "dyDesc"), dxt = known(dxd, "dxDesc");
        require(same_dims(p.y, dyt) && same_strides(p.y, dyt), BAD, "y %s and dy %s differ", text(p.y).c_str(), text(dyt).c_str());
        require(same_dims(p.x, dxt) && same_strides(p.x, dxt), BAD, "x %s and dx %s differ", text(p.x).c_str(), text(dxt).c_str());
        require(dyt.type == p.y.type && dxt.type == p.x.type, BAD, "the data types of the four tensors differ");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        const EmuRange out = range(dx, dxt, true, "dx");
        const std::vector<EmuRange> touches = {out, range(y, p.y, false, "y"), range(dy, dyt, false, "dy"), range(x, p.x, false, "x")};
        for (size_t i = 1; i < touches.size(); i++) require(!overlap(out, touches[i]), BAD, "dx overlaps operand %zu", i);
        enqueue(handle, function, touches, [=](void* const* host) {
            // CUDNN_POOLING_MAX adds in an order that changes from run to run.
            static std::atomic<unsigned> runs{0};
            const bool backwards = p.d.mode == CUDNN_POOLING_MAX && __builtin_parity(runs++);
            std::atomic<bool> foreign{false};
            planes(p, [&](int64_t n, int64_t c) {
                const int64_t base = at(p.x, n, c, 0, 0), count = int64_t(p.y.dim[2]) * p.y.dim[3];
                std::vector<float> sums(size_t(p.x.dim[2]) * size_t(p.x.dim[3]));
                for (int64_t k = 0; k < count; k++) {
                    const int64_t i = backwards ? count - 1 - k : k, row = i / p.y.dim[3], column = i % p.y.dim[3];
                    const Window v = window(p, row, column);
                    const float g = load(host[2], p.type, at(p.y, n, c, row, column));
                    if (!p.max()) {
                        for (int64_t h = v.h0; h < v.h1; h++)
                            for (int64_t w = v.w0; w < v.w1; w++) sums[size_t(h * p.x.dim[3] + w)] += g * v.weight;
                        continue;
                    }
                    const int64_t best = largest(p, host[3], v, base);
                    if (best < 0) continue;
                    const float is = load(host[3], p.type, best), was = load(host[1], p.type, at(p.y, n, c, row, column));
                    if (is != was && !(std::isnan(is) && std::isnan(was))) foreign = true;
                    for (int64_t h = v.h0; h < v.h1; h++)
                        for (int64_t w = v.w0; w < v.w1; w++)
                            if (at(p.x, n, c, h, w) == best) sums[size_t(h * p.x.dim[3] + w)] += g;
                }
                for (int64_t h = 0; h < p.x.dim[2]; h++)
                    for (int64_t w = 0; w < p.x.dim[3]; w++) blend(host[0], p.type, at(p.x, n, c, h, w), sums[size_t(h * p.x.dim[3] + w)], a, b);
            });
            if (foreign) emu_violation("%s: y is not what pooling x gives", function);
        });
    });
}

}  // extern "C"
