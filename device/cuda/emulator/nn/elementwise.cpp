// Activations, and the sums, products and copies of whole tensors.
#include <cmath>

#include "walk.h"

using namespace nn;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

float activate(const Activation& a, float v) {
    const double x = v;
    // max(0, NaN) is NaN or 0, as the descriptor says.
    if (std::isnan(v) && a.nan == CUDNN_NOT_PROPAGATE_NAN && (a.mode == CUDNN_ACTIVATION_RELU || a.mode == CUDNN_ACTIVATION_CLIPPED_RELU)) return 0;
    switch (a.mode) {
    case CUDNN_ACTIVATION_SIGMOID: return float(sigmoid(x));
    case CUDNN_ACTIVATION_RELU: return v < 0 ? 0 : v;
    case CUDNN_ACTIVATION_TANH: return float(std::tanh(x));
    case CUDNN_ACTIVATION_CLIPPED_RELU: return v < 0 ? 0 : v > a.coef ? float(a.coef) : v;
    case CUDNN_ACTIVATION_ELU: return float(x > 0 ? x : a.coef * std::expm1(x));
    case CUDNN_ACTIVATION_SWISH: return float(x * sigmoid(a.swish_beta * x));
    default: return v;
    }
}

double slope(const Activation& a, double x, double y) {
    switch (a.mode) {
    case CUDNN_ACTIVATION_SIGMOID: return y * (1 - y);
    case CUDNN_ACTIVATION_RELU: return x > 0;
    case CUDNN_ACTIVATION_TANH: return 1 - y * y;
    case CUDNN_ACTIVATION_CLIPPED_RELU: return x > 0 && x < a.coef;
    case CUDNN_ACTIVATION_ELU: return x > 0 ? 1 : y + a.coef;
    case CUDNN_ACTIVATION_SWISH: {
        const double s = sigmoid(a.swish_beta * x);
        return s + a.swish_beta * x * s * (1 - s);
    }
    default: return 1;
    }
}

Activation allowed(const cudnnActivationDescriptor_t d) {
    const Activation& a = known(d, "activationDesc");
    require(a.mode != CUDNN_ACTIVATION_IDENTITY, BAD, "CUDNN_ACTIVATION_IDENTITY works with cudnnConvolutionBiasActivationForward only");
    return a;
}

// broadcast checks that each dimension of a is that of c, or 1.
void broadcast(const Tensor& a, const Tensor& c, const char* name) {
    require(a.rank == c.rank && c.rank <= 5, BAD, "%s is %s, the result is %s; expected the same number of dimensions, at most 5", name, text(a).c_str(),
            text(c).c_str());
    for (int i = 0; i < a.rank; i++)
        require(a.dim[i] == c.dim[i] || a.dim[i] == 1, BAD, "%s is %s, expected the dimensions of %s or 1", name, text(a).c_str(), text(c).c_str());
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnActivationForward(cudnnHandle_t handle, cudnnActivationDescriptor_t d, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x,
                                     const void* beta, const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnActivationForward";
    return on_device(function, handle, [&] {
        const Activation act = allowed(d);
        const Tensor xt = known(xd, "xDesc"), yt = known(yd, "yDesc");
        require(same_dims(xt, yt), BAD, "x is %s, y is %s", text(xt).c_str(), text(yt).c_str());
        require(xt.type == yt.type, BAD, "data types differ: x %d, y %d", int(xt.type), int(yt.type));
        require(x != y || same_strides(xt, yt), BAD, "in place with different strides: %s and %s", text(xt).c_str(), text(yt).c_str());
        const Type type = type_of(xt.type, "xDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        enqueue(handle, function, {range(y, yt, true, "y"), range(x, xt, false, "x")}, [=](void* const* host) {
            Walk<2>(xt, {&xt, &yt}).spread([&](const Places<2>& i) { blend(host[0], type, i[1], activate(act, load(host[1], type, i[0])), a, b); });
        });
    });
}

