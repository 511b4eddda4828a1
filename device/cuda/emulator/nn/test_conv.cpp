// Every pass of the convolution against plain double loops; algorithms, workspaces, refusals, capture.
#include "test.h"

#include <set>

using namespace test;

namespace {

struct Row {
    const char* name;
    int n, c, h, w, m, r, s, groups, pad_h, pad_w, u, v, dh, dw;
    char x_layout, y_layout;
    bool nhwc_filter, turned;
    nn::Type type;
    cudnnMathType_t math;
    float alpha, beta;
};

constexpr auto F32 = nn::Type::f32, BF16 = nn::Type::bf16, F16 = nn::Type::f16;
constexpr auto FMA = CUDNN_FMA_MATH, TF32 = CUDNN_DEFAULT_MATH, DOWN = CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;

const Row rows[] = {
    {"one pixel", 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"rgb 7x7/2", 2, 3, 15, 13, 10, 7, 7, 1, 3, 3, 2, 2, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"3x3 same", 3, 17, 9, 11, 13, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"1x1 wide", 1, 300, 5, 7, 70, 1, 1, 1, 0, 0, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"1x1 stride 2", 2, 8, 7, 7, 5, 1, 1, 1, 0, 0, 2, 2, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"groups of 3", 2, 6, 8, 7, 9, 3, 3, 3, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"depthwise", 1, 8, 10, 9, 8, 3, 3, 8, 1, 1, 2, 2, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"dilated 2,3", 1, 5, 14, 15, 6, 3, 3, 1, 2, 3, 1, 1, 2, 3, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"strides 3,2, 4x2 window", 2, 4, 13, 10, 7, 4, 2, 1, 1, 0, 3, 2, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"padding larger than window", 1, 2, 3, 3, 2, 2, 2, 1, 3, 3, 2, 2, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
    {"true convolution", 2, 3, 6, 7, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, true, F32, FMA, 1, 0},
    {"true convolution NCHW", 2, 4, 6, 7, 4, 3, 2, 2, 1, 1, 2, 1, 1, 1, 'c', 'c', false, true, F32, FMA, 1, 0},
    {"NCHW", 2, 5, 9, 8, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'c', 'c', false, false, F32, FMA, 1, 0},
    {"NCHW in, NHWC out", 2, 4, 7, 8, 6, 5, 3, 2, 2, 1, 1, 1, 1, 1, 'c', 'h', false, false, F32, FMA, 1, 0},
    {"gaps", 2, 3, 6, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'g', 'g', false, false, F32, FMA, 1, 0},
    {"alpha and beta", 2, 3, 6, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, -0.5f, 2},
    {"alpha and beta, gaps", 1, 3, 6, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'g', 'c', false, false, F32, FMA, 0.25f, -1},
    {"TF32", 2, 16, 6, 5, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, TF32, 1, 0},
    {"down to half", 1, 16, 6, 5, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, DOWN, 1, 0},
    {"bf16", 2, 7, 8, 5, 9, 3, 3, 1, 1, 1, 2, 2, 1, 1, 'h', 'h', true, false, BF16, TF32, 1, 0},
    {"bf16 beta", 1, 8, 6, 5, 8, 3, 3, 2, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, BF16, TF32, 0.5f, 1},
    {"f16", 1, 7, 8, 5, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F16, TF32, 1, 0},
    {"one position, strides of NCHW", 3, 20, 1, 1, 6, 1, 1, 1, 0, 0, 1, 1, 1, 1, 'c', 'c', true, false, F32, FMA, 1, 0},
    {"many pixels", 1, 3, 40, 41, 34, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0},
};

// Problem holds the descriptors and memory of one row.
struct Problem {
    const Row& row;
    Random random{7};
    int p, q;
    Tensor x, y;
    std::vector<float> w;
    Buffer w_memory;
    cudnnFilterDescriptor_t wd;
    cudnnConvolutionDescriptor_t conv;
    cudnnHandle_t handle;

    explicit Problem(const Row& r)
        : row(r), p((r.h + 2 * r.pad_h - r.dh * (r.r - 1) - 1) / r.u + 1), q((r.w + 2 * r.pad_w - r.dw * (r.s - 1) - 1) / r.v + 1),
          x(layout(r.x_layout, r.n, r.c, r.h, r.w), r.type, random), y(layout(r.y_layout, r.n, r.m, p, q), r.type, random),
          w(random.fill(size_t(r.m * (r.c / r.groups) * r.r * r.s))), w_memory(w.size(), r.type) {
        test::row = r.name;
        for (float& v : w) v = stored(v, r.type);
        w_memory.put(w);
        OK(cudnnCreate(&handle));
        OK(cudnnCreateFilterDescriptor(&wd));
        OK(cudnnSetFilter4dDescriptor(wd, cudnn_type(r.type), r.nhwc_filter ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW, r.m, r.c / r.groups, r.r, r.s));
        OK(cudnnCreateConvolutionDescriptor(&conv));
        OK(cudnnSetConvolution2dDescriptor(conv, r.pad_h, r.pad_w, r.u, r.v, r.dh, r.dw, r.turned ? CUDNN_CONVOLUTION : CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
        OK(cudnnSetConvolutionGroupCount(conv, r.groups));
        OK(cudnnSetConvolutionMathType(conv, r.math));
    }
    Problem(const Problem&) = delete;
    ~Problem() {
        OK(cudnnDestroyConvolutionDescriptor(conv));
        OK(cudnnDestroyFilterDescriptor(wd));
        OK(cudnnDestroy(handle));
    }

    size_t weight(int m, int c, int r, int s) const {
        const int C = row.c / row.groups;
        return row.nhwc_filter ? size_t(((m * row.r + r) * row.s + s) * C + c) : size_t(((m * C + c) * row.r + r) * row.s + s);
    }

    // terms visits every product of the convolution: output (n, m, p, q), input (n, c, h, w), place of the weight.
    template <class F>
    void terms(F visit) const {
        const int C = row.c / row.groups, M = row.m / row.groups;
        for (int n = 0; n < row.n; n++)
            for (int m = 0; m < row.m; m++)
                for (int i = 0; i < p; i++)
                    for (int j = 0; j < q; j++)
                        for (int c = 0; c < C; c++)
                            for (int r = 0; r < row.r; r++)
                                for (int s = 0; s < row.s; s++) {
                                    const int h = i * row.u - row.pad_h + r * row.dh, wd = j * row.v - row.pad_w + s * row.dw;
                                    if (h < 0 || h >= row.h || wd < 0 || wd >= row.w) continue;
                                    visit(n, m, i, j, m / M * C + c, h, wd, row.turned ? weight(m, c, row.r - 1 - r, row.s - 1 - s) : weight(m, c, r, s));
                                }
    }

    // seen is a value as the multiplication sees it: with tensor cores if the algorithm has them.
    float seen(float v, bool cores) const {
        if (row.type != F32 || !cores || row.math == FMA) return v;
        return row.math == DOWN ? nn::rounded(v, nn::Math::f16) : nn::to_tf32(v);
    }

    double tolerance() const { return row.type == BF16 ? 4e-3 : row.type == F16 ? 5e-4 : 2e-6; }
};

std::vector<double> forward(const Problem& t, bool cores) {
    std::vector<double> want = t.y.whole(), sum(want.size());
    t.terms([&](int n, int m, int i, int j, int c, int h, int w, size_t k) {
        sum[t.y.l.at(n, m, i, j)] += double(t.seen(t.x.at(n, c, h, w), cores)) * t.seen(t.w[k], cores);
    });
    each(t.y.l, [&](int n, int c, int h, int w) {
        const size_t i = t.y.l.at(n, c, h, w);
        want[i] = t.row.alpha * sum[i] + (t.row.beta ? t.row.beta * want[i] : 0);
    });
    return want;
}

std::vector<double> data(const Problem& t, bool cores) {
    std::vector<double> want = t.x.whole(), sum(want.size());
    t.terms([&](int n, int m, int i, int j, int c, int h, int w, size_t k) {
        sum[t.x.l.at(n, c, h, w)] += double(t.seen(t.y.at(n, m, i, j), cores)) * t.seen(t.w[k], cores);
    });
    each(t.x.l, [&](int n, int c, int h, int w) {
        const size_t i = t.x.l.at(n, c, h, w);
        want[i] = t.row.alpha * sum[i] + (t.row.beta ? t.row.beta * want[i] : 0);
    });
    return want;
}

std::vector<double> filter(const Problem& t, bool cores) {
    std::vector<double> want(t.w.begin(), t.w.end()), sum(want.size());
    t.terms([&](int n, int m, int i, int j, int c, int h, int w, size_t k) {
        sum[k] += double(t.seen(t.y.at(n, m, i, j), cores)) * t.seen(t.x.at(n, c, h, w), cores);
    });
    for (size_t i = 0; i < want.size(); i++) want[i] = t.row.alpha * sum[i] + (t.row.beta ? t.row.beta * want[i] : 0);
    return want;
}

// Each pass with every algorithm that the library says can do it; a workspace must come back full of NaN where there was one.
void passes(const Row& r) {
    int count = 0;
    {
        Problem t(r);
        const auto plain = forward(t, false), cores = forward(t, true);
        cudnnConvolutionFwdAlgoPerf_t found[32];
        OK(cudnnGetConvolutionForwardAlgorithm_v7(t.handle, t.x.d, t.wd, t.conv, t.y.d, 32, &count, found));
        CHECK(count > 0 && found[0].status == CUDNN_STATUS_SUCCESS);
        for (int i = 0; i < count && found[i].status == CUDNN_STATUS_SUCCESS; i++) {
            OK(cudnnSetConvolutionMathType(t.conv, found[i].mathType));
            size_t need;
            OK(cudnnGetConvolutionForwardWorkspaceSize(t.handle, t.x.d, t.wd, t.conv, t.y.d, found[i].algo, &need));
            CHECK(need == found[i].memory);
            Buffer space(std::vector<float>(need / 4 + 1, 1));
            t.y.memory.put(t.y.start);
            OK(cudnnConvolutionForward(t.handle, &r.alpha, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, found[i].algo, space.p(), need, &r.beta, t.y.d, t.y.p()));
            near(t.y.memory.get(), found[i].mathType == FMA ? plain : cores, t.tolerance(), ("forward " + std::to_string(found[i].algo)).c_str());
            if (need) CHECK(std::isnan(space.get()[0]) && std::isnan(space.get()[need / 4 - 1]) && space.get()[need / 4] == 1);
        }
    }
    {
        Problem t(r);
        const auto plain = data(t, false), cores = data(t, true);
        cudnnConvolutionBwdDataAlgoPerf_t found[32];
        OK(cudnnGetConvolutionBackwardDataAlgorithm_v7(t.handle, t.wd, t.y.d, t.conv, t.x.d, 32, &count, found));
        CHECK(count > 0 && found[0].status == CUDNN_STATUS_SUCCESS);
        for (int i = 0; i < count && found[i].status == CUDNN_STATUS_SUCCESS; i++) {
            OK(cudnnSetConvolutionMathType(t.conv, found[i].mathType));
            Buffer space(found[i].memory / 4 + 1);
            t.x.memory.put(t.x.start);
            OK(cudnnConvolutionBackwardData(t.handle, &r.alpha, t.wd, t.w_memory.p(), t.y.d, t.y.p(), t.conv, found[i].algo, space.p(), found[i].memory, &r.beta, t.x.d, t.x.p()));
            const bool with = found[i].mathType != FMA && found[i].algo != CUDNN_CONVOLUTION_BWD_DATA_ALGO_0;
            near(t.x.memory.get(), with ? cores : plain, t.tolerance(), ("backward data " + std::to_string(found[i].algo)).c_str());
        }
    }
    {
        Problem t(r);
        const auto plain = filter(t, false), cores = filter(t, true);
        cudnnConvolutionBwdFilterAlgoPerf_t found[32];
        OK(cudnnGetConvolutionBackwardFilterAlgorithm_v7(t.handle, t.x.d, t.y.d, t.conv, t.wd, 32, &count, found));
        CHECK(count > 0 && found[0].status == CUDNN_STATUS_SUCCESS);
        for (int i = 0; i < count && found[i].status == CUDNN_STATUS_SUCCESS; i++) {
            OK(cudnnSetConvolutionMathType(t.conv, found[i].mathType));
            Buffer space(found[i].memory / 4 + 1), dw(t.w, r.type);
            OK(cudnnConvolutionBackwardFilter(t.handle, &r.alpha, t.x.d, t.x.p(), t.y.d, t.y.p(), t.conv, found[i].algo, space.p(), found[i].memory, &r.beta, t.wd, dw.p()));
            const bool with = found[i].mathType != FMA && found[i].algo != CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0;
            near(dw.get(), with ? cores : plain, t.tolerance(), ("backward filter " + std::to_string(found[i].algo)).c_str());
        }
    }
}

// y = act(alpha1 conv(x) + alpha2 z + bias), z apart and in place, RELU and IDENTITY.
void fused(const Row& r) {
    for (int mode = 0; mode < 2; mode++)
        for (int kind = 0; kind < 3; kind++) {  // alpha2 0, z apart, z in place
            Problem t(r);
            test::row = std::string(r.name) + (mode ? " identity" : " relu") + " z " + std::to_string(kind);
            const bool cores = r.math != FMA;
            Tensor z(t.y.l, r.type, t.random), bias(layout('c', 1, r.m, 1, 1), r.type, t.random);
            const float a1 = mode ? 1 : 0.5f, a2 = kind ? 2 : 0;
            std::vector<double> want = t.y.whole(), sum(want.size());
            t.terms([&](int n, int m, int i, int j, int c, int h, int w, size_t k) {
                sum[t.y.l.at(n, m, i, j)] += double(t.seen(t.x.at(n, c, h, w), cores)) * t.seen(t.w[k], cores);
            });
            each(t.y.l, [&](int n, int c, int h, int w) {
                const size_t i = t.y.l.at(n, c, h, w);
                double v = a1 * sum[i] + bias.at(0, c, 0, 0);
                if (kind) v += a2 * (kind == 2 ? t.y.start : z.start)[i];
                want[i] = mode == 0 && v < 0 ? 0 : v;
            });
            cudnnActivationDescriptor_t act;
            OK(cudnnCreateActivationDescriptor(&act));
            OK(cudnnSetActivationDescriptor(act, mode ? CUDNN_ACTIVATION_IDENTITY : CUDNN_ACTIVATION_RELU, CUDNN_NOT_PROPAGATE_NAN, 0));
            const auto algo = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
            size_t need;
            OK(cudnnGetConvolutionForwardWorkspaceSize(t.handle, t.x.d, t.wd, t.conv, t.y.d, algo, &need));
            Buffer space(need / 4 + 1);
            OK(cudnnConvolutionBiasActivationForward(t.handle, &a1, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, algo, space.p(), need, &a2, z.d, kind == 2 ? t.y.p() : z.p(),
                                                     bias.d, bias.p(), act, t.y.d, t.y.p()));
            near(t.y.memory.get(), want, t.tolerance(), "convolution, bias, activation");
            OK(cudnnDestroyActivationDescriptor(act));
        }
}

void bias(const Row& r) {
    Problem t(r);
    Tensor b(layout('c', 1, r.m, 1, 1), r.type, t.random);
    std::vector<double> want = b.whole(), sum(want.size());
    each(t.y.l, [&](int n, int c, int h, int w) { sum[size_t(c)] += t.y.at(n, c, h, w); });
    for (size_t c = 0; c < want.size(); c++) want[c] = r.alpha * sum[c] + (r.beta ? r.beta * want[c] : 0);
    OK(cudnnConvolutionBackwardBias(t.handle, &r.alpha, t.y.d, t.y.p(), &r.beta, b.d, b.p()));
    near(b.memory.get(), want, t.tolerance(), "backward bias");
    if (r.n > 1) STATUS(CUDNN_STATUS_BAD_PARAM, cudnnConvolutionBackwardBias(t.handle, &r.alpha, t.y.d, t.y.p(), &r.beta, t.y.d, b.p()));
}

const Row usual = {"usual", 2, 8, 12, 12, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 'h', 'h', true, false, F32, FMA, 1, 0};
const float one = 1, zero = 0;

// agree tells whether three runs into fresh memory give the same bits; an algorithm that is not deterministic sums in both of its
// orders within three runs.
bool agree(size_t n, const std::function<void(void*)>& run) {
    Buffer a(n), b(n), c(n);
    for (Buffer* out : {&a, &b, &c}) run(out->p());
    return same(a.get(), b.get()) && same(a.get(), c.get());
}

void determinism() {
    Row r = usual;
    r.n = 4, r.h = r.w = 20;
    Problem t(r);
    int count;
    cudnnConvolutionBwdFilterAlgoPerf_t filters[32];
    OK(cudnnGetConvolutionBackwardFilterAlgorithm_v7(t.handle, t.x.d, t.y.d, t.conv, t.wd, 32, &count, filters));
    for (int i = 0; i < count && filters[i].status == CUDNN_STATUS_SUCCESS; i++) {
        const auto& f = filters[i];
        test::row = "determinism, filter " + std::to_string(f.algo);
        Buffer space(f.memory / 4 + 1);
        const bool agrees = agree(t.w.size(), [&](void* dw) {
            OK(cudnnConvolutionBackwardFilter(t.handle, &one, t.x.d, t.x.p(), t.y.d, t.y.p(), t.conv, f.algo, space.p(), f.memory, &zero, t.wd, dw));
        });
        CHECK(agrees == (f.determinism == CUDNN_DETERMINISTIC));
        CHECK(agrees == (f.algo != CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 && f.algo != CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3));
    }
    cudnnConvolutionBwdDataAlgoPerf_t datas[32];
    OK(cudnnGetConvolutionBackwardDataAlgorithm_v7(t.handle, t.wd, t.y.d, t.conv, t.x.d, 32, &count, datas));
    for (int i = 0; i < count && datas[i].status == CUDNN_STATUS_SUCCESS; i++) {
        const auto& d = datas[i];
        test::row = "determinism, data " + std::to_string(d.algo);
        Buffer space(d.memory / 4 + 1);
        const bool agrees = agree(t.x.start.size(), [&](void* dx) {
            OK(cudnnConvolutionBackwardData(t.handle, &one, t.wd, t.w_memory.p(), t.y.d, t.y.p(), t.conv, d.algo, space.p(), d.memory, &zero, t.x.d, dx));
        });
        CHECK(agrees == (d.determinism == CUDNN_DETERMINISTIC));
        CHECK(agrees == (d.algo != CUDNN_CONVOLUTION_BWD_DATA_ALGO_0));
    }
}

// Which algorithms the tables of the documentation allow.
void support() {
    struct Support {
        const char* name;
        Row row;
        std::set<int> forward, data, filter;
    };
    Row nchw = usual;
    nchw.nhwc_filter = false, nchw.x_layout = nchw.y_layout = 'c';
    Row dilated = usual, far = nchw, strided = nchw, five = nchw, half = nchw, dilated_nchw = nchw, wide_pad = nchw;
    dilated.dh = dilated.dw = 2;
    dilated_nchw.dh = 2;
    far.h = far.w = 300, far.n = far.c = far.m = 1;
    strided.u = 2;
    five.r = five.s = 5;
    half.type = BF16;
    wide_pad.pad_h = 3;
    const Support table[] = {
        {"NHWC", usual, {0, 1}, {0, 1}, {0, 1}},
        {"NHWC dilated", dilated, {0, 1}, {0, 1}, {0, 1}},
        {"NCHW", nchw, {0, 1, 2, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 5, 6}},
        {"NCHW dilated", dilated_nchw, {0}, {0}, {0, 1}},
        {"300 wide", far, {0, 1, 2, 5, 6, 7}, {0, 1, 3, 4, 5}, {0, 1, 3, 5, 6}},
        {"stride 2", strided, {0, 1, 2}, {0, 1}, {0, 1, 3}},
        {"5x5", five, {0, 1, 2, 4, 5, 7}, {0, 1, 2, 3, 5}, {0, 1, 2, 3, 5, 6}},
        {"bf16", half, {0, 1, 2, 7}, {0, 1, 5}, {0, 1, 3, 5}},
        {"padding 3", wide_pad, {0, 1, 2, 6, 7}, {0, 1, 4, 5}, {0, 1, 3, 5}},
    };
    for (const Support& s : table) {
        Problem t(s.row);
        test::row = s.name;
        size_t need;
        for (int a = 0; a < CUDNN_CONVOLUTION_FWD_ALGO_COUNT; a++) {
            const auto want = s.forward.count(a) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
            STATUS(want, cudnnGetConvolutionForwardWorkspaceSize(t.handle, t.x.d, t.wd, t.conv, t.y.d, cudnnConvolutionFwdAlgo_t(a), &need));
            if (want != CUDNN_STATUS_SUCCESS)
                STATUS(want, cudnnConvolutionForward(t.handle, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, cudnnConvolutionFwdAlgo_t(a), nullptr, 0, &zero, t.y.d, t.y.p()));
        }
        for (int a = 0; a < CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT; a++)
            STATUS(s.data.count(a) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED,
                   cudnnGetConvolutionBackwardDataWorkspaceSize(t.handle, t.wd, t.y.d, t.conv, t.x.d, cudnnConvolutionBwdDataAlgo_t(a), &need));
        for (int a = 0; a < CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT; a++)
            STATUS(s.filter.count(a) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED,
                   cudnnGetConvolutionBackwardFilterWorkspaceSize(t.handle, t.x.d, t.y.d, t.conv, t.wd, cudnnConvolutionBwdFilterAlgo_t(a), &need));
        STATUS(CUDNN_STATUS_BAD_PARAM, cudnnGetConvolutionForwardWorkspaceSize(t.handle, t.x.d, t.wd, t.conv, t.y.d, cudnnConvolutionFwdAlgo_t(99), &need));
    }
}

// Find measures: times rise, the workspace limit counts, and the result's memory is spoilt.
void find() {
    Row r = usual;
    r.math = TF32;
    Problem t(r);
    test::row = "find";
    int count, most;
    cudnnConvolutionFwdAlgoPerf_t found[32], heuristic[32];
    Buffer space(1 << 20);
    OK(cudnnFindConvolutionForwardAlgorithmEx(t.handle, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, t.y.d, t.y.p(), 32, &count, found, space.p(), 4 << 20));
    CHECK(found[0].mathType == CUDNN_TENSOR_OP_MATH && found[0].algo == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
    for (int i = 1; i < count && found[i].status == CUDNN_STATUS_SUCCESS; i++) CHECK(found[i].time > found[i - 1].time && found[i - 1].time > 0);
    CHECK(found[count - 1].status == CUDNN_STATUS_NOT_SUPPORTED && found[count - 1].time == -1);
    CHECK(std::isnan(t.y.memory.get()[0]));
    OK(cudnnGetConvolutionForwardAlgorithmMaxCount(t.handle, &most));
    CHECK(count == most);
    OK(cudnnGetConvolutionForwardAlgorithm_v7(t.handle, t.x.d, t.wd, t.conv, t.y.d, 2, &count, heuristic));
    CHECK(count == 2 && heuristic[0].algo == found[0].algo && heuristic[0].time == -1);
    OK(cudnnFindConvolutionForwardAlgorithmEx(t.handle, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, t.y.d, t.y.p(), 32, &count, found, nullptr, 0));
    CHECK(found[0].algo == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM && found[0].memory == 0);
    CHECK(found[1].status == CUDNN_STATUS_ALLOC_FAILED);
    cudnnConvolutionBwdDataAlgoPerf_t bd[32];
    OK(cudnnFindConvolutionBackwardDataAlgorithmEx(t.handle, t.wd, t.w_memory.p(), t.y.d, t.y.p(), t.conv, t.x.d, t.x.p(), 1, &count, bd, space.p(), 4 << 20));
    CHECK(count == 1 && bd[0].status == CUDNN_STATUS_SUCCESS && std::isnan(t.x.memory.get()[0]));
    cudnnConvolutionBwdFilterAlgoPerf_t bf[32];
    Buffer dw(t.w);
    OK(cudnnFindConvolutionBackwardFilterAlgorithmEx(t.handle, t.x.d, t.x.p(), t.y.d, t.y.p(), t.conv, t.wd, dw.p(), 1, &count, bf, space.p(), 4 << 20));
    CHECK(count == 1 && bf[0].status == CUDNN_STATUS_SUCCESS && std::isnan(dw.get()[0]));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnGetConvolutionForwardAlgorithm_v7(t.handle, t.x.d, t.wd, t.conv, t.y.d, 0, &count, heuristic));
}

// What is refused, and what only the emulator notices.
void refusals() {
    Problem t(usual);
    test::row = "refusals";
    const auto gemm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, precomp = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    const auto run = [&](cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t y) {
        return cudnnConvolutionForward(t.handle, &one, x, t.x.p(), w, t.w_memory.p(), c, gemm, nullptr, 0, &zero, y, t.y.p());
    };
    OK(run(t.x.d, t.wd, t.conv, t.y.d));
    STATUS(CUDNN_STATUS_BAD_PARAM, run(nullptr, t.wd, t.conv, t.y.d));
    STATUS(CUDNN_STATUS_BAD_PARAM, run(t.x.d, nullptr, t.conv, t.y.d));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnConvolutionForward(nullptr, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnConvolutionForward(t.handle, nullptr, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnConvolutionForward(t.handle, &one, t.x.d, nullptr, t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnConvolutionForward(t.handle, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.x.p()));  // in place
    STATUS(CUDNN_STATUS_BAD_PARAM, cudnnConvolutionForward(t.handle, static_cast<float*>(t.y.p()), t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()));

    struct Wrong {
        const char* name;
        cudnnStatus_t status;
        Row row;
        Layout y;
        nn::Type y_type;
    };
    Row nchw = usual;
    nchw.x_layout = 'c';
    const Wrong wrong[] = {
        {"output height", CUDNN_STATUS_BAD_PARAM, usual, layout('h', 2, 8, 11, 12), F32},
        {"output channels", CUDNN_STATUS_BAD_PARAM, usual, layout('h', 2, 7, 12, 12), F32},
        {"images", CUDNN_STATUS_BAD_PARAM, usual, layout('h', 1, 8, 12, 12), F32},
        {"type of y", CUDNN_STATUS_NOT_SUPPORTED, usual, layout('h', 2, 8, 12, 12), BF16},
        {"y with gaps under an NHWC filter", CUDNN_STATUS_NOT_SUPPORTED, usual, layout('g', 2, 8, 12, 12), F32},
        {"NCHW input under an NHWC filter", CUDNN_STATUS_NOT_SUPPORTED, nchw, layout('h', 2, 8, 12, 12), F32},
    };
    for (const Wrong& w : wrong) {
        Problem other(w.row);
        Tensor y(w.y, w.y_type, other.random);
        test::row = w.name;
        STATUS(w.status, cudnnConvolutionForward(other.handle, &one, other.x.d, other.x.p(), other.wd, other.w_memory.p(), other.conv, gemm, nullptr, 0, &zero, y.d, y.p()));
        CHECK(why().find("cudnnConvolutionForward: ") == 0);
    }
    test::row = "groups";
    OK(cudnnSetConvolutionGroupCount(t.conv, 2));
    STATUS(CUDNN_STATUS_BAD_PARAM, run(t.x.d, t.wd, t.conv, t.y.d));
    OK(cudnnSetConvolutionGroupCount(t.conv, 1));

    test::row = "workspace";
    size_t need;
    OK(cudnnGetConvolutionForwardWorkspaceSize(t.handle, t.x.d, t.wd, t.conv, t.y.d, precomp, &need));
    CHECK(need > 0);
    Buffer space(need / 4 + 64);
    const auto with = [&](void* p, size_t bytes) {
        return cudnnConvolutionForward(t.handle, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, precomp, p, bytes, &zero, t.y.d, t.y.p());
    };
    OK(with(space.p(), need));
    STATUS(CUDNN_STATUS_BAD_PARAM, with(space.p(), need - 1));
    STATUS(CUDNN_STATUS_BAD_PARAM, with(nullptr, need));
    expect(1, [&] { with(t.y.p(), need); });  // overlaps y
    CHECK(std::isnan(t.y.memory.get()[0]));
    OK(cudnnSetConvolutionMathType(t.conv, CUDNN_TENSOR_OP_MATH));
    STATUS(CUDNN_STATUS_BAD_PARAM, with(space.p(), need));  // tensor cores want more
    OK(cudnnGetConvolutionForwardWorkspaceSize(t.handle, t.x.d, t.wd, t.conv, t.y.d, precomp, &need));
    Buffer more(need / 4 + 64);
    OK(with(more.p(), need));
    expect(1, [&] { OK(with(more.at(8), need)); });  // not aligned to 16 bytes
    OK(cuCtxSynchronize());

    test::row = "life";
    cudnnTensorDescriptor_t gone;
    OK(cudnnCreateTensorDescriptor(&gone));
    STATUS(CUDNN_STATUS_BAD_PARAM, run(gone, t.wd, t.conv, t.y.d));  // never set
    OK(cudnnDestroyTensorDescriptor(gone));
    expect(1, [&] { STATUS(CUDNN_STATUS_BAD_PARAM, run(gone, t.wd, t.conv, t.y.d)); });
    expect(1, [&] { STATUS(CUDNN_STATUS_BAD_PARAM, cudnnDestroyTensorDescriptor(gone)); });

    test::row = "bias and activation";
    Tensor z(t.y.l, F32, t.random), b(layout('c', 1, 8, 1, 1), F32, t.random), b7(layout('c', 1, 7, 1, 1), F32, t.random), half(layout('c', 1, 8, 1, 1), BF16, t.random);
    cudnnActivationDescriptor_t act;
    OK(cudnnCreateActivationDescriptor(&act));
    OK(cudnnSetConvolutionMathType(t.conv, CUDNN_FMA_MATH));
    const auto fused = [&](cudnnConvolutionFwdAlgo_t algo, cudnnActivationMode_t mode, cudnnNanPropagation_t nan, const Tensor& bias, cudnnTensorDescriptor_t zd, void* zp) {
        OK(cudnnSetActivationDescriptor(act, mode, nan, 0));
        return cudnnConvolutionBiasActivationForward(t.handle, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, algo, nullptr, 0, &one, zd, zp, bias.d, bias.p(), act, t.y.d, t.y.p());
    };
    const auto relu = CUDNN_ACTIVATION_RELU;
    const auto drop = CUDNN_NOT_PROPAGATE_NAN;
    OK(fused(gemm, relu, drop, b, z.d, z.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(gemm, CUDNN_ACTIVATION_IDENTITY, drop, b, z.d, z.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(gemm, CUDNN_ACTIVATION_TANH, drop, b, z.d, z.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(gemm, relu, CUDNN_PROPAGATE_NAN, b, z.d, z.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(gemm, relu, drop, b7, z.d, z.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(gemm, relu, drop, half, z.d, z.p()));
    STATUS(CUDNN_STATUS_NOT_SUPPORTED, fused(gemm, relu, drop, b, b.d, z.p()));
    STATUS(CUDNN_STATUS_BAD_PARAM, fused(gemm, relu, drop, b, z.d, static_cast<char*>(t.y.p()) + 16));
    OK(cudnnDestroyActivationDescriptor(act));
}

// Nothing runs at call time; scalars and descriptors are taken at call time; a graph runs the call at each launch.
void order() {
    Problem t(usual);
    test::row = "order";
    const auto gemm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM;
    const auto want = forward(t, false);
    CUstream s;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cudnnSetStream(t.handle, cudaStream_t(s)));
    cudaStream_t back;
    OK(cudnnGetStream(t.handle, &back));
    CHECK(back == cudaStream_t(s));
    float alpha = 1;
    cudnnTensorDescriptor_t xd;
    OK(cudnnCreateTensorDescriptor(&xd));
    OK(cudnnSetTensor4dDescriptor(xd, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 2, 8, 12, 12));
    const auto before = emu_counter("library_calls");
    OK(cudnnConvolutionForward(t.handle, &alpha, xd, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()));
    CHECK(emu_counter("library_calls") == before + 1);
    alpha = 7;
    OK(cudnnSetTensor4dDescriptor(xd, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, 1, 1, 1));
    OK(cudnnDestroyTensorDescriptor(xd));
    OK(cuStreamSynchronize(s));
    near(t.y.memory.get(), want, 2e-6, "queued");

    test::row = "capture";
    CUgraph graph;
    CUgraphExec exec;
    t.y.memory.put(std::vector<float>(t.y.start.size(), 5));
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(cudnnConvolutionForward(t.handle, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()));
    int count;
    cudnnConvolutionFwdAlgoPerf_t found[2];
    STATUS(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER,
           cudnnFindConvolutionForwardAlgorithmEx(t.handle, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, t.y.d, t.y.p(), 2, &count, found, nullptr, 0));
    OK(cuStreamEndCapture(s, &graph));
    OK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(t.y.memory.get()[0] == 5);
    OK(cuGraphLaunch(exec, s));
    OK(cuStreamSynchronize(s));
    near(t.y.memory.get(), want, 2e-6, "launched");
    std::vector<float> doubled = t.x.start;
    for (float& v : doubled) v *= 2;
    t.x.memory.put(doubled);
    OK(cuGraphLaunch(exec, s));
    OK(cuStreamSynchronize(s));
    auto twice = want;
    for (double& v : twice) v *= 2;
    near(t.y.memory.get(), twice, 2e-6, "launched again");
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));

    test::row = "faults";
    OK(emu_control("fail-call cudnnConvolutionForward 2"));
    const auto call = [&] { return cudnnConvolutionForward(t.handle, &one, t.x.d, t.x.p(), t.wd, t.w_memory.p(), t.conv, gemm, nullptr, 0, &zero, t.y.d, t.y.p()); };
    OK(call());
    STATUS(CUDNN_STATUS_EXECUTION_FAILED, call());
    OK(call());
    OK(cuStreamSynchronize(s));
    OK(cuStreamDestroy(s));
}

}  // namespace

int main() {
    device();
    for (const Row& r : rows) passes(r);
    for (const Row& r : rows)
        if (!r.turned && r.beta == 0 && (r.nhwc_filter || r.dh * r.dw == 1)) fused(r);
    for (const Row& r : rows) bias(r);
    determinism();
    support();
    find();
    refusals();
    order();
    return done("nn/test_conv");
}
