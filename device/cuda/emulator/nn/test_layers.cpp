// Pooling, local response normalisation, softmax, activations and element-wise operations against plain double loops.
#include "test.h"

#include <limits>

using namespace test;

namespace {

constexpr auto F32 = nn::Type::f32, BF16 = nn::Type::bf16;
const float one = 1, zero = 0;
cudnnHandle_t handle;

double tolerance(nn::Type t) { return t == F32 ? 1e-6 : 4e-3; }

// settle makes want of a layout where the elements come from value and the rest stays.
template <class F>
std::vector<double> settle(const Tensor& t, float alpha, float beta, F value) {
    std::vector<double> want = t.whole();
    each(t.l, [&](int n, int c, int h, int w) {
        const size_t i = t.l.at(n, c, h, w);
        want[i] = alpha * value(n, c, h, w) + (beta ? beta * want[i] : 0);
    });
    return want;
}

struct Pool {
    const char* name;
    int n, c, h, w, r, s, pad_h, pad_w, u, v;
    char layout;
    cudnnPoolingMode_t mode;
    nn::Type type;
    float alpha, beta;
};

constexpr auto MAX = CUDNN_POOLING_MAX, STEADY = CUDNN_POOLING_MAX_DETERMINISTIC;
constexpr auto WITH = CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING, WITHOUT = CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING;

const Pool pools[] = {
    {"max 2x2", 2, 3, 6, 8, 2, 2, 0, 0, 2, 2, 'h', MAX, F32, 1, 0},
    {"max 3x3/2 overlapping", 2, 5, 9, 7, 3, 3, 1, 1, 2, 2, 'h', STEADY, F32, 1, 0},
    {"max NCHW", 2, 5, 9, 7, 3, 2, 1, 0, 2, 1, 'c', MAX, F32, 1, 0},
    {"max gaps", 2, 5, 9, 7, 3, 2, 1, 0, 1, 3, 'g', MAX, F32, 1, 0},
    {"stride over window", 1, 2, 9, 9, 2, 2, 0, 0, 3, 4, 'h', MAX, F32, 1, 0},
    {"max beta", 1, 2, 5, 5, 3, 3, 1, 1, 1, 1, 'h', MAX, F32, 1, -0.5f},
    {"mean with padding", 2, 3, 7, 5, 3, 3, 1, 1, 2, 2, 'h', WITH, F32, 1, 0},
    {"mean without padding", 2, 3, 7, 5, 3, 3, 1, 1, 2, 2, 'h', WITHOUT, F32, 1, 0},
    {"mean alpha beta", 2, 3, 7, 5, 3, 2, 1, 1, 1, 2, 'c', WITHOUT, F32, 3, 2},
    {"global mean", 2, 9, 7, 7, 7, 7, 0, 0, 1, 1, 'h', WITH, F32, 1, 0},
    {"max bf16", 2, 5, 9, 7, 3, 3, 1, 1, 2, 2, 'h', MAX, BF16, 1, 0},
    {"mean bf16", 2, 5, 9, 7, 3, 3, 1, 1, 2, 2, 'h', WITH, BF16, 1, 0},
};

void pool(const Pool& r) {
    test::row = r.name;
    Random random(3);
    cudnnPoolingDescriptor_t d;
    OK(cudnnCreatePoolingDescriptor(&d));
    OK(cudnnSetPooling2dDescriptor(d, r.mode, CUDNN_PROPAGATE_NAN, r.r, r.s, r.pad_h, r.pad_w, r.u, r.v));
    Tensor x(layout(r.layout, r.n, r.c, r.h, r.w), r.type, random);
    int n, c, p, q;
    OK(cudnnGetPooling2dForwardOutputDim(d, x.d, &n, &c, &p, &q));
    Tensor y(layout(r.layout, n, c, p, q), r.type, random), dy(y.l, r.type, random), dx(x.l, r.type, random);
    const bool max = r.mode == MAX || r.mode == STEADY;
    std::vector<double> sums(x.start.size());
    // window visits the inputs under one output and gives how many there are.
    const auto window = [&](int i, int j, const std::function<void(int, int)>& visit) {
        int count = 0;
        for (int a = 0; a < r.r; a++)
            for (int b = 0; b < r.s; b++) {
                const int h = i * r.u - r.pad_h + a, w = j * r.v - r.pad_w + b;
                if (h >= 0 && h < r.h && w >= 0 && w < r.w) visit(h, w), count++;
            }
        return r.mode == WITH ? r.r * r.s : count;
    };
    const auto want = settle(y, r.alpha, r.beta, [&](int n, int c, int i, int j) {
        double best = -INFINITY, sum = 0;
        size_t place = 0;
        const int count = window(i, j, [&](int h, int w) {
            sum += x.at(n, c, h, w);
            if (x.at(n, c, h, w) > best) best = x.at(n, c, h, w), place = x.l.at(n, c, h, w);
        });
        const double g = dy.at(n, c, i, j);
        if (max)
            sums[place] += g;
        else
            window(i, j, [&](int h, int w) { sums[x.l.at(n, c, h, w)] += g / count; });
        return max ? best : sum / count;
    });
    OK(cudnnPoolingForward(handle, d, &r.alpha, x.d, x.p(), &r.beta, y.d, y.p()));
    near(y.memory.get(), want, tolerance(r.type), "y");
    OK(cudnnPoolingForward(handle, d, &one, x.d, x.p(), &zero, y.d, y.p()));
    const auto want_dx = settle(dx, r.alpha, r.beta, [&](int n, int c, int h, int w) { return sums[x.l.at(n, c, h, w)]; });
    OK(cudnnPoolingBackward(handle, d, &r.alpha, y.d, y.p(), dy.d, dy.p(), x.d, x.p(), &r.beta, dx.d, dx.p()));
    near(dx.memory.get(), want_dx, tolerance(r.type), "dx");
    if (max) expect(1, [&] {
            OK(cudnnPoolingBackward(handle, d, &r.alpha, y.d, dy.p(), dy.d, dy.p(), x.d, x.p(), &r.beta, dx.d, dx.p()));  // dy is not y
            OK(cuCtxSynchronize());
        });
    OK(cudnnDestroyPoolingDescriptor(d));
}

void pool_edges() {
    test::row = "pooling edges";
    Random random(4);
    cudnnPoolingDescriptor_t d;
    OK(cudnnCreatePoolingDescriptor(&d));
    Tensor x(layout('h', 1, 1, 4, 4), F32, random), y(layout('h', 1, 1, 2, 2), F32, random), wrong(layout('h', 1, 1, 2, 3), F32, random), nchw(layout('g', 1, 1, 2, 2), F32, random);
    auto values = x.start;
    values[0] = NAN;
    x.memory.put(values);
    for (auto nan : {CUDNN_PROPAGATE_NAN, CUDNN_NOT_PROPAGATE_NAN}) {
        OK(cudnnSetPooling2dDescriptor(d, MAX, nan, 2, 2, 0, 0, 2, 2));
        OK(cudnnPoolingForward(handle, d, &one, x.d, x.p(), &zero, y.d, y.p()));
        const float first = y.memory.get()[0], rest = std::fmax(values[1], std::fmax(values[4], values[5]));
        CHECK(nan == CUDNN_PROPAGATE_NAN ? std::isnan(first) : first == rest);
    }
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnPoolingForward(handle, d, &one, x.d, x.p(), &zero, wrong.d, wrong.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnPoolingForward(handle, d, &one, x.d, x.p(), &zero, y.d, x.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnPoolingBackward(handle, d, &one, y.d, y.p(), nchw.d, nchw.p(), x.d, x.p(), &zero, x.d, x.p()));
    OK(cudnnSetPooling2dDescriptor(d, MAX, CUDNN_PROPAGATE_NAN, 2, 2, 2, 2, 4, 4));
    int n, c, p, q;
    OK(cudnnGetPooling2dForwardOutputDim(d, x.d, &n, &c, &p, &q));
    Tensor outside(layout('h', n, c, p, q), F32, random);
    expect(2, [&] { OK(cudnnPoolingForward(handle, d, &one, x.d, x.p(), &zero, outside.d, outside.p())); });
    OK(cuCtxSynchronize());

    // The order of the sums changes where windows overlap and the mode is not the deterministic one.
    Tensor big(layout('h', 2, 4, 20, 20), F32, random);
    for (auto mode : {MAX, STEADY}) {
        OK(cudnnSetPooling2dDescriptor(d, mode, CUDNN_PROPAGATE_NAN, 5, 5, 2, 2, 1, 1));
        Tensor out(big.l, F32, random), dy(big.l, F32, random);
        OK(cudnnPoolingForward(handle, d, &one, big.d, big.p(), &zero, out.d, out.p()));
        std::vector<float> runs[3];
        for (auto& r : runs) {
            Buffer dx(big.start.size());
            OK(cudnnPoolingBackward(handle, d, &one, out.d, out.p(), dy.d, dy.p(), big.d, big.p(), &zero, big.d, dx.p()));
            r = dx.get();
        }
        CHECK((same(runs[0], runs[1]) && same(runs[0], runs[2])) == (mode == STEADY));
    }
    OK(cudnnDestroyPoolingDescriptor(d));
}

void lrn() {
    struct Row {
        const char* name;
        int c;
        unsigned n;
        double alpha, beta, k;
        char layout;
        nn::Type type;
        float a, b;
    };
    const Row rows[] = {
        {"LRN of Krizhevsky", 9, 5, 1e-4, 0.75, 2, 'h', F32, 1, 0}, {"LRN even window", 7, 4, 0.5, 0.75, 1, 'h', F32, 1, 0}, {"LRN window 1", 3, 1, 0.5, 0.5, 1, 'c', F32, 1, 0},
        {"LRN wider than channels", 3, 16, 2, 0.75, 1, 'g', F32, 1, 0}, {"LRN alpha beta", 6, 3, 1, 1, 0.5, 'h', F32, -2, 0.5f}, {"LRN bf16", 6, 5, 1, 0.75, 1, 'h', BF16, 1, 0},
    };
    for (const Row& r : rows) {
        test::row = r.name;
        Random random(6);
        cudnnLRNDescriptor_t d;
        OK(cudnnCreateLRNDescriptor(&d));
        OK(cudnnSetLRNDescriptor(d, r.n, r.alpha, r.beta, r.k));
        Tensor x(layout(r.layout, 2, r.c, 3, 4), r.type, random), y(x.l, r.type, random), dy(x.l, r.type, random), dx(x.l, r.type, random);
        const int behind = int(r.n - 1) / 2, ahead = int(r.n) - behind - 1;
        const auto s = [&](int n, int c, int h, int w) {
            double sum = 0;
            for (int j = std::max(0, c - behind); j <= std::min(r.c - 1, c + ahead); j++) sum += double(x.at(n, j, h, w)) * x.at(n, j, h, w);
            return r.k + r.alpha / r.n * sum;
        };
        const auto f = [&](int n, int c, int h, int w) { return x.at(n, c, h, w) * std::pow(s(n, c, h, w), -r.beta); };
        const auto want = settle(y, r.a, r.b, f);
        OK(cudnnLRNCrossChannelForward(handle, d, CUDNN_LRN_CROSS_CHANNEL_DIM1, &r.a, x.d, x.p(), &r.b, y.d, y.p()));
        near(y.memory.get(), want, tolerance(r.type), "y");
        OK(cudnnLRNCrossChannelForward(handle, d, CUDNN_LRN_CROSS_CHANNEL_DIM1, &one, x.d, x.p(), &zero, y.d, y.p()));
        // The derivative of f, term by term: dy[j] * d f[j] / d x[c].
        const auto want_dx = settle(dx, r.a, r.b, [&](int n, int c, int h, int w) {
            double sum = 0;
            for (int j = 0; j < r.c; j++) {
                const double scale = s(n, j, h, w);
                double slope = j == c ? std::pow(scale, -r.beta) : 0;
                if (c >= j - behind && c <= j + ahead) slope -= r.beta * std::pow(scale, -r.beta - 1) * x.at(n, j, h, w) * 2 * r.alpha / r.n * x.at(n, c, h, w);
                sum += dy.at(n, j, h, w) * slope;
            }
            return sum;
        });
        OK(cudnnLRNCrossChannelBackward(handle, d, CUDNN_LRN_CROSS_CHANNEL_DIM1, &r.a, y.d, y.p(), dy.d, dy.p(), x.d, x.p(), &r.b, dx.d, dx.p()));
        near(dx.memory.get(), want_dx, r.type == F32 ? 1e-6 : 1e-2, "dx");
        Tensor other(layout(r.layout, 2, r.c, 3, 5), r.type, random), half(x.l, r.type == F32 ? BF16 : F32, random);
        STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnLRNCrossChannelForward(handle, d, CUDNN_LRN_CROSS_CHANNEL_DIM1, &one, x.d, x.p(), &zero, other.d, other.p()));
        STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnLRNCrossChannelForward(handle, d, CUDNN_LRN_CROSS_CHANNEL_DIM1, &one, x.d, x.p(), &zero, half.d, half.p()));
        STATUS(CUDNN_STATUS_BAD_PARAM, cudnnLRNCrossChannelForward(handle, d, cudnnLRNMode_t(3), &one, x.d, x.p(), &zero, y.d, y.p()));
        OK(cudnnDestroyLRNDescriptor(d));
    }
}

