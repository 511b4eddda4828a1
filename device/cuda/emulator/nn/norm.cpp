// Batch normalisation (Ioffe and Szegedy, 2015): for each channel (spatial modes) or each activation,
// y = scale * (x - mean) / sqrt(variance + epsilon) + bias over a mini-batch, and its gradients.
#include <cmath>

#include "walk.h"

using namespace nn;

namespace {

struct Norm {
    Tensor x, parameters;
    Type type;
    unsigned features;  // mask of the dimensions that each have their own statistics
    int64_t count;      // values under one statistic

    Tensor outer() const { return only(x, features); }
    Tensor inner(const Tensor& t) const { return only(t, ~features); }
};

Norm norm(cudnnBatchNormMode_t mode, const Tensor& x, const Tensor& parameters) {
    require(mode >= CUDNN_BATCHNORM_PER_ACTIVATION && mode <= CUDNN_BATCHNORM_SPATIAL_PERSISTENT, BAD, "mode %d is unknown", int(mode));
    require(x.rank == 4 || x.rank == 5, BAD, "xDesc has %d dimensions, expected 4 or 5", x.rank);
    const unsigned features = mode == CUDNN_BATCHNORM_PER_ACTIVATION ? ~1u : 1u << 1;
    const Tensor want = only(x, features);
    require(same_dims(parameters, want), BAD, "the parameters are %s, expected the dimensions that cudnnDeriveBNTensorDescriptor gives for x %s",
            text(parameters).c_str(), text(x).c_str());
    require(parameters.type == CUDNN_DATA_FLOAT, BAD, "the parameters have data type %d, expected FLOAT", int(parameters.type));
    return {x, parameters, type_of(x.type, "xDesc"), features, elements(x) / elements(want)};
}

// groups calls visit(places of the first value in each tensor, its parameter, width) on all threads; a group is width neighbouring
// channels, which are one step apart in every tensor when they lie so, and one feature otherwise.
constexpr int64_t most = 32;

template <size_t T, class F>
void groups(const Norm& n, const std::array<const Tensor*, T>& tensors, F visit) {
    const bool side_by_side = n.features == 2u && std::all_of(tensors.begin(), tensors.end(), [](const Tensor* t) { return t->stride[1] == 1; });
    if (side_by_side) {
        const int64_t channels = n.x.dim[1];
        parallel((channels + most - 1) / most, [&](int64_t begin, int64_t end) {
            for (int64_t c = begin * most; c < std::min(channels, end * most); c += most) {
                Places<T> start;
                start.fill(c);
                visit(start, c, std::min(most, channels - c));
            }
        });
        return;
    }
    std::array<Tensor, T> parts;
    std::array<const Tensor*, T + 1> all;
    for (size_t t = 0; t < T; t++) parts[t] = only(*tensors[t], n.features), all[t] = &parts[t];
    all[T] = &n.parameters;
    Walk<T + 1>(n.outer(), all).spread([&](const Places<T + 1>& at) {
        Places<T> start;
        std::copy_n(at.begin(), T, start.begin());
        visit(start, at[T], 1);
    });
}

void check_epsilon(double epsilon) { require(epsilon >= CUDNN_BN_MIN_EPSILON, BAD, "epsilon is %g, expected at least %g", epsilon, CUDNN_BN_MIN_EPSILON); }

void both_or_none(const void* a, const void* b, const char* what) { require(!a == !b, BAD, "one of %s is NULL and the other is not", what); }

void match(const Tensor& x, const Tensor& t, const char* name) {
    require(same_dims(x, t), BAD, "%s is %s, x is %s", name, text(t).c_str(), text(x).c_str());
    require(x.type == t.type, BAD, "%s has data type %d, x has %d", name, int(t.type), int(x.type));
}

EmuRange parameter(const void* p, const Norm& n, bool write, const char* name) {
    require(p, BAD, "%s is NULL", name);
    return range(p, n.parameters, write, name);
}

// Fused tells what follows the normalisation inside of one Ex call.
struct Fused {
    bool activation = false, add = false;
};

// The documentation has the fused operations for 4-D NHWC tensors of HALF, SPATIAL_PERSISTENT, a multiple of 4 channels, and ReLU.
Fused fused(cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops, const Tensor& x, const cudnnActivationDescriptor_t activation) {
    require(ops >= CUDNN_BATCHNORM_OPS_BN && ops <= CUDNN_BATCHNORM_OPS_BN_ADD_ACTIVATION, BAD, "bnOps %d is unknown", int(ops));
    if (ops == CUDNN_BATCHNORM_OPS_BN) return {};
    require(mode == CUDNN_BATCHNORM_SPATIAL_PERSISTENT, NOT, "fused operations want SPATIAL_PERSISTENT, the mode is %d", int(mode));
    require(x.rank == 4 && packed_nhwc(x), NOT, "fused operations want packed NHWC tensors, x is %s", text(x).c_str());
    require(x.type == CUDNN_DATA_HALF, NOT, "fused operations want HALF, x has data type %d", int(x.type));
    require(x.dim[1] % 4 == 0, NOT, "fused operations want a multiple of 4 channels, x has %d", x.dim[1]);
    require(known(activation, "activationDesc").mode == CUDNN_ACTIVATION_RELU, NOT, "fused operations want RELU, the activation is %d",
            int(activation->mode));
    return {true, ops == CUDNN_BATCHNORM_OPS_BN_ADD_ACTIVATION};
}

// One byte for each value: 1 where the activation let it through.
size_t reserve_bytes(const Fused& f, const Tensor& x) { return f.activation ? size_t(elements(x)) : 0; }

size_t workspace_bytes(const Tensor& x) { return packed_nhwc(x) ? (size_t(x.dim[1]) * 4 * sizeof(float) + 1024 + 255) / 256 * 256 : 0; }

void check_space(const void* p, size_t given, size_t need, const char* name) {
    require(given >= need, BAD, "%s has %zu bytes, %zu are needed", name, given, need);
    require(!need || p, BAD, "%s is NULL, %zu bytes are needed", name, need);
}

struct Forward {
    cudnnHandle_t handle;
    const char* function;
    cudnnBatchNormMode_t mode;
    cudnnBatchNormOps_t ops;
    const void *alpha, *beta;
    cudnnTensorDescriptor_t xd;
    const void* x;
    cudnnTensorDescriptor_t zd;
    const void* z;
    cudnnTensorDescriptor_t yd;
    void* y;
    cudnnTensorDescriptor_t pd;
    const void *scale, *bias;
    double factor;
    void *running_mean, *running_variance;
    double epsilon;
    void *saved_mean, *saved_inverse;
    cudnnActivationDescriptor_t activation;
    void* space;
    size_t space_bytes;
    void* reserve;
    size_t reserve_bytes;
    bool ex;
};

void train(const Forward& f) {
    const Norm n = norm(f.mode, known(f.xd, "xDesc"), known(f.pd, "bnScaleBiasMeanVarDesc"));
    const Tensor y = known(f.yd, "yDesc");
    match(n.x, y, "yDesc");
    check_epsilon(f.epsilon);
    both_or_none(f.running_mean, f.running_variance, "resultRunningMean and resultRunningVariance");
    both_or_none(f.saved_mean, f.saved_inverse, "resultSaveMean and resultSaveInvVariance");
    const Fused then = f.ex ? fused(f.mode, f.ops, n.x, f.activation) : Fused{};
    const size_t need = f.ex ? workspace_bytes(n.x) : 0, kept = reserve_bytes(then, n.x);
    check_space(f.space, f.space_bytes, need, "workSpace");
    check_space(f.reserve, f.reserve_bytes, kept, "reserveSpace");
    const float alpha = scalar(f.alpha, "alpha"), beta = scalar(f.beta, "beta");
    Tensor z = y;
    if (then.add) match(n.x, z = known(f.zd, "zDesc"), "zDesc");
    std::vector<EmuRange> touches = {
        range(f.y, y, true, "y"),
        range(f.x, n.x, false, "x"),
        parameter(f.scale, n, false, "bnScale"),
        parameter(f.bias, n, false, "bnBias"),
        f.running_mean ? parameter(f.running_mean, n, true, "") : EmuRange{},
        f.running_mean ? parameter(f.running_variance, n, true, "") : EmuRange{},
        f.saved_mean ? parameter(f.saved_mean, n, true, "") : EmuRange{},
        f.saved_mean ? parameter(f.saved_inverse, n, true, "") : EmuRange{},
        then.add ? range(f.z, z, false, "z") : EmuRange{},
        bytes(f.reserve, kept, true),
        bytes(f.space, need, true),
    };
    const double factor = f.factor, epsilon = f.epsilon;
    enqueue(f.handle, f.function, touches, [=](void* const* host) {
        auto *running_mean = static_cast<float*>(host[4]), *running_variance = static_cast<float*>(host[5]);
        auto *saved_mean = static_cast<float*>(host[6]), *saved_inverse = static_cast<float*>(host[7]);
        auto* passed = static_cast<uint8_t*>(host[9]);
        const auto *scale = static_cast<const float*>(host[2]), *bias = static_cast<const float*>(host[3]);
        if (host[10]) std::memset(host[10], 0xff, need);
        const Tensor over_x = n.inner(n.x), over_y = n.inner(y), over_z = n.inner(z);
        const Walk<3> values(over_x, {&over_x, &over_y, &over_z});
        groups<3>(n, {&n.x, &y, &z}, [&](const Places<3>& start, int64_t c, int64_t width) {
            double mean[most] = {}, squares[most] = {}, inverse[most];
            values.run(start, [&](const Places<3>& i) {
                for (int64_t j = 0; j < width; j++) mean[j] += load(host[1], n.type, i[0] + j);
            });
            for (int64_t j = 0; j < width; j++) mean[j] /= double(n.count);
            values.run(start, [&](const Places<3>& i) {
                for (int64_t j = 0; j < width; j++) {
                    const double d = load(host[1], n.type, i[0] + j) - mean[j];
                    squares[j] += d * d;
                }
            });
            for (int64_t j = 0; j < width; j++) {
                const double variance = squares[j] / double(n.count);
                inverse[j] = 1 / std::sqrt(variance + epsilon);
                if (running_mean) {
                    // The running variance is the unbiased one.
                    const double unbiased = n.count > 1 ? squares[j] / double(n.count - 1) : variance;
                    running_mean[c + j] = float(factor == 1 ? mean[j] : running_mean[c + j] * (1 - factor) + mean[j] * factor);
                    running_variance[c + j] = float(factor == 1 ? unbiased : running_variance[c + j] * (1 - factor) + unbiased * factor);
                }
                if (saved_mean) saved_mean[c + j] = float(mean[j]), saved_inverse[c + j] = float(inverse[j]);
            }
            values.run(start, [&](const Places<3>& i) {
                for (int64_t j = 0; j < width; j++) {
                    float v = float((load(host[1], n.type, i[0] + j) - mean[j]) * inverse[j] * scale[c + j] + bias[c + j]);
                    if (then.add) v += load(host[8], n.type, i[2] + j);
                    if (then.activation) {
                        passed[i[0] + j] = v > 0;
                        v = v > 0 ? v : 0;
                    }
                    blend(host[0], n.type, i[1] + j, v, alpha, beta);
                }
            });
        });
        if (host[10]) std::memset(host[10], 0xff, need);
    });
}

struct Backward {
    cudnnHandle_t handle;
    const char* function;
    cudnnBatchNormMode_t mode;
    cudnnBatchNormOps_t ops;
    const void *alpha_data, *beta_data, *alpha_param, *beta_param;
    cudnnTensorDescriptor_t xd;
    const void* x;
    cudnnTensorDescriptor_t yd;
    const void* y;
    cudnnTensorDescriptor_t dyd;
    const void* dy;
    cudnnTensorDescriptor_t dzd;
    void* dz;
    cudnnTensorDescriptor_t dxd;
    void* dx;
    cudnnTensorDescriptor_t pd;
    const void* scale;
    void *dscale, *dbias;
    double epsilon;
    const void *saved_mean, *saved_inverse;
    cudnnActivationDescriptor_t activation;
    void* space;
    size_t space_bytes;
    void* reserve;
    size_t reserve_bytes;
    bool ex;
};

void back(const Backward& b) {
    const Norm n = norm(b.mode, known(b.xd, "xDesc"), known(b.pd, "bnScaleBiasDiffDesc"));
    const Tensor dy = known(b.dyd, "dyDesc"), dx = known(b.dxd, "dxDesc");
    match(n.x, dy, "dyDesc");
    match(n.x, dx, "dxDesc");
    check_epsilon(b.epsilon);
    both_or_none(b.saved_mean, b.saved_inverse, "savedMean and savedInvVariance");
    const Fused then = b.ex ? fused(b.mode, b.ops, n.x, b.activation) : Fused{};
    const size_t need = b.ex ? workspace_bytes(n.x) : 0, kept = reserve_bytes(then, n.x);
    check_space(b.space, b.space_bytes, need, "workSpace");
    check_space(b.reserve, b.reserve_bytes, kept, "reserveSpace");
    Tensor y = n.x, dz = n.x;
    if (then.activation) match(n.x, y = known(b.yd, "yDesc"), "yDesc");
    if (then.add) match(n.x, dz = known(b.dzd, "dzDesc"), "dzDesc");
    const float alpha_data = scalar(b.alpha_data, "alphaDataDiff"), beta_data = scalar(b.beta_data, "betaDataDiff");
    const float alpha_param = scalar(b.alpha_param, "alphaParamDiff"), beta_param = scalar(b.beta_param, "betaParamDiff");
    std::vector<EmuRange> touches = {
        range(b.dx, dx, true, "dx"),
        range(b.x, n.x, false, "x"),
        range(b.dy, dy, false, "dy"),
        parameter(b.scale, n, false, "bnScale"),
        parameter(b.dscale, n, true, "resultBnScaleDiff"),
        parameter(b.dbias, n, true, "resultBnBiasDiff"),
        b.saved_mean ? parameter(b.saved_mean, n, false, "") : EmuRange{},
        b.saved_mean ? parameter(b.saved_inverse, n, false, "") : EmuRange{},
        then.activation ? range(b.y, y, false, "y") : EmuRange{},
        then.add ? range(b.dz, dz, true, "dz") : EmuRange{},
        bytes(b.reserve, kept, false),
        bytes(b.space, need, true),
    };
    const double epsilon = b.epsilon;
    const char* function = b.function;
    enqueue(b.handle, b.function, touches, [=](void* const* host) {
        const auto *scale = static_cast<const float*>(host[3]), *saved_mean = static_cast<const float*>(host[6]), *saved_inverse = static_cast<const float*>(host[7]);
        const auto* passed = static_cast<const uint8_t*>(host[10]);
        if (host[11]) std::memset(host[11], 0xff, need);
        if (then.activation)
            for (int64_t i = 0; i < elements(n.x); i++)
                if (passed[i] != (load(host[8], n.type, i) > 0)) {
                    emu_violation("%s: reserveSpace does not belong to this y", function);
                    break;
                }
        const Tensor over_x = n.inner(n.x), over_dy = n.inner(dy), over_dx = n.inner(dx), over_dz = n.inner(dz);
        const Walk<4> values(over_x, {&over_x, &over_dy, &over_dx, &over_dz});
        const double count = double(n.count);
        groups<4>(n, {&n.x, &dy, &dx, &dz}, [&](const Places<4>& start, int64_t c, int64_t width) {
            const auto gradient = [&](const Places<4>& i, int64_t j) { return passed && !passed[i[0] + j] ? 0.0f : load(host[2], n.type, i[1] + j); };
            double mean[most] = {}, inverse[most] = {}, dbias[most] = {}, dscale[most] = {};
            if (saved_mean) {
                for (int64_t j = 0; j < width; j++) mean[j] = saved_mean[c + j], inverse[j] = saved_inverse[c + j];
            } else {
                values.run(start, [&](const Places<4>& i) {
                    for (int64_t j = 0; j < width; j++) mean[j] += load(host[1], n.type, i[0] + j) / count;
                });
                values.run(start, [&](const Places<4>& i) {
                    for (int64_t j = 0; j < width; j++) {
                        const double d = load(host[1], n.type, i[0] + j) - mean[j];
                        inverse[j] += d * d / count;
                    }
                });
                for (int64_t j = 0; j < width; j++) inverse[j] = 1 / std::sqrt(inverse[j] + epsilon);
            }
            values.run(start, [&](const Places<4>& i) {
                for (int64_t j = 0; j < width; j++) {
                    const double d = gradient(i, j);
                    dbias[j] += d;
                    dscale[j] += d * (load(host[1], n.type, i[0] + j) - mean[j]) * inverse[j];
                }
            });
            // dx may be dy: each value is read before it is written.
            values.run(start, [&](const Places<4>& i) {
                for (int64_t j = 0; j < width; j++) {
                    const float d = gradient(i, j);
                    const double normal = (load(host[1], n.type, i[0] + j) - mean[j]) * inverse[j];
                    const double v = scale[c + j] * inverse[j] * (d - dbias[j] / count - normal * dscale[j] / count);
                    if (then.add) store(host[9], n.type, i[3] + j, d);
                    blend(host[0], n.type, i[2] + j, float(v), alpha_data, beta_data);
                }
            });
            for (int64_t j = 0; j < width; j++) {
                blend(host[4], Type::f32, c + j, float(dscale[j]), alpha_param, beta_param);
                blend(host[5], Type::f32, c + j, float(dbias[j]), alpha_param, beta_param);
            }
        });
        if (host[11]) std::memset(host[11], 0xff, need);
    });
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops,
                                                                       const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t z,
                                                                       const cudnnTensorDescriptor_t y, const cudnnTensorDescriptor_t parameters,
                                                                       const cudnnActivationDescriptor_t activation, size_t* size) {
    return on_device("cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize", handle, [&] {
        require(size, BAD, "sizeInBytes is NULL");
        const Tensor& t = known(x, "xDesc");
        norm(mode, t, known(parameters, "bnScaleBiasMeanVarDesc"));
        match(t, known(y, "yDesc"), "yDesc");
        if (fused(mode, ops, t, activation).add) match(t, known(z, "zDesc"), "zDesc");
        *size = workspace_bytes(t);
    });
}

cudnnStatus_t cudnnGetBatchNormalizationBackwardExWorkspaceSize(cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops,
                                                                const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t y,
                                                                const cudnnTensorDescriptor_t dy, const cudnnTensorDescriptor_t dz,
                                                                const cudnnTensorDescriptor_t dx, const cudnnTensorDescriptor_t parameters,
                                                                const cudnnActivationDescriptor_t activation, size_t* size) {
    return on_device("cudnnGetBatchNormalizationBackwardExWorkspaceSize", handle, [&] {
        require(size, BAD, "sizeInBytes is NULL");
        const Tensor& t = known(x, "xDesc");
        norm(mode, t, known(parameters, "dBnScaleBiasDesc"));
        match(t, known(dy, "dyDesc"), "dyDesc");
        match(t, known(dx, "dxDesc"), "dxDesc");
        const Fused then = fused(mode, ops, t, activation);
        if (then.activation) match(t, known(y, "yDesc"), "yDesc");
        if (then.add) match(t, known(dz, "dzDesc"), "dzDesc");
        *size = workspace_bytes(t);
    });
}

cudnnStatus_t cudnnGetBatchNormalizationTrainingExReserveSpaceSize(cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops,
                                                                   const cudnnActivationDescriptor_t activation, const cudnnTensorDescriptor_t x,
                                                                   size_t* size) {
    return on_device("cudnnGetBatchNormalizationTrainingExReserveSpaceSize", handle, [&] {
        require(size, BAD, "sizeInBytes is NULL");
        const Tensor& t = known(x, "xDesc");
        *size = reserve_bytes(fused(mode, ops, t, activation), t);
    });
}

cudnnStatus_t cudnnBatchNormalizationForwardTraining(cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha, const void* beta,
                                                     const cudnnTensorDescriptor_t xd, const void* x, const cudnnTensorDescriptor_t yd, void* y,
                                                     const cudnnTensorDescriptor_t pd, const void* scale, const void* bias, double factor, void* running_mean,
                                                     void* running_variance, double epsilon, void* saved_mean, void* saved_inverse) {
    const char* function = "cudnnBatchNormalizationForwardTraining";
    return on_device(function, handle, [&] {
        train({handle, function, mode, CUDNN_BATCHNORM_OPS_BN, alpha, beta, xd, x, nullptr, nullptr, yd, y, pd, scale, bias, factor, running_mean,
               running_variance, epsilon, saved_mean, saved_inverse, nullptr, nullptr, 0, nullptr, 0, false});
    });
}

cudnnStatus_t cudnnBatchNormalizationForwardTrainingEx(cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops, const void* alpha,
                                                       const void* beta, const cudnnTensorDescriptor_t xd, const void* x, const cudnnTensorDescriptor_t zd,
                                                       const void* z, const cudnnTensorDescriptor_t yd, void* y, const cudnnTensorDescriptor_t pd,
                                                       const void* scale, const void* bias, double factor, void* running_mean, void* running_variance,
                                                       double epsilon, void* saved_mean, void* saved_inverse, cudnnActivationDescriptor_t activation,
                                                       void* space, size_t space_bytes, void* reserve, size_t reserve_bytes) {
    const char* function = "cudnnBatchNormalizationForwardTrainingEx";
    return on_device(function, handle, [&] {
        train({handle, function, mode, ops, alpha, beta, xd, x, zd, z, yd, y, pd, scale, bias, factor, running_mean, running_variance, epsilon, saved_mean,
               saved_inverse, activation, space, space_bytes, reserve, reserve_bytes, true});
    });
}

cudnnStatus_t cudnnBatchNormalizationBackward(cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha_data, const void* beta_data,
                                              const void* alpha_param, const void* beta_param, const cudnnTensorDescriptor_t xd, const void* x,
                                              const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnTensorDescriptor_t dxd, void* dx,
                                              const cudnnTensorDescriptor_t pd, const void* scale, void* dscale, void* dbias, double epsilon,
                                              const void* saved_mean, const void* saved_inverse) {
    const char* function = "cudnnBatchNormalizationBackward";
    return on_device(function, handle, [&] {
        back({handle, function, mode, CUDNN_BATCHNORM_OPS_BN, alpha_data, beta_data, alpha_param, beta_param, xd, x, nullptr, nullptr, dyd, dy, nullptr,
              nullptr, dxd, dx, pd, scale, dscale, dbias, epsilon, saved_mean, saved_inverse, nullptr, nullptr, 0, nullptr, 0, false});
    });
}

cudnnStatus_t cudnnBatchNormalizationBackwardEx(cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t ops, const void* alpha_data,
                                                const void* beta_data, const void* alpha_param, const void* beta_param, const cudnnTensorDescriptor_t xd,
                                                const void* x, const cudnnTensorDescriptor_t yd, const void* y, const cudnnTensorDescriptor_t dyd,
                                                const void* dy, const cudnnTensorDescriptor_t dzd, void* dz, const cudnnTensorDescriptor_t dxd, void* dx,
                                                const cudnnTensorDescriptor_t pd, const void* scale, const void*, void* dscale, void* dbias, double epsilon,
                                                const void* saved_mean, const void* saved_inverse, cudnnActivationDescriptor_t activation, void* space,
                                                size_t space_bytes, void* reserve, size_t reserve_bytes) {
    const char* function = "cudnnBatchNormalizationBackwardEx";
    return on_device(function, handle, [&] {
        back({handle, function, mode, ops, alpha_data, beta_data, alpha_param, beta_param, xd, x, yd, y, dyd, dy, dzd, dz, dxd, dx, pd, scale, dscale, dbias,
              epsilon, saved_mean, saved_inverse, activation, space, space_bytes, reserve, reserve_bytes, true});
    });
}

cudnnStatus_t cudnnBatchNormalizationForwardInference(cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha, const void* beta,
                                                      const cudnnTensorDescriptor_t xd, const void* x, const cudnnTensorDescriptor_t yd, void* y,
                                                      const cudnnTensorDescriptor_t pd, const void* scale, const void* bias, const void* mean,
                                                      const void* variance, double epsilon) {
    const char* function = "cudnnBatchNormalizationForwardInference";
    return on_device(function, handle, [&] {
        const Norm n = norm(mode, known(xd, "xDesc"), known(pd, "bnScaleBiasMeanVarDesc"));
        const Tensor yt = known(yd, "yDesc");
        match(n.x, yt, "yDesc");
        check_epsilon(epsilon);
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        enqueue(handle, function,
                {range(y, yt, true, "y"), range(x, n.x, false, "x"), parameter(scale, n, false, "bnScale"), parameter(bias, n, false, "bnBias"),
                 parameter(mean, n, false, "estimatedMean"), parameter(variance, n, false, "estimatedVariance")},
                [=](void* const* host) {
                    const auto at = [&](int i, int64_t c) { return static_cast<const float*>(host[i])[c]; };
                    Walk<3>(n.x, {&n.x, &yt, &n.parameters}).spread([&](const Places<3>& i) {
                        const int64_t c = i[2];
                        const double v = at(2, c) * (load(host[1], n.type, i[0]) - double(at(4, c))) / std::sqrt(epsilon + at(5, c)) + at(3, c);
                        blend(host[0], n.type, i[1], float(v), a, b);
                    });
                });
    });
}

}  // extern "C"
