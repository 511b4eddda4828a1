// Softmax over all of an image (MODE_INSTANCE) or over the channels of each position (MODE_CHANNEL), plain, with the largest value
// subtracted (ACCURATE), or its logarithm (LOG).
#include <cmath>

#include "walk.h"

using namespace nn;

namespace {

void check(cudnnSoftmaxAlgorithm_t algorithm, cudnnSoftmaxMode_t mode, const Tensor& x) {
    require(algorithm >= CUDNN_SOFTMAX_FAST && algorithm <= CUDNN_SOFTMAX_LOG, BAD, "algorithm %d is unknown", int(algorithm));
    require(mode == CUDNN_SOFTMAX_MODE_INSTANCE || mode == CUDNN_SOFTMAX_MODE_CHANNEL, BAD, "mode %d is unknown", int(mode));
    require(x.rank == 4 || x.rank == 5, BAD, "%d dimensions, expected 4 or 5", x.rank);
}

void match(const Tensor& a, const Tensor& b, const char* name) {
    require(same_dims(a, b), BAD, "%s is %s, expected the dimensions of %s", name, text(b).c_str(), text(a).c_str());
    require(a.type == b.type, BAD, "%s has data type %d, expected %d", name, int(b.type), int(a.type));
}

// Mask of the dimensions that are normalised together.
unsigned together(cudnnSoftmaxMode_t mode) { return mode == CUDNN_SOFTMAX_MODE_CHANNEL ? 2u : ~1u; }

}  // namespace

extern "C" {

cudnnStatus_t cudnnSoftmaxForward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm, cudnnSoftmaxMode_t mode, const void* alpha,
                                  const cudnnTensorDescriptor_t xd, const void* x, const void* beta, const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnSoftmaxForward";
    return on_device(function, handle, [&] {
        const Tensor xt = known(xd, "xDesc"), yt = known(yd, "yDesc");
        check(algorithm, mode, xt);
        match(xt, yt, "yDesc");
        const Type type = type_of(xt.type, "xDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        const unsigned inner = together(mode);
        enqueue(handle, function, {range(y, yt, true, "y"), range(x, xt, false, "x")}, [=](void* const* host) {
            const Tensor outer = only(xt, ~inner), y_outer = only(yt, ~inner), over = only(xt, inner), y_over = only(yt, inner);
            const Walk<2> values(over, {&over, &y_over});
            Walk<2>(outer, {&outer, &y_outer}).spread([&](const Places<2>& at) {
                double largest = -INFINITY, sum = 0;
                if (algorithm == CUDNN_SOFTMAX_FAST)
                    largest = 0;
                else
                    values.run(at, [&](const Places<2>& i) { largest = std::fmax(largest, load(host[1], type, i[0])); });
                values.run(at, [&](const Places<2>& i) { sum += std::exp(load(host[1], type, i[0]) - largest); });
                values.run(at, [&](const Places<2>& i) {
                    const double v = load(host[1], type, i[0]) - largest;
                    blend(host[0], type, i[1], float(algorithm == CUDNN_SOFTMAX_LOG ? v - std::log(sum) : std::exp(v) / sum), a, b);
                });
            });
        });
    });
}

cudnnStatus_t cudnnSoftmaxBackward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm, cudnnSoftmaxMode_t mode, const void* alpha,
                                   const cudnnTensorDescriptor_t yd, const void* y, const cudnnTensorDescriptor_t dyd, const void* dy, const void* beta,
                                   const cudnnTensorDescriptor_t dxd, void* dx) {
    const char* function = "cudnnSoftmaxBackward";
    return on_device(function, handle, [&] {
        const Tensor yt = known(yd, "yDesc"), dyt = known(dyd, "dyDesc"), dxt = known(dxd, "dxDesc");
        check(algorithm, mode, yt);
        match(yt, dyt, "dyDesc");
        match(yt, dxt, "dxDesc");
        require(same_strides(yt, dyt), BAD, "y %s and dy %s have different strides", text(yt).c_str(), text(dyt).c_str());
        const Type type = type_of(yt.type, "yDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        const unsigned inner = together(mode);
        enqueue(handle, function, {range(dx, dxt, true, "dx"), range(y, yt, false, "y"), range(dy, dyt, false, "dy")}, [=](void* const* host) {
            const Tensor outer = only(yt, ~inner), dx_outer = only(dxt, ~inner), over = only(yt, inner), dx_over = only(dxt, inner);
            const Walk<2> values(over, {&over, &dx_over});
            const bool logarithm = algorithm == CUDNN_SOFTMAX_LOG;
            Walk<2>(outer, {&outer, &dx_outer}).spread([&](const Places<2>& at) {
                double sum = 0;
                values.run(at, [&](const Places<2>& i) {
                    const double g = load(host[2], type, i[0]);
                    sum += logarithm ? g : g * load(host[1], type, i[0]);
                });
                values.run(at, [&](const Places<2>& i) {
                    const double g = load(host[2], type, i[0]), v = load(host[1], type, i[0]);
                    blend(host[0], type, i[1], float(logarithm ? g - std::exp(v) * sum : v * (g - sum)), a, b);
                });
            });
        });
    });
}

}  // extern "C"