void softmax() {
    for (auto algorithm : {CUDNN_SOFTMAX_FAST, CUDNN_SOFTMAX_ACCURATE, CUDNN_SOFTMAX_LOG})
        for (auto mode : {CUDNN_SOFTMAX_MODE_INSTANCE, CUDNN_SOFTMAX_MODE_CHANNEL})
            for (char kind : {'c', 'h', 'g'})
                for (auto type : {F32, BF16}) {
                    test::row = "softmax " + std::to_string(algorithm) + " mode " + std::to_string(mode) + " " + kind + (type == F32 ? "" : " bf16");
                    Random random(8);
                    const float a = kind == 'g' ? 0.5f : 1, b = kind == 'g' ? 2 : 0;
                    Tensor x(layout(kind, 3, 5, 2, 3), type, random), y(x.l, type, random), dy(x.l, type, random), dx(x.l, type, random);
                    if (algorithm != CUDNN_SOFTMAX_FAST) {  // would overflow without the subtraction
                        each(x.l, [&](int n, int c, int h, int w) { x.start[x.l.at(n, c, h, w)] = stored(x.at(n, c, h, w) * 3 + 100, type); });
                        x.memory.put(x.start);
                    }
                    const bool channel = mode == CUDNN_SOFTMAX_MODE_CHANNEL;
                    const auto group = [&](int h, int w, const std::function<void(int, int, int)>& visit) {
                        for (int c = 0; c < 5; c++)
                            for (int i = channel ? h : 0; i < (channel ? h + 1 : 2); i++)
                                for (int j = channel ? w : 0; j < (channel ? w + 1 : 3); j++) visit(c, i, j);
                    };
                    const bool log = algorithm == CUDNN_SOFTMAX_LOG;
                    const auto want = settle(y, a, b, [&](int n, int c, int h, int w) {
                        double sum = 0;
                        group(h, w, [&](int k, int i, int j) { sum += std::exp(double(x.at(n, k, i, j)) - x.at(n, c, h, w)); });
                        return log ? -std::log(sum) : 1 / sum;
                    });
                    OK(cudnnSoftmaxForward(handle, algorithm, mode, &a, x.d, x.p(), &b, y.d, y.p()));
                    near(y.memory.get(), want, tolerance(type), "y");
                    const auto want_dx = settle(dx, a, b, [&](int n, int c, int h, int w) {
                        double sum = 0;
                        group(h, w, [&](int k, int i, int j) { sum += dy.at(n, k, i, j) * (log ? 1 : y.at(n, k, i, j)); });
                        return log ? dy.at(n, c, h, w) - std::exp(double(y.at(n, c, h, w))) * sum : y.at(n, c, h, w) * (dy.at(n, c, h, w) - sum);
                    });
                    y.memory.put(y.start);  // any y does for the formula
                    OK(cudnnSoftmaxBackward(handle, algorithm, mode, &a, y.d, y.p(), dy.d, dy.p(), &b, dx.d, dx.p()));
                    near(dx.memory.get(), want_dx, tolerance(type), "dx");
                }
    test::row = "softmax refusals";
    Random random(8);
    Tensor x(layout('h', 3, 5, 2, 3), F32, random), small(layout('h', 3, 5, 2, 2), F32, random), half(x.l, BF16, random), nchw(layout('c', 3, 5, 2, 3), F32, random);
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnSoftmaxForward(handle, CUDNN_SOFTMAX_LOG, CUDNN_SOFTMAX_MODE_CHANNEL, &one, x.d, x.p(), &zero, small.d, small.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnSoftmaxForward(handle, CUDNN_SOFTMAX_LOG, CUDNN_SOFTMAX_MODE_CHANNEL, &one, x.d, x.p(), &zero, half.d, half.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnSoftmaxForward(handle, cudnnSoftmaxAlgorithm_t(4), CUDNN_SOFTMAX_MODE_CHANNEL, &one, x.d, x.p(), &zero, x.d, x.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnSoftmaxBackward(handle, CUDNN_SOFTMAX_LOG, CUDNN_SOFTMAX_MODE_CHANNEL, &one, x.d, x.p(), nchw.d, nchw.p(), &zero, x.d, x.p()));
}

void activations() {
    struct Mode {
        cudnnActivationMode_t mode;
        double coef;
        double (*f)(double x);
    };
    const Mode modes[] = {
        {CUDNN_ACTIVATION_SIGMOID, 0, [](double x) { return 1 / (1 + std::exp(-x)); }},
        {CUDNN_ACTIVATION_RELU, 0, [](double x) { return x > 0 ? x : 0; }},
        {CUDNN_ACTIVATION_TANH, 0, [](double x) { return std::tanh(x); }},
        {CUDNN_ACTIVATION_CLIPPED_RELU, 0.503, [](double x) { return x > 0.503 ? 0.503 : x > 0 ? x : 0; }},
        {CUDNN_ACTIVATION_ELU, 0.7, [](double x) { return x > 0 ? x : 0.7 * (std::exp(x) - 1); }},
        {CUDNN_ACTIVATION_SWISH, 0, [](double x) { return x / (1 + std::exp(-x)); }},
    };
    cudnnActivationDescriptor_t d;
    OK(cudnnCreateActivationDescriptor(&d));
    for (const Mode& m : modes)
        for (auto type : {F32, BF16}) {
            test::row = "activation " + std::to_string(m.mode) + (type == F32 ? "" : " bf16");
            Random random(2);
            Tensor x(layout('h', 2, 3, 4, 5), type, random), y(layout('c', 2, 3, 4, 5), type, random), dx(x.l, type, random), dy(y.l, type, random);
            OK(cudnnSetActivationDescriptor(d, m.mode, CUDNN_PROPAGATE_NAN, m.coef));
            OK(cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, y.d, y.p()));
            const auto want = settle(y, 1, 0, [&](int n, int c, int h, int w) { return m.f(x.at(n, c, h, w)); });
            near(y.memory.get(), want, tolerance(type), "y");
            const float a = 2, b = 0.5f;
            const auto want_dx = settle(dx, a, b, [&](int n, int c, int h, int w) {
                const double v = x.at(n, c, h, w), e = 1e-6;
                return dy.at(n, c, h, w) * (m.f(v + e) - m.f(v - e)) / (2 * e);
            });
            OK(cudnnActivationBackward(handle, d, &a, y.d, y.p(), dy.d, dy.p(), x.d, x.p(), &b, dx.d, dx.p()));
            near(dx.memory.get(), want_dx, type == F32 ? 1e-6 : 8e-3, "dx");
        }
    test::row = "activation refusals";
    Random random(2);
    Tensor x(layout('h', 2, 3, 4, 5), F32, random), nchw(layout('c', 2, 3, 4, 5), F32, random), small(layout('h', 2, 3, 4, 4), F32, random), half(x.l, BF16, random);
    OK(cudnnSetActivationDescriptor(d, CUDNN_ACTIVATION_IDENTITY, CUDNN_PROPAGATE_NAN, 0));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, x.d, x.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnActivationBackward(handle, d, &one, x.d, x.p(), x.d, x.p(), x.d, x.p(), &zero, x.d, x.p()));
    OK(cudnnSetActivationDescriptor(d, CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0));
    OK(cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, x.d, x.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, nchw.d, x.p()));  // in place, other strides
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, small.d, small.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, half.d, half.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnActivationBackward(handle, d, &one, x.d, x.p(), nchw.d, nchw.p(), x.d, x.p(), &zero, x.d, x.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnActivationBackward(handle, d, &one, x.d, x.p(), x.d, x.p(), nchw.d, nchw.p(), &zero, x.d, small.p()));
    OK(cuCtxSynchronize());
    // NaN and 0 under ReLU.
    for (auto nan : {CUDNN_PROPAGATE_NAN, CUDNN_NOT_PROPAGATE_NAN}) {
        OK(cudnnSetActivationDescriptor(d, CUDNN_ACTIVATION_RELU, nan, 0));
        x.memory.put(std::vector<float>(x.start.size(), NAN));
        OK(cudnnActivationForward(handle, d, &one, x.d, x.p(), &zero, x.d, x.p()));
        CHECK(std::isnan(x.memory.get()[0]) == (nan == CUDNN_PROPAGATE_NAN));
    }
    OK(cudnnDestroyActivationDescriptor(d));
}