cudnnStatus_t cudnnActivationBackward(cudnnHandle_t handle, cudnnActivationDescriptor_t d, const void* alpha, const cudnnTensorDescriptor_t yd, const void* y,
                                      const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnTensorDescriptor_t xd, const void* x, const void* beta,
                                      const cudnnTensorDescriptor_t dxd, void* dx) {
    const char* function = "cudnnActivationBackward";
    return on_device(function, handle, [&] {
        const Activation act = allowed(d);
        const Tensor yt = known(yd, "yDesc"), dyt = known(dyd, "dyDesc"), xt = known(xd, "xDesc"), dxt = known(dxd, "dxDesc");
        require(dy != dx || same_strides(dyt, dxt), BAD, "in place with different strides: dy %s, dx %s", text(dyt).c_str(), text(dxt).c_str());
        require(same_dims(xt, yt) && same_dims(xt, dyt) && same_dims(xt, dxt), NOT, "dimensions differ: y %s, x %s, dy %s, dx %s", text(yt).c_str(),
                text(xt).c_str(), text(dyt).c_str(), text(dxt).c_str());
        require(xt.type == yt.type && xt.type == dyt.type && xt.type == dxt.type, NOT, "the data types of the four tensors differ");
        require(same_strides(yt, dyt), NOT, "y %s and dy %s have different strides", text(yt).c_str(), text(dyt).c_str());
        require(same_strides(xt, dxt), NOT, "x %s and dx %s have different strides", text(xt).c_str(), text(dxt).c_str());
        const Type type = type_of(xt.type, "xDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        enqueue(handle, function, {range(dx, dxt, true, "dx"), range(y, yt, false, "y"), range(dy, dyt, false, "dy"), range(x, xt, false, "x")},
                [=](void* const* host) {
                    Walk<2>(xt, {&xt, &yt}).spread([&](const Places<2>& i) {
                        const double s = slope(act, load(host[3], type, i[0]), load(host[1], type, i[1]));
                        const float g = load(host[2], type, i[1]);
                        // A gradient that is cut off is 0 even where it is NaN.
                        blend(host[0], type, i[0], s == 0 ? 0 : float(g * s), a, b);
                    });
                });
    });
}

// C = alpha * A + beta * C, A repeated along its dimensions of 1.
cudnnStatus_t cudnnAddTensor(cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t ad, const void* a, const void* beta,
                             const cudnnTensorDescriptor_t cd, void* c) {
    const char* function = "cudnnAddTensor";
    return on_device(function, handle, [&] {
        const Tensor at = known(ad, "aDesc"), ct = known(cd, "cDesc");
        broadcast(at, ct, "A");
        require(at.type == ct.type, BAD, "data types differ: A %d, C %d", int(at.type), int(ct.type));
        const Type type = type_of(ct.type, "cDesc");
        const float s = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        const EmuRange out = range(c, ct, true, "C"), in = range(a, at, false, "A");
        require(!overlap(out, in) || (a == c && same_dims(at, ct) && same_strides(at, ct)), BAD, "A overlaps C");
        enqueue(handle, function, {out, in}, [=](void* const* host) {
            Walk<2>(ct, {&ct, &at}).spread([&](const Places<2>& i) { blend(host[0], type, i[0], load(host[1], type, i[1]), s, b); });
        });
    });
}

