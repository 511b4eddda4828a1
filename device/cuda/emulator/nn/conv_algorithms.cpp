// Which algorithm solves what, after the tables "Supported Algorithms" of cudnnConvolutionForward, BackwardData and BackwardFilter
// in NVIDIA's API reference; what each wants as workspace is made up, but never 0 where the real one needs some.
#include "conv.h"

namespace nn {
namespace {

using P = const Problem&;

bool nhwc(P p) { return p.w.format == CUDNN_TENSOR_NHWC; }
bool dilated(P p) { return p.g.dilation_h != 1 || p.g.dilation_w != 1; }
bool unit_stride(P p) { return p.g.stride_h == 1 && p.g.stride_w == 1; }
bool filter_is(P p, int64_t side) { return p.g.r == side && p.g.s == side; }

// The GEMM family takes any strides with NCHW filters; NHWC filters want both tensors NHWC without gaps.
std::string layout(P p) {
    if (nhwc(p) && (!packed_nhwc(p.x) || !packed_nhwc(p.y))) return "an NHWC filter wants fully packed NHWC tensors";
    return "";
}

std::string any(P p) { return layout(p); }

// With NHWC filters dilation is allowed in all of the GEMM family.
std::string undilated(P p) {
    if (!nhwc(p) && dilated(p)) return "dilation must be 1 with NCHW filters";
    return layout(p);
}

std::string explicit_gemm(P p) {
    if (nhwc(p)) return "the filter must be NCHW";
    return undilated(p);
}

std::string never(P) { return "is not implemented"; }

std::string winograd(P p) {
    if (nhwc(p)) return "the filter must be NCHW";
    if (p.type == Type::bf16) return "BFLOAT16 is not supported";
    if (!filter_is(p, 3)) return "the filter must be 3x3";
    if (!unit_stride(p) || dilated(p)) return "stride and dilation must be 1";
    return "";
}

std::string winograd_apart(P p) {
    if (nhwc(p)) return "the filter must be NCHW";
    if (!filter_is(p, 3) && !filter_is(p, 5)) return "the filter must be 3x3 or 5x5";
    if (!unit_stride(p) || dilated(p)) return "stride and dilation must be 1";
    return "";
}

std::string fft_common(P p) {
    if (nhwc(p) || !packed_nchw(p.x) || !packed_nchw(p.y)) return "tensors and filter must be packed NCHW";
    if (p.type == Type::bf16) return "BFLOAT16 is not supported";
    if (!unit_stride(p) || dilated(p)) return "stride and dilation must be 1";
    if (p.g.r <= p.g.pad_h || p.g.s <= p.g.pad_w) return "the filter must be larger than the padding";
    return "";
}

std::string fft(P p) {
    if (p.g.h + 2 * p.g.pad_h > 256 || p.g.w + 2 * p.g.pad_w > 256) return "height and width with padding must be at most 256";
    return fft_common(p);
}

std::string fft_tiling(P p) {
    const bool line = p.g.r == 1 || p.g.s == 1;
    if (std::max(p.g.r, p.g.s) > (line ? 256 : 32)) return "the filter must be at most 32x32, or 256 if it is a line";
    return fft_common(p);
}

size_t none(P) { return 0; }
size_t offsets(P p) { return size_t(p.g.p * p.g.q * p.g.r * p.g.s * 4 + 512); }
size_t columns(P p) { return size_t(p.g.taps() * p.g.groups * p.g.p * p.g.q * 4); }
size_t transforms(P p) { return size_t(16 * p.g.c * p.g.m / p.g.groups * 4); }
size_t tiles(P p) { return size_t((36 * (p.g.c * p.g.m / p.g.groups) + 3 * (p.g.n * (p.g.c * p.g.h * p.g.w + p.g.m * p.g.p * p.g.q))) * 4); }
size_t spectra(P p) { return size_t(8 * (p.g.h + p.g.r) * (p.g.w + p.g.s) * (p.g.n * p.g.c + p.g.n * p.g.m + p.g.c * p.g.m / p.g.groups)); }
size_t spectral_tiles(P p) { return size_t(8 * 64 * 64 * (p.g.c + p.g.m + p.g.c * p.g.m / p.g.groups)); }
size_t parts(P p) { return size_t(p.g.m * p.g.taps() * 4 * 2 + 256); }

}  // namespace

// In the order of the pretended times, fastest first. The emulator's numbers do not depend on the algorithm, but for the order of
// sums where one is not deterministic.
const std::vector<Algorithm>& algorithms(Pass pass) {
    static const std::vector<Algorithm> forward = {
        {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, "IMPLICIT_PRECOMP_GEMM", true, true, 1.0f, undilated, offsets},
        {CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, "WINOGRAD", true, false, 1.1f, winograd, transforms},
        {CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED, "WINOGRAD_NONFUSED", true, true, 1.2f, winograd_apart, tiles},
        {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, "IMPLICIT_GEMM", true, false, 1.5f, any, none},
        {CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING, "FFT_TILING", true, false, 1.8f, fft_tiling, spectral_tiles},
        {CUDNN_CONVOLUTION_FWD_ALGO_GEMM, "GEMM", true, false, 2.0f, explicit_gemm, columns},
        {CUDNN_CONVOLUTION_FWD_ALGO_FFT, "FFT", true, false, 2.5f, fft, spectra},
        {CUDNN_CONVOLUTION_FWD_ALGO_DIRECT, "DIRECT", true, false, 9.0f, never, none},
    };
    static const std::vector<Algorithm> data = {
        {CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, "BWD_DATA_ALGO_0", false, false, 1.0f, any, none},
        {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, "BWD_DATA_ALGO_1", true, true, 1.1f, undilated, parts},
        {CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD, "BWD_DATA_ALGO_WINOGRAD", true, false, 1.2f, winograd, transforms},
        {CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED, "BWD_DATA_ALGO_WINOGRAD_NONFUSED", true, true, 1.3f, winograd_apart, tiles},
        {CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING, "BWD_DATA_ALGO_FFT_TILING", true, false, 1.8f, fft_tiling, spectral_tiles},
        {CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, "BWD_DATA_ALGO_FFT", true, false, 2.5f, fft, spectra},
    };
    static const std::vector<Algorithm> filter = {
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, "BWD_FILTER_ALGO_0", false, false, 1.0f, any, none},
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, "BWD_FILTER_ALGO_1", true, true, 1.1f, any, parts},
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED, "BWD_FILTER_ALGO_WINOGRAD_NONFUSED", true, true, 1.2f, winograd_apart, tiles},
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, "BWD_FILTER_ALGO_3", false, false, 1.4f, explicit_gemm, parts},
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING, "BWD_FILTER_ALGO_FFT_TILING", true, false, 1.8f, fft_tiling, spectral_tiles},
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT, "BWD_FILTER_ALGO_FFT", true, false, 2.5f, fft, spectra},
        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD, "BWD_FILTER_ALGO_WINOGRAD", true, false, 9.0f, never, none},
    };
    return pass == Pass::forward ? forward : pass == Pass::data ? data : filter;
}

