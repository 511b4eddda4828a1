// Batch normalisation, forward and backward, against plain double loops.
#include "test.h"

using namespace test;

namespace {

constexpr auto F32 = nn::Type::f32, BF16 = nn::Type::bf16, F16 = nn::Type::f16;
constexpr auto PER = CUDNN_BATCHNORM_PER_ACTIVATION;
constexpr auto SPATIAL = CUDNN_BATCHNORM_SPATIAL, PERSISTENT = CUDNN_BATCHNORM_SPATIAL_PERSISTENT;
const float one = 1, zero = 0;

struct Row {
    const char* name;
    int n, c, h, w;
    char x_layout, y_layout;
    cudnnBatchNormMode_t mode;
    nn::Type type;
    double factor, epsilon;
    float alpha, beta;
    bool saved, running, ex;
    cudnnBatchNormOps_t ops;
};

constexpr auto BN = CUDNN_BATCHNORM_OPS_BN, ACT = CUDNN_BATCHNORM_OPS_BN_ACTIVATION, ADD = CUDNN_BATCHNORM_OPS_BN_ADD_ACTIVATION;

const Row rows[] = {
    {"spatial NHWC", 3, 5, 4, 7, 'h', 'h', SPATIAL, F32, 0.1, 1e-5, 1, 0, true, true, false, BN},
    {"spatial NCHW", 3, 5, 4, 7, 'c', 'c', SPATIAL, F32, 1, 1e-5, 1, 0, true, true, false, BN},
    {"NCHW to NHWC", 2, 5, 4, 3, 'c', 'h', SPATIAL, F32, 0.3, 1e-3, 1, 0, true, false, false, BN},
    {"gaps", 2, 5, 4, 3, 'g', 'g', SPATIAL, F32, 0.3, 1e-3, 1, 0, false, true, false, BN},
    {"one channel", 4, 1, 5, 5, 'h', 'h', PERSISTENT, F32, 0.1, 1e-5, 1, 0, true, true, false, BN},
    {"one value", 1, 3, 1, 1, 'h', 'h', SPATIAL, F32, 0.1, 1e-5, 1, 0, true, true, false, BN},
    {"per activation", 5, 3, 2, 4, 'c', 'c', PER, F32, 0.1, 1e-5, 1, 0, true, true, false, BN},
    {"per activation NHWC", 5, 3, 2, 4, 'h', 'h', PER, F32, 0.1, 1e-5, 1, 0, true, true, false, BN},
    {"alpha and beta", 3, 4, 3, 3, 'h', 'h', SPATIAL, F32, 0.1, 1e-5, -0.5f, 2, true, true, false, BN},
    {"bf16", 3, 5, 4, 7, 'h', 'h', PERSISTENT, BF16, 0.1, 1e-5, 1, 0, true, true, false, BN},
    {"Ex", 3, 8, 4, 5, 'h', 'h', PERSISTENT, F32, 0.1, 1e-5, 1, 0, true, true, true, BN},
    {"Ex NCHW", 3, 6, 4, 5, 'c', 'c', SPATIAL, F32, 0.1, 1e-5, 1, 0, true, true, true, BN},
    {"Ex activation", 3, 8, 4, 5, 'h', 'h', PERSISTENT, F16, 0.1, 1e-5, 1, 0, true, true, true, ACT},
    {"Ex add activation", 3, 8, 4, 5, 'h', 'h', PERSISTENT, F16, 0.1, 1e-5, 1, 0, true, true, true, ADD},
};

int feature(const Row& r, int c, int h, int w) { return r.mode == PER ? (c * r.h + h) * r.w + w : c; }

struct Parameters {
    cudnnTensorDescriptor_t d;
    size_t n;