// C = op(alpha1 * A, alpha2 * B) + beta * C, B repeated along its dimensions of 1; SQRT and NOT (1 - x) take A only.
cudnnStatus_t cudnnOpTensor(cudnnHandle_t handle, const cudnnOpTensorDescriptor_t d, const void* alpha1, const cudnnTensorDescriptor_t ad, const void* a,
                            const void* alpha2, const cudnnTensorDescriptor_t bd, const void* b, const void* beta, const cudnnTensorDescriptor_t cd, void* c) {
    const char* function = "cudnnOpTensor";
    return on_device(function, handle, [&] {
        const OpTensor o = known(d, "opTensorDesc");
        require(o.compute == CUDNN_DATA_FLOAT, NOT, "compute type %d, expected FLOAT", int(o.compute));
        const bool unary = o.op == CUDNN_OP_TENSOR_SQRT || o.op == CUDNN_OP_TENSOR_NOT;
        const Tensor at = known(ad, "aDesc"), ct = known(cd, "cDesc"), bt = unary ? at : known(bd, "bDesc");
        require(same_dims(at, ct), BAD, "A is %s, C is %s", text(at).c_str(), text(ct).c_str());
        broadcast(bt, ct, "B");
        const Type a_type = type_of(at.type, "aDesc"), b_type = type_of(bt.type, "bDesc"), c_type = type_of(ct.type, "cDesc");
        const float s1 = scalar(alpha1, "alpha1"), s2 = unary ? 0 : scalar(alpha2, "alpha2"), keep = scalar(beta, "beta");
        const EmuRange out = range(c, ct, true, "C"), left = range(a, at, false, "A"), right = unary ? EmuRange{} : range(b, bt, false, "B");
        require(!overlap(out, left) || (a == c && same_strides(at, ct)), BAD, "A overlaps C but is not C");
        require(!overlap(out, right) || (b == c && same_dims(bt, ct) && same_strides(bt, ct)), BAD, "B overlaps C but is not C");
        enqueue(handle, function, {out, left, right}, [=](void* const* host) {
            Walk<3>(ct, {&ct, &at, &bt}).spread([&](const Places<3>& i) {
                const float x = s1 * load(host[1], a_type, i[1]), y = unary ? 0 : s2 * load(host[2], b_type, i[2]);
                float v = 0;
                switch (o.op) {
                case CUDNN_OP_TENSOR_ADD: v = x + y; break;
                case CUDNN_OP_TENSOR_MUL: v = x * y; break;
                case CUDNN_OP_TENSOR_MIN: v = o.nan == CUDNN_PROPAGATE_NAN && (std::isnan(x) || std::isnan(y)) ? NAN : std::fmin(x, y); break;
                case CUDNN_OP_TENSOR_MAX: v = o.nan == CUDNN_PROPAGATE_NAN && (std::isnan(x) || std::isnan(y)) ? NAN : std::fmax(x, y); break;
                case CUDNN_OP_TENSOR_SQRT: v = std::sqrt(x); break;
                case CUDNN_OP_TENSOR_NOT: v = 1 - x; break;
                }
                blend(host[0], c_type, i[0], v, 1, keep);
            });
        });
    });
}

// y = alpha * x + beta * y between two layouts; x and y must not overlap.
cudnnStatus_t cudnnTransformTensor(cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x, const void* beta,
                                   const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnTransformTensor";
    return on_device(function, handle, [&] {
        const Tensor xt = known(xd, "xDesc"), yt = known(yd, "yDesc");
        require(same_dims(xt, yt), NOT, "x is %s, y is %s", text(xt).c_str(), text(yt).c_str());
        require(xt.type == yt.type, NOT, "data types differ: x %d, y %d", int(xt.type), int(yt.type));
        const Type type = type_of(xt.type, "xDesc");
        const float a = scalar(alpha, "alpha"), b = scalar(beta, "beta");
        const EmuRange out = range(y, yt, true, "y"), in = range(x, xt, false, "x");
        require(!overlap(out, in), BAD, "x overlaps y");
        enqueue(handle, function, {out, in}, [=](void* const* host) {
            Walk<2>(xt, {&xt, &yt}).spread([&](const Places<2>& i) { blend(host[0], type, i[1], load(host[1], type, i[0]), a, b); });
        });
    });
}

cudnnStatus_t cudnnSetTensor(cudnnHandle_t handle, const cudnnTensorDescriptor_t yd, void* y, const void* value) {
    const char* function = "cudnnSetTensor";
    return on_device(function, handle, [&] {
        const Tensor yt = known(yd, "yDesc");
        const Type type = type_of(yt.type, "yDesc");
        require(value, BAD, "valuePtr is NULL");
        require(!emu_is_device(CUdeviceptr(value), size_of(type)), BAD, "valuePtr is a device pointer, expected host memory");
        const float v = load(value, type, 0);
        enqueue(handle, function, {range(y, yt, true, "y")}, [=](void* const* host) {
            Walk<1>(yt, {&yt}).spread([&](const Places<1>& i) { store(host[0], type, i[0], v); });
        });
    });
}

cudnnStatus_t cudnnScaleTensor(cudnnHandle_t handle, const cudnnTensorDescriptor_t yd, void* y, const void* alpha) {
    const char* function = "cudnnScaleTensor";
    return on_device(function, handle, [&] {
        const Tensor yt = known(yd, "yDesc");
        const Type type = type_of(yt.type, "yDesc");
        const float a = scalar(alpha, "alpha");
        enqueue(handle, function, {range(y, yt, true, "y")}, [=](void* const* host) {
            Walk<1>(yt, {&yt}).spread([&](const Places<1>& i) { store(host[0], type, i[0], a * load(host[0], type, i[0])); });
        });
    });
}

}  // extern "C"