const Algorithm& algorithm(const Problem& p, int id) {
    for (const Algorithm& a : algorithms(p.pass)) {
        if (a.id != id) continue;
        const std::string why = a.refuses(p);
        require(why.empty(), NOT, "algorithm %s: %s (x %s, filter %s %dx%dx%dx%d, dilation %d,%d)", a.name, why.c_str(), text(p.x).c_str(),
                nhwc(p) ? "NHWC" : "NCHW", p.w.dim[0], p.w.dim[1], p.w.dim[2], p.w.dim[3], p.conv.dilation[0], p.conv.dilation[1]);
        return a;
    }
    throw Refusal{BAD, format("algorithm %d is unknown", id)};
}

bool tensor_math(cudnnMathType_t math) { return math != CUDNN_FMA_MATH; }

size_t workspace(const Problem& p, const Algorithm& a) {
    const size_t least = a.workspace(p);
    return a.tensor_cores && tensor_math(p.conv.math) ? (least + 1024 + 255) / 256 * 256 : least;
}

// Float runs as TF32 under every math type but FMA (so DEFAULT_MATH too, as on an A100 or later); NVIDIA_TF32_OVERRIDE=0 forbids it.
Math multiplication(const Problem& p, const Algorithm& a) {
    if (p.type != Type::f32 || !a.tensor_cores || !tensor_math(p.conv.math)) return Math::f32;
    if (p.conv.math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION) return Math::f16;
    const char* forbidden = std::getenv("NVIDIA_TF32_OVERRIDE");
    return forbidden && *forbidden == '0' ? Math::f32 : Math::tf32;
}