    Parameters(const Row& r, cudnnTensorDescriptor_t x) : n(size_t(r.mode == PER ? r.c * r.h * r.w : r.c)) {
        OK(cudnnCreateTensorDescriptor(&d));
        OK(cudnnDeriveBNTensorDescriptor(d, x, r.mode));
    }
    Parameters(const Parameters&) = delete;
    ~Parameters() { OK(cudnnDestroyTensorDescriptor(d)); }
};

void check(const Row& r) {
    test::row = r.name;
    Random random(5);
    cudnnHandle_t handle;
    OK(cudnnCreate(&handle));
    cudnnActivationDescriptor_t act;
    OK(cudnnCreateActivationDescriptor(&act));
    OK(cudnnSetActivationDescriptor(act, CUDNN_ACTIVATION_RELU, CUDNN_NOT_PROPAGATE_NAN, 0));
    Tensor x(layout(r.x_layout, r.n, r.c, r.h, r.w), r.type, random), y(layout(r.y_layout, r.n, r.c, r.h, r.w), r.type, random), z(x.l, r.type, random);
    Parameters p(r, x.d);
    const auto scale = random.fill(p.n), bias = random.fill(p.n), old_mean = random.fill(p.n), old_variance = random.fill(p.n);
    const size_t features = p.n;
    const double count = double(r.n) * (r.mode == PER ? 1 : r.h * r.w);
    std::vector<double> mean(features), variance(features), inverse(features);
    each(x.l, [&](int n, int c, int h, int w) { mean[size_t(feature(r, c, h, w))] += x.at(n, c, h, w) / count; });
    each(x.l, [&](int n, int c, int h, int w) {
        const size_t f = size_t(feature(r, c, h, w));
        variance[f] += (x.at(n, c, h, w) - mean[f]) * (x.at(n, c, h, w) - mean[f]) / count;
    });
    for (size_t f = 0; f < features; f++) inverse[f] = 1 / std::sqrt(variance[f] + r.epsilon);
    const bool relu = r.ops != BN, add = r.ops == ADD;
    std::vector<double> want = y.whole(), run_mean(features), run_variance(features);
    std::vector<bool> passed(y.start.size());
    each(x.l, [&](int n, int c, int h, int w) {
        const size_t f = size_t(feature(r, c, h, w)), i = y.l.at(n, c, h, w);
        double v = (x.at(n, c, h, w) - mean[f]) * inverse[f] * scale[f] + bias[f];
        if (add) v += z.at(n, c, h, w);
        passed[i] = !relu || v > 0;
        if (!passed[i]) v = 0;
        want[i] = r.alpha * v + (r.beta ? r.beta * want[i] : 0);
    });
    for (size_t f = 0; f < features; f++) {
        run_mean[f] = old_mean[f] * (1 - r.factor) + mean[f] * r.factor;
        run_variance[f] = old_variance[f] * (1 - r.factor) + variance[f] * (count > 1 ? count / (count - 1) : 1) * r.factor;
    }
    const double tolerance = r.type == BF16 ? 4e-3 : r.type == F16 ? 5e-4 : 1e-6;

    Buffer scale_d(scale), bias_d(bias), mean_d(old_mean), variance_d(old_variance), saved_mean(features), saved_inverse(features);
    void *rm = r.running ? mean_d.p() : nullptr, *rv = r.running ? variance_d.p() : nullptr, *sm = r.saved ? saved_mean.p() : nullptr, *si = r.saved ? saved_inverse.p() : nullptr;
    size_t space_bytes = 0, reserve_bytes = 0;
    if (r.ex) {
        OK(cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(handle, r.mode, r.ops, x.d, z.d, y.d, p.d, act, &space_bytes));
        OK(cudnnGetBatchNormalizationTrainingExReserveSpaceSize(handle, r.mode, r.ops, act, x.d, &reserve_bytes));
        CHECK((space_bytes > 0) == (r.x_layout == 'h'));
        CHECK((reserve_bytes > 0) == relu);
    }
    Buffer space(space_bytes / 4 + 1), reserve(reserve_bytes / 4 + 1);
    if (r.ex) {
        const auto run = [&](size_t space_given, size_t reserve_given) {
            return cudnnBatchNormalizationForwardTrainingEx(handle, r.mode, r.ops, &r.alpha, &r.beta, x.d, x.p(), z.d, z.p(), y.d, y.p(), p.d, scale_d.p(), bias_d.p(), r.factor, rm, rv,
                                                            r.epsilon, sm, si, act, space.p(), space_given, reserve.p(), reserve_given);
        };
        if (space_bytes) STATUS(CUDNN_STATUS_BAD_PARAM, run(space_bytes - 1, reserve_bytes));
        if (reserve_bytes) STATUS(CUDNN_STATUS_BAD_PARAM, run(space_bytes, reserve_bytes - 1));
        OK(run(space_bytes, reserve_bytes));
        if (space_bytes) CHECK(std::isnan(space.get()[0]));
    } else {
        OK(cudnnBatchNormalizationForwardTraining(handle, r.mode, &r.alpha, &r.beta, x.d, x.p(), y.d, y.p(), p.d, scale_d.p(), bias_d.p(), r.factor, rm, rv, r.epsilon, sm, si));
    }
    near(y.memory.get(), want, tolerance, "y");
    near(mean_d.get(), r.running ? run_mean : std::vector<double>(old_mean.begin(), old_mean.end()), 1e-6, "running mean");
    near(variance_d.get(), r.running ? run_variance : std::vector<double>(old_variance.begin(), old_variance.end()), 1e-6, "running variance");
    if (r.saved) near(saved_mean.get(), mean, 1e-6, "saved mean"), near(saved_inverse.get(), inverse, 1e-6, "saved inverse");

    // Backward. dy lies as y does, dx as x does.
    Tensor dy(y.l, r.type, random), dx(x.l, r.type, random), dz(x.l, r.type, random);
    const auto old_scale = random.fill(features), old_bias = random.fill(features);
    std::vector<double> dscale(features), dbias(features), want_dx = dx.whole(), want_dz = dz.whole();
    const auto gradient = [&](int n, int c, int h, int w) { return passed[y.l.at(n, c, h, w)] ? dy.at(n, c, h, w) : 0.0f; };
    each(x.l, [&](int n, int c, int h, int w) {
        const size_t f = size_t(feature(r, c, h, w));
        dbias[f] += gradient(n, c, h, w);
        dscale[f] += gradient(n, c, h, w) * (x.at(n, c, h, w) - mean[f]) * inverse[f];
    });
    each(x.l, [&](int n, int c, int h, int w) {
        const size_t f = size_t(feature(r, c, h, w)), i = x.l.at(n, c, h, w);
        const double normal = (x.at(n, c, h, w) - mean[f]) * inverse[f];
        const double v = scale[f] * inverse[f] * (gradient(n, c, h, w) - dbias[f] / count - normal * dscale[f] / count);
        want_dx[i] = r.alpha * v + (r.beta ? r.beta * want_dx[i] : 0);
        if (add) want_dz[i] = gradient(n, c, h, w);
    });
    const float keep = 0.5f;
    for (size_t f = 0; f < features; f++) dscale[f] += keep * old_scale[f], dbias[f] += keep * old_bias[f];
    Buffer dscale_d(old_scale), dbias_d(old_bias);
    if (r.ex) {
        size_t back_bytes;
        OK(cudnnGetBatchNormalizationBackwardExWorkspaceSize(handle, r.mode, r.ops, x.d, y.d, dy.d, dz.d, dx.d, p.d, act, &back_bytes));
        Buffer back_space(back_bytes / 4 + 1);
        const auto run = [&](const void* y_data, void* reserve_data) {
            return cudnnBatchNormalizationBackwardEx(handle, r.mode, r.ops, &r.alpha, &r.beta, &one, &keep, x.d, x.p(), y.d, y_data, dy.d, dy.p(), dz.d, dz.p(), dx.d, dx.p(), p.d,
                                                     scale_d.p(), bias_d.p(), dscale_d.p(), dbias_d.p(), r.epsilon, sm, si, act, back_space.p(), back_bytes, reserve_data, reserve_bytes);
        };
        OK(run(y.p(), reserve.p()));
        near(dx.memory.get(), want_dx, tolerance, "dx");
        near(dscale_d.get(), dscale, 2e-6, "dscale");
        near(dbias_d.get(), dbias, 2e-6, "dbias");
        if (relu) {
            expect(1, [&] {
                OK(run(x.p(), reserve.p()));  // x is not y
                OK(cuCtxSynchronize());
            });
        }
    } else {
        OK(cudnnBatchNormalizationBackward(handle, r.mode, &r.alpha, &r.beta, &one, &keep, x.d, x.p(), dy.d, dy.p(), dx.d, dx.p(), p.d, scale_d.p(), dscale_d.p(), dbias_d.p(), r.epsilon,
                                           sm, si));
        near(dx.memory.get(), want_dx, tolerance * (count == 1 ? 1e6 : 1), "dx");
        near(dscale_d.get(), dscale, 2e-6, "dscale");
        near(dbias_d.get(), dbias, 2e-6, "dbias");
    }
    if (add) near(dz.memory.get(), want_dz, tolerance, "dz");

    // Inference with the batch's own statistics.
    std::vector<float> m(mean.begin(), mean.end()), v(variance.begin(), variance.end());
    Buffer m_d(m), v_d(v);
    Tensor out(y.l, r.type, random);
    std::vector<double> want_out = out.whole();
    each(x.l, [&](int n, int c, int h, int w) {
        const size_t f = size_t(feature(r, c, h, w)), i = out.l.at(n, c, h, w);
        want_out[i] = r.alpha * ((x.at(n, c, h, w) - m[f]) / std::sqrt(v[f] + r.epsilon) * scale[f] + bias[f]) + (r.beta ? r.beta * want_out[i] : 0);
    });
    OK(cudnnBatchNormalizationForwardInference(handle, r.mode, &r.alpha, &r.beta, x.d, x.p(), out.d, out.p(), p.d, scale_d.p(), bias_d.p(), m_d.p(), v_d.p(), r.epsilon));
    near(out.memory.get(), want_out, tolerance, "inference");
    OK(cudnnDestroyActivationDescriptor(act));
    OK(cudnnDestroy(handle));
}

void refusals() {
    test::row = "refusals";
    Random random(9);
    cudnnHandle_t handle;
    OK(cudnnCreate(&handle));
    Tensor x(layout('h', 2, 8, 3, 3), F32, random), y(x.l, F32, random), small(layout('h', 2, 8, 3, 2), F32, random), half(x.l, F16, random), odd(layout('h', 2, 6, 3, 3), F16, random),
        nchw(layout('c', 2, 8, 3, 3), F16, random), narrow(x.l, BF16, random);
    const Row r = rows[0];
    Parameters p(r, x.d);
    Buffer a(8), b(8), m(8), v(8);
    const auto train = [&](cudnnTensorDescriptor_t yd, cudnnTensorDescriptor_t pd, double epsilon, void* rm, void* rv, void* sm, void* si) {
        return cudnnBatchNormalizationForwardTraining(handle, SPATIAL, &one, &zero, x.d, x.p(), yd, y.p(), pd, a.p(), b.p(), 0.1, rm, rv, epsilon, sm, si);
    };
    OK(train(y.d, p.d, 0, m.p(), v.p(), nullptr, nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, train(y.d, p.d, -1e-9, m.p(), v.p(), nullptr, nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, train(y.d, p.d, 0, m.p(), nullptr, nullptr, nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, train(y.d, p.d, 0, nullptr, nullptr, m.p(), nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, train(small.d, p.d, 0, nullptr, nullptr, nullptr, nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, train(half.d, p.d, 0, nullptr, nullptr, nullptr, nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, train(y.d, y.d, 0, nullptr, nullptr, nullptr, nullptr));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnBatchNormalizationForwardTraining(handle, SPATIAL, &one, &zero, x.d, x.p(), y.d, y.p(), p.d, nullptr, b.p(), 0.1, nullptr, nullptr, 0, nullptr, nullptr));
    cudnnActivationDescriptor_t relu, tanh;
    OK(cudnnCreateActivationDescriptor(&relu));
    OK(cudnnCreateActivationDescriptor(&tanh));
    OK(cudnnSetActivationDescriptor(relu, CUDNN_ACTIVATION_RELU, CUDNN_NOT_PROPAGATE_NAN, 0));
    OK(cudnnSetActivationDescriptor(tanh, CUDNN_ACTIVATION_TANH, CUDNN_NOT_PROPAGATE_NAN, 0));
    const auto fused = [&](const Tensor& t, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops, cudnnActivationDescriptor_t act) {
        size_t size;
        return cudnnGetBatchNormalizationTrainingExReserveSpaceSize(handle, mode, ops, act, t.d, &size);
    };
    OK(fused(half, PERSISTENT, ACT, relu));
    OK(fused(half, PERSISTENT, ADD, relu));
    OK(fused(x, SPATIAL, BN, nullptr));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(x, PERSISTENT, ACT, relu));       // FLOAT
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(narrow, PERSISTENT, ACT, relu));  // BFLOAT16
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(half, SPATIAL, ACT, relu));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(nchw, PERSISTENT, ACT, relu));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(odd, PERSISTENT, ACT, relu));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(half, PERSISTENT, ACT, tanh));
    STATUS(CUDNN_STATUS_BAD_PARAM, fused(half, PERSISTENT, cudnnBatchNormOps_t(7), relu));
    OK(cuCtxSynchronize());
    OK(cudnnDestroyActivationDescriptor(relu));
    OK(cudnnDestroyActivationDescriptor(tanh));
    OK(cudnnDestroy(handle));
}

}  // namespace

int main() {
    device();
    for (const Row& r : rows) check(r);
    refusals();
    return done("nn/test_norm");
}