void elementwise() {
    Random random(1);
    test::row = "add, op, transform, set, scale";
    const float a = 0.5f, b = 2, g = -1;
    Tensor c(layout('h', 2, 3, 4, 5), F32, random), other(layout('c', 2, 3, 4, 5), F32, random), bias(layout('c', 1, 3, 1, 1), F32, random), half(layout('c', 1, 3, 1, 1), BF16, random),
        wrong(layout('c', 1, 2, 1, 1), F32, random);
    auto want = settle(c, 1, 0, [&](int n, int k, int h, int w) { return a * bias.at(0, k, 0, 0) + b * c.at(n, k, h, w); });
    OK(cudnnAddTensor(handle, &a, bias.d, bias.p(), &b, c.d, c.p()));
    near(c.memory.get(), want, 1e-6, "add a bias");
    c.memory.put(c.start);
    want = settle(c, 1, 0, [&](int n, int k, int h, int w) { return other.at(n, k, h, w) + b * c.at(n, k, h, w); });
    OK(cudnnAddTensor(handle, &one, other.d, other.p(), &b, c.d, c.p()));
    near(c.memory.get(), want, 1e-6, "add a tensor of another layout");
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnAddTensor(handle, &one, wrong.d, wrong.p(), &b, c.d, c.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnAddTensor(handle, &one, half.d, half.p(), &b, c.d, c.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnAddTensor(handle, &one, c.d, c.p(), &b, bias.d, bias.p()));

    cudnnOpTensorDescriptor_t d;
    OK(cudnnCreateOpTensorDescriptor(&d));
    struct Op {
        cudnnOpTensorOp_t op;
        double (*f)(double x, double y);
    };
    const Op ops[] = {
        {CUDNN_OP_TENSOR_ADD, [](double x, double y) { return x + y; }}, {CUDNN_OP_TENSOR_MUL, [](double x, double y) { return x * y; }},
        {CUDNN_OP_TENSOR_MIN, [](double x, double y) { return std::fmin(x, y); }}, {CUDNN_OP_TENSOR_MAX, [](double x, double y) { return std::fmax(x, y); }},
        {CUDNN_OP_TENSOR_SQRT, [](double x, double) { return std::sqrt(x); }}, {CUDNN_OP_TENSOR_NOT, [](double x, double) { return 1 - x; }},
    };
    for (const Op& o : ops) {
        test::row = "op " + std::to_string(o.op);
        OK(cudnnSetOpTensorDescriptor(d, o.op, CUDNN_DATA_FLOAT, CUDNN_NOT_PROPAGATE_NAN));
        Tensor x(c.l, F32, random);
        if (o.op == CUDNN_OP_TENSOR_SQRT) {
            for (float& v : x.start) v = std::fabs(v);
            x.memory.put(x.start);
        }
        c.memory.put(c.start);
        want = settle(c, 1, 0, [&](int n, int k, int h, int w) { return o.f(a * x.at(n, k, h, w), b * bias.at(0, k, 0, 0)) + g * c.at(n, k, h, w); });
        OK(cudnnOpTensor(handle, d, &a, x.d, x.p(), &b, bias.d, bias.p(), &g, c.d, c.p()));
        near(c.memory.get(), want, 1e-6, "op");
        STATUS(CUDNN_STATUS_BAD_PARAM, cudnnOpTensor(handle, d, &a, bias.d, bias.p(), &b, bias.d, bias.p(), &g, c.d, c.p()));
    }
    OK(cudnnSetOpTensorDescriptor(d, CUDNN_OP_TENSOR_ADD, CUDNN_DATA_HALF, CUDNN_NOT_PROPAGATE_NAN));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnOpTensor(handle, d, &a, c.d, c.p(), &b, bias.d, bias.p(), &g, c.d, c.p()));
    OK(cudnnDestroyOpTensorDescriptor(d));

    test::row = "transform, set, scale";
    Tensor to(layout('g', 2, 3, 4, 5), F32, random);
    want = settle(to, a, b, [&](int n, int k, int h, int w) { return other.at(n, k, h, w); });
    OK(cudnnTransformTensor(handle, &a, other.d, other.p(), &b, to.d, to.p()));
    near(to.memory.get(), want, 1e-6, "transform");
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnTransformTensor(handle, &a, bias.d, bias.p(), &b, to.d, to.p()));
    to.memory.put(to.start);
    want = settle(to, b, 0, [&](int n, int k, int h, int w) { return to.at(n, k, h, w); });
    OK(cudnnScaleTensor(handle, to.d, to.p(), &b));
    near(to.memory.get(), want, 1e-6, "scale");
    to.memory.put(to.start);
    want = settle(to, 1, 0, [&](int, int, int, int) { return b; });
    OK(cudnnSetTensor(handle, to.d, to.p(), &b));
    near(to.memory.get(), want, 1e-6, "set");
}