Problem problem(Pass pass, const Tensor& x, const Filter& w, const Convolution& c, const Tensor& y) {
    require(x.rank == w.rank && x.rank == y.rank, BAD, "ranks differ: x %d, filter %d, y %d", x.rank, w.rank, y.rank);
    require(c.rank == x.rank - 2, BAD, "the convolution has %d spatial dimensions, the tensors %d", c.rank, x.rank - 2);
    require(x.rank == 4, NOT, "%d dimensions; the emulator has two-dimensional convolutions", x.rank);
    require(x.type == w.type && x.type == y.type, NOT, "data types differ: x %d, filter %d, y %d", int(x.type), int(w.type), int(y.type));
    Problem p{pass, {}, x, y, w, c, type_of(x.type, "xDesc")};
    require(c.compute == CUDNN_DATA_FLOAT, NOT, "compute type %d; supported are FLOAT_CONFIG, PSEUDO_HALF_CONFIG and PSEUDO_BFLOAT16_CONFIG", int(c.compute));
    for (int i = 0; i < 4; i++) require(x.stride[i] > 0 && y.stride[i] > 0, NOT, "negative strides: x %s, y %s", text(x).c_str(), text(y).c_str());
    require(x.dim[1] == int64_t(w.dim[1]) * c.groups, BAD, "x has %d channels, the filter expects %d x %d groups", x.dim[1], w.dim[1], c.groups);
    require(w.dim[0] % c.groups == 0, BAD, "the filter has %d output channels, not a multiple of %d groups", w.dim[0], c.groups);
    int want[4] = {x.dim[0], w.dim[0]};
    for (int i = 0; i < 2; i++) {
        const int64_t room = int64_t(x.dim[2 + i]) + 2 * c.pad[i] - (int64_t(w.dim[2 + i] - 1) * c.dilation[i] + 1);
        require(room >= 0, BAD, "the filter of %d (dilation %d) does not fit %d + 2 x %d padding", w.dim[2 + i], c.dilation[i], x.dim[2 + i], c.pad[i]);
        want[2 + i] = int(room / c.stride[i]) + 1;
    }
    require(std::equal(want, want + 4, y.dim), BAD, "y is [%d,%d,%d,%d], expected [%d,%d,%d,%d]", y.dim[0], y.dim[1], y.dim[2], y.dim[3], want[0], want[1],
            want[2], want[3]);
    p.g = {x.dim[0],   x.dim[1],   x.dim[2],    x.dim[3],    w.dim[0],      y.dim[2],      y.dim[3], w.dim[2], w.dim[3], c.groups,
           c.pad[0],   c.pad[1],   c.stride[0], c.stride[1], c.dilation[0], c.dilation[1], c.mode == CUDNN_CONVOLUTION};
    return p;
}

