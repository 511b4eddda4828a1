// Local response normalisation across channels (Krizhevsky et al., 2012): y[c] = x[c] * s[c]^-beta with
// s[c] = k + alpha/n * sum of x[j]^2 over j from c - (n-1)/2 to c + n - 1 - (n-1)/2.
#include <cmath>

#include "walk.h"

using namespace nn;

namespace {

struct Window {
    int64_t behind, ahead;
};

Window window(const Lrn& l) { return {(l.n - 1) / 2, l.n - 1 - (l.n - 1) / 2}; }

void check(const Lrn&, cudnnLRNMode_t mode, const Tensor& x, const Tensor& t, const char* name) {
    require(mode == CUDNN_LRN_CROSS_CHANNEL_DIM1, BAD, "mode %d, expected CUDNN_LRN_CROSS_CHANNEL_DIM1", int(mode));
    require(x.rank > 2, BAD, "%d dimensions, expected at least 3", x.rank);
    require(same_dims(x, t), NOT, "x is %s, %s is %s", text(x).c_str(), name, text(t).c_str());
    require(x.type == t.type, NOT, "%s has data type %d, x has %d", name, int(t.type), int(x.type));
    require(x.rank != 5 || packed_nchw(t), BAD, "%s has 5 dimensions and is not packed NCDHW", name);
}

// scales fills s for all channels of one position.
void scales(const Lrn& l, const std::vector<float>& x, std::vector<double>& s) {
    const Window v = window(l);
    const int64_t channels = int64_t(x.size());
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t j = std::max<int64_t>(0, c - v.behind); j <= std::min(channels - 1, c + v.ahead); j++) sum += double(x[size_t(j)]) * x[size_t(j)];
        s[size_t(c)] = l.k + l.alpha / l.n * sum;
    }
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnLRNCrossChannelForward(cudnnHandle_t handle, cudnnLRNDescriptor_t d, cudnnLRNMode_t mode, const void* alpha, const cudnnTensorDescriptor_t xd,
                                          const void* x, const void* beta, const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnLRNCrossChannelForward";
    return on_device(function, handle, [&] {
        const Lrn l = known(d, "normDesc");
        const Tensor xt = known(xd, "xDesc"), yt = known(yd, "yDesc");
        check(l, mode, xt, yt, "y");
        const Type type = type_of(xt.type, "xDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        enqueue(handle, function, {range(y, yt, true, "y"), range(x, xt, false, "x")}, [=](void* const* host) {
            const Tensor plane = only(xt, ~2u), y_plane = only(yt, ~2u);
            const size_t channels = size_t(xt.dim[1]);
            Walk<2>(plane, {&plane, &y_plane}).spread([&](const Places<2>& at) {
                thread_local std::vector<float> v;
                thread_local std::vector<double> s;
                v.resize(channels), s.resize(channels);
                for (size_t c = 0; c < channels; c++) v[c] = load(host[1], type, at[0] + int64_t(c) * xt.stride[1]);
                scales(l, v, s);
                for (size_t c = 0; c < channels; c++) blend(host[0], type, at[1] + int64_t(c) * yt.stride[1], float(v[c] * std::pow(s[c], -l.beta)), a, b);
            });
        });
    });
}

// dx[i] = dy[i] s[i]^-beta - 2 alpha beta / n x[i] * sum over windows j that hold i of dy[j] y[j] / s[j].
cudnnStatus_t cudnnLRNCrossChannelBackward(cudnnHandle_t handle, cudnnLRNDescriptor_t d, cudnnLRNMode_t mode, const void* alpha,
                                           const cudnnTensorDescriptor_t yd, const void* y, const cudnnTensorDescriptor_t dyd, const void* dy,
                                           const cudnnTensorDescriptor_t xd, const void* x, const void* beta, const cudnnTensorDescriptor_t dxd, void* dx) {
    const char* function = "cudnnLRNCrossChannelBackward";
    return on_device(function, handle, [&] {
        const Lrn l = known(d, "normDesc");
        const Tensor xt = known(xd, "xDesc"), yt = known(yd, "yDesc"), dyt = known(dyd, "dyDesc"), dxt = known(dxd, "dxDesc");
        check(l, mode, xt, yt, "y");
        check(l, mode, xt, dyt, "dy");
        check(l, mode, xt, dxt, "dx");
        const Type type = type_of(xt.type, "xDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        enqueue(handle, function, {range(dx, dxt, true, "dx"), range(x, xt, false, "x"), range(y, yt, false, "y"), range(dy, dyt, false, "dy")},
                [=](void* const* host) {
                    const Tensor x_plane = only(xt, ~2u), y_plane = only(yt, ~2u), dy_plane = only(dyt, ~2u), dx_plane = only(dxt, ~2u);
                    const int64_t channels = xt.dim[1];
                    const Window v = window(l);
                    Walk<4>(x_plane, {&x_plane, &y_plane, &dy_plane, &dx_plane}).spread([&](const Places<4>& at) {
                        thread_local std::vector<float> in, g;
                        thread_local std::vector<double> s, q;
                        in.resize(size_t(channels)), g.resize(size_t(channels)), s.resize(size_t(channels)), q.resize(size_t(channels));
                        for (int64_t c = 0; c < channels; c++) {
                            in[size_t(c)] = load(host[1], type, at[0] + c * xt.stride[1]);
                            g[size_t(c)] = load(host[3], type, at[2] + c * dyt.stride[1]);
                        }
                        scales(l, in, s);
                        for (int64_t c = 0; c < channels; c++)
                            q[size_t(c)] = double(g[size_t(c)]) * load(host[2], type, at[1] + c * yt.stride[1]) / s[size_t(c)];
                        for (int64_t c = 0; c < channels; c++) {
                            double sum = 0;
                            for (int64_t j = std::max<int64_t>(0, c - v.ahead); j <= std::min(channels - 1, c + v.behind); j++) sum += q[size_t(j)];
                            const double r = g[size_t(c)] * std::pow(s[size_t(c)], -l.beta) - 2 * l.alpha * l.beta / l.n * in[size_t(c)] * sum;
                            blend(host[0], type, at[3] + c * dxt.stride[1], float(r), a, b);
                        }
                    });
                });
    });
}

}  // extern "C"