void library() {
    test::row = "library";
    CHECK(cudnnGetVersion() == CUDNN_VERSION);
    CHECK(std::string(cudnnGetErrorString(CUDNN_STATUS_BAD_PARAM)) == "CUDNN_STATUS_BAD_PARAM");
    cudnnBackendDescriptor_t b;
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &b));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnSetStream(nullptr, nullptr));
    cudnnHandle_t gone;
    OK(cudnnCreate(&gone));
    OK(cudnnDestroy(gone));
    expect(1, [&] { STATUS(CUDNN_STATUS_NOT_INITIALIZED, cudnnSetStream(gone, nullptr)); });
    expect(1, [&] { STATUS(CUDNN_STATUS_NOT_INITIALIZED, cudnnDestroy(gone)); });
    CUcontext now;
    OK(cuCtxGetCurrent(&now));
    OK(cuCtxSetCurrent(nullptr));
    STATUS(CUDNN_STATUS_NOT_INITIALIZED, cudnnCreate(&gone));
    STATUS(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, cudnnSetStream(handle, nullptr));
    CUcontext other;
    CUdevice d0;
    OK(cuDeviceGet(&d0, 0));
    OK(cuCtxCreate(&other, nullptr, 0, d0));
    STATUS(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, cudnnSetStream(handle, nullptr));  // the handle is not of this context
    OK(cuCtxDestroy(other));
    OK(cuCtxSetCurrent(now));
    // A tensor that does not fit its allocation is refused when the call is made.
    Random random(1);
    Tensor t(layout('h', 1, 1, 2, 2), F32, random), big(layout('h', 1, 1, 64, 64), F32, random);
    cudnnActivationDescriptor_t d;
    OK(cudnnCreateActivationDescriptor(&d));
    OK(cudnnSetActivationDescriptor(d, CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0));
    expect(1, [&] { STATUS(CUDNN_STATUS_BAD_PARAM, cudnnActivationForward(handle, d, &one, big.d, big.p(), &zero, big.d, t.p())); });
    OK(cudnnDestroyActivationDescriptor(d));
}

}  // namespace

int main() {
    device();
    OK(cudnnCreate(&handle));
    for (const Pool& r : pools) pool(r);
    pool_edges();
    lrn();
    softmax();
    activations();
    elementwise();
    library();
    OK(cudnnDestroy(handle));
    return done("nn/test_layers");
}