namespace {

// Choice is one line of what Get and Find answer: an algorithm with or without tensor cores.
struct Choice {
    const Algorithm* algorithm;
    cudnnStatus_t status;
    float time;
    size_t memory;
    cudnnMathType_t math;
};

// choices lists every algorithm, those that work first and in order of time. Where float may use tensor cores there are two
// variants, and the caller must set the math type that comes with the one he takes.
std::vector<Choice> choices(const Problem& given, size_t most) {
    std::vector<Choice> good, bad;
    const double work = 2e-9 * double(given.g.n * given.g.p * given.g.q * given.g.m) * double(given.g.taps());
    for (const Algorithm& a : algorithms(given.pass)) {
        std::vector<cudnnMathType_t> maths;
        if (a.tensor_cores && tensor_math(given.conv.math))
            maths.push_back(given.conv.math == CUDNN_DEFAULT_MATH ? CUDNN_TENSOR_OP_MATH : given.conv.math);
        if (given.type == Type::f32 || maths.empty()) maths.push_back(CUDNN_FMA_MATH);
        for (cudnnMathType_t math : maths) {
            Problem p = given;
            p.conv.math = math;
            Choice c{&a, CUDNN_STATUS_SUCCESS, -1, 0, math};
            if (!a.refuses(p).empty())
                c.status = NOT;
            else if ((c.memory = workspace(p, a)) > most)
                c.status = CUDNN_STATUS_ALLOC_FAILED;
            else
                c.time = float(0.005 + work * a.pace * (math == CUDNN_FMA_MATH ? 4 : 1));
            (c.status == CUDNN_STATUS_SUCCESS ? good : bad).push_back(c);
        }
    }
    std::stable_sort(good.begin(), good.end(), [](const Choice& a, const Choice& b) { return a.time < b.time; });
    good.insert(good.end(), bad.begin(), bad.end());
    return good;
}

template <class Perf>
void answer(const std::vector<Choice>& found, bool measured, int wanted, int* returned, Perf* results) {
    require(wanted > 0, BAD, "requestedAlgoCount is %d, expected at least 1", wanted);
    require(returned && results, BAD, "returnedAlgoCount or perfResults is NULL");
    *returned = std::min(wanted, int(found.size()));
    for (int i = 0; i < *returned; i++) {
        const Choice& c = found[size_t(i)];
        results[i] = {};
        results[i].algo = decltype(results[i].algo)(c.algorithm->id);
        results[i].status = c.status;
        results[i].time = measured ? c.time : -1;
        results[i].memory = c.memory;
        results[i].determinism = c.algorithm->deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
        results[i].mathType = c.math;
    }
}

// Find runs the candidates on the caller's memory and waits for them: what was in the result is lost, so it becomes NaN here.
// That is not possible while the stream is being captured.
void spoil(cudnnHandle_t handle, const char* function, const EmuRange& out, const EmuRange& space, std::vector<EmuRange> in) {
    CUstreamCaptureStatus capturing = CU_STREAM_CAPTURE_STATUS_NONE;
    cuStreamIsCapturing(handle->stream, &capturing);
    require(capturing == CU_STREAM_CAPTURE_STATUS_NONE, CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, "measures, which a capturing stream cannot");
    in.insert(in.begin(), {out, space});
    enqueue(handle, function, in, [=](void* const* host) {
        std::memset(host[0], 0xff, out.bytes);
        if (host[1]) std::memset(host[1], 0xff, space.bytes);
    });
    require(cuStreamSynchronize(handle->stream) == CUDA_SUCCESS, CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, "the stream failed");
}

int max_count(Pass pass) {
    int n = 0;
    for (const Algorithm& a : algorithms(pass)) n += a.tensor_cores ? 2 : 1;
    return n;
}

void count(Pass pass, int* n) {
    require(n, BAD, "count is NULL");
    *n = max_count(pass);
}

void size(const Problem& p, int id, size_t* bytes) {
    require(bytes, BAD, "sizeInBytes is NULL");
    *bytes = workspace(p, algorithm(p, id));
}

}  // namespace
}  // namespace nn

using namespace nn;

extern "C" {

cudnnStatus_t cudnnGetConvolutionForwardAlgorithmMaxCount(cudnnHandle_t handle, int* n) {
    return on_device("cudnnGetConvolutionForwardAlgorithmMaxCount", handle, [&] { count(Pass::forward, n); });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithmMaxCount(cudnnHandle_t handle, int* n) {
    return on_device("cudnnGetConvolutionBackwardDataAlgorithmMaxCount", handle, [&] { count(Pass::data, n); });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(cudnnHandle_t handle, int* n) {
    return on_device("cudnnGetConvolutionBackwardFilterAlgorithmMaxCount", handle, [&] { count(Pass::filter, n); });
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
                                                     const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t y, int wanted, int* returned,
                                                     cudnnConvolutionFwdAlgoPerf_t* results) {
    return on_device("cudnnGetConvolutionForwardAlgorithm_v7", handle, [&] {
        const Problem p = problem(Pass::forward, known(x, "srcDesc"), known(w, "filterDesc"), known(c, "convDesc"), known(y, "destDesc"));
        answer(choices(p, SIZE_MAX), false, wanted, returned, results);
    });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
                                                          const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t dx, int wanted, int* returned,
                                                          cudnnConvolutionBwdDataAlgoPerf_t* results) {
    return on_device("cudnnGetConvolutionBackwardDataAlgorithm_v7", handle, [&] {
        const Problem p = problem(Pass::data, known(dx, "gradDesc"), known(w, "filterDesc"), known(c, "convDesc"), known(dy, "diffDesc"));
        answer(choices(p, SIZE_MAX), false, wanted, returned, results);
    });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
                                                            const cudnnConvolutionDescriptor_t c, const cudnnFilterDescriptor_t dw, int wanted,
                                                            int* returned, cudnnConvolutionBwdFilterAlgoPerf_t* results) {
    return on_device("cudnnGetConvolutionBackwardFilterAlgorithm_v7", handle, [&] {
        const Problem p = problem(Pass::filter, known(x, "srcDesc"), known(dw, "gradDesc"), known(c, "convDesc"), known(dy, "diffDesc"));
        answer(choices(p, SIZE_MAX), false, wanted, returned, results);
    });
}

cudnnStatus_t cudnnFindConvolutionForwardAlgorithmEx(cudnnHandle_t handle, const cudnnTensorDescriptor_t xd, const void* x, const cudnnFilterDescriptor_t wd,
                                                     const void* w, const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t yd, void* y,
                                                     int wanted, int* returned, cudnnConvolutionFwdAlgoPerf_t* results, void* space, size_t space_bytes) {
    const char* function = "cudnnFindConvolutionForwardAlgorithmEx";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::forward, known(xd, "xDesc"), known(wd, "wDesc"), known(c, "convDesc"), known(yd, "yDesc"));
        answer(choices(p, space ? space_bytes : 0), true, wanted, returned, results);
        spoil(handle, function, range(y, p.y, true, "y"), bytes(space, space_bytes, true), {range(x, p.x, false, "x"), range(w, p.w, false, "w")});
    });
}

cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithmEx(cudnnHandle_t handle, const cudnnFilterDescriptor_t wd, const void* w,
                                                          const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnConvolutionDescriptor_t c,
                                                          const cudnnTensorDescriptor_t dxd, void* dx, int wanted, int* returned,
                                                          cudnnConvolutionBwdDataAlgoPerf_t* results, void* space, size_t space_bytes) {
    const char* function = "cudnnFindConvolutionBackwardDataAlgorithmEx";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::data, known(dxd, "dxDesc"), known(wd, "wDesc"), known(c, "convDesc"), known(dyd, "dyDesc"));
        answer(choices(p, space ? space_bytes : 0), true, wanted, returned, results);
        spoil(handle, function, range(dx, p.x, true, "dx"), bytes(space, space_bytes, true), {range(w, p.w, false, "w"), range(dy, p.y, false, "dy")});
    });
}

cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithmEx(cudnnHandle_t handle, const cudnnTensorDescriptor_t xd, const void* x,
                                                            const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnConvolutionDescriptor_t c,
                                                            const cudnnFilterDescriptor_t dwd, void* dw, int wanted, int* returned,
                                                            cudnnConvolutionBwdFilterAlgoPerf_t* results, void* space, size_t space_bytes) {
    const char* function = "cudnnFindConvolutionBackwardFilterAlgorithmEx";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::filter, known(xd, "xDesc"), known(dwd, "dwDesc"), known(c, "convDesc"), known(dyd, "dyDesc"));
        answer(choices(p, space ? space_bytes : 0), true, wanted, returned, results);
        spoil(handle, function, range(dw, p.w, true, "dw"), bytes(space, space_bytes, true), {range(x, p.x, false, "x"), range(dy, p.y, false, "dy")});
    });
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
                                                      const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t y, cudnnConvolutionFwdAlgo_t algo,
                                                      size_t* bytes) {
    return on_device("cudnnGetConvolutionForwardWorkspaceSize", handle, [&] {
        size(problem(Pass::forward, known(x, "xDesc"), known(w, "wDesc"), known(c, "convDesc"), known(y, "yDesc")), algo, bytes);
    });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
                                                           const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t dx,
                                                           cudnnConvolutionBwdDataAlgo_t algo, size_t* bytes) {
    return on_device("cudnnGetConvolutionBackwardDataWorkspaceSize", handle, [&] {
        size(problem(Pass::data, known(dx, "dxDesc"), known(w, "wDesc"), known(c, "convDesc"), known(dy, "dyDesc")), algo, bytes);
    });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
                                                             const cudnnConvolutionDescriptor_t c, const cudnnFilterDescriptor_t dw,
                                                             cudnnConvolutionBwdFilterAlgo_t algo, size_t* bytes) {
    return on_device("cudnnGetConvolutionBackwardFilterWorkspaceSize", handle, [&] {
        size(problem(Pass::filter, known(x, "xDesc"), known(dw, "gradDesc"), known(c, "convDesc"), known(dy, "dyDesc")), algo, bytes);
    });
}

}  // extern "C"
