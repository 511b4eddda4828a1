// The convolutions themselves: cudnnConvolutionForward, BackwardData, BackwardFilter, BackwardBias and BiasActivationForward.
#include "conv.h"

#include <atomic>

#include "walk.h"

using namespace nn;

namespace {

// queue checks workspace, alignment and overlaps, and queues the pass. out comes first, then what is read, then the workspace.
void queue(cudnnHandle_t handle, const char* function, const Problem& p, const Algorithm& a, std::vector<EmuRange> touches, void* space, size_t given,
           Work work) {
    const size_t need = workspace(p, a);
    require(given >= need, BAD, "algorithm %s wants %zu bytes of workspace, %zu were given", a.name, need, given);
    require(!need || space, BAD, "algorithm %s wants %zu bytes of workspace, the pointer is NULL", a.name, need);
    for (size_t i = 1; i < touches.size(); i++)
        require(!overlap(touches[0], touches[i]), BAD, "the result overlaps operand %zu", i);
    if (need) touches.push_back(bytes(space, need, true));
    for (size_t i = 0; i + 1 < touches.size(); i++)
        if (need && overlap(touches.back(), touches[i])) emu_violation("%s: the workspace overlaps operand %zu", function, i);
    const bool cores = a.tensor_cores && tensor_math(p.conv.math);
    for (const EmuRange& t : touches)
        if (cores && t.ptr % 16) emu_violation("%s: %s with tensor cores wants pointers aligned to 16 bytes, one is %llx", function, a.name, t.ptr);
    enqueue(handle, function, touches, [=](void* const* host) {
        void* scratch = need ? host[touches.size() - 1] : nullptr;
        if (scratch) std::memset(scratch, 0xff, need);
        work(host);
        if (scratch) std::memset(scratch, 0xff, need);
    });
}

// turn tells in which order an algorithm that is not deterministic sums this time. Of two runs one after the other each order is
// taken once; the sequence (Thue and Morse) has no period, so a step does not repeat its own pattern.
bool turn(const Algorithm& a) {
    static std::atomic<unsigned> runs{0};
    return !a.deterministic && __builtin_parity(runs++);
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x,
                                      const cudnnFilterDescriptor_t wd, const void* w, const cudnnConvolutionDescriptor_t c, cudnnConvolutionFwdAlgo_t algo,
                                      void* space, size_t space_bytes, const void* beta, const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnConvolutionForward";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::forward, known(xd, "xDesc"), known(wd, "wDesc"), known(c, "convDesc"), known(yd, "yDesc"));
        const Algorithm& a = algorithm(p, algo);
        const Math math = multiplication(p, a);
        Epilogue e;
        e.alpha = scalar(alpha, "alpha");
        e.beta = scalar(beta, "beta");
        queue(handle, function, p, a, {range(y, p.y, true, "y"), range(x, p.x, false, "x"), range(w, p.w, false, "w")}, space, space_bytes,
              [=](void* const* host) { run_forward(p, math, host[1], host[2], host[0], e); });
    });
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha, const cudnnFilterDescriptor_t wd, const void* w,
                                           const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnConvolutionDescriptor_t c,
                                           cudnnConvolutionBwdDataAlgo_t algo, void* space, size_t space_bytes, const void* beta,
                                           const cudnnTensorDescriptor_t dxd, void* dx) {
    const char* function = "cudnnConvolutionBackwardData";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::data, known(dxd, "dxDesc"), known(wd, "wDesc"), known(c, "convDesc"), known(dyd, "dyDesc"));
        const Algorithm& a = algorithm(p, algo);
        const Math math = multiplication(p, a);
        Epilogue e;
        e.alpha = scalar(alpha, "alpha");
        e.beta = scalar(beta, "beta");
        queue(handle, function, p, a, {range(dx, p.x, true, "dx"), range(w, p.w, false, "w"), range(dy, p.y, false, "dy")}, space, space_bytes,
              [=, &a](void* const* host) { run_data(p, math, turn(a), host[1], host[2], host[0], e); });
    });
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x,
                                             const cudnnTensorDescriptor_t dyd, const void* dy, const cudnnConvolutionDescriptor_t c,
                                             cudnnConvolutionBwdFilterAlgo_t algo, void* space, size_t space_bytes, const void* beta,
                                             const cudnnFilterDescriptor_t dwd, void* dw) {
    const char* function = "cudnnConvolutionBackwardFilter";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::filter, known(xd, "xDesc"), known(dwd, "dwDesc"), known(c, "convDesc"), known(dyd, "dyDesc"));
        const Algorithm& a = algorithm(p, algo);
        const Math math = multiplication(p, a);
        Epilogue e;
        e.alpha = scalar(alpha, "alpha");
        e.beta = scalar(beta, "beta");
        queue(handle, function, p, a, {range(dw, p.w, true, "dw"), range(x, p.x, false, "x"), range(dy, p.y, false, "dy")}, space, space_bytes,
              [=, &a](void* const* host) { run_filter(p, math, turn(a), host[1], host[2], host[0], e); });
    });
}

cudnnStatus_t cudnnConvolutionBiasActivationForward(cudnnHandle_t handle, const void* alpha1, const cudnnTensorDescriptor_t xd, const void* x,
                                                    const cudnnFilterDescriptor_t wd, const void* w, const cudnnConvolutionDescriptor_t c,
                                                    cudnnConvolutionFwdAlgo_t algo, void* space, size_t space_bytes, const void* alpha2,
                                                    const cudnnTensorDescriptor_t zd, const void* z, const cudnnTensorDescriptor_t biasd, const void* bias,
                                                    const cudnnActivationDescriptor_t act, const cudnnTensorDescriptor_t yd, void* y) {
    const char* function = "cudnnConvolutionBiasActivationForward";
    return on_device(function, handle, [&] {
        const Problem p = problem(Pass::forward, known(xd, "xDesc"), known(wd, "wDesc"), known(c, "convDesc"), known(yd, "yDesc"));
        const Tensor& zt = known(zd, "zDesc");
        const Tensor& bt = known(biasd, "biasDesc");
        const Activation& at = known(act, "activationDesc");
        require(at.mode == CUDNN_ACTIVATION_RELU || at.mode == CUDNN_ACTIVATION_IDENTITY, NOT, "activation mode %d, expected RELU or IDENTITY", int(at.mode));
        require(at.mode != CUDNN_ACTIVATION_IDENTITY || algo == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, NOT,
                "IDENTITY works with IMPLICIT_PRECOMP_GEMM only, algorithm %d was asked for", int(algo));
        require(at.nan == CUDNN_NOT_PROPAGATE_NAN, NOT, "reluNanOpt must be CUDNN_NOT_PROPAGATE_NAN");
        require(same_dims(zt, p.y) && zt.type == p.y.type, NOT, "zDesc %s does not match yDesc %s", text(zt).c_str(), text(p.y).c_str());
        require(bt.rank == 4 && bt.dim[0] == 1 && bt.dim[1] == p.w.dim[0] && bt.dim[2] == 1 && bt.dim[3] == 1, NOT, "biasDesc %s, expected [1,%d,1,1]",
                text(bt).c_str(), p.w.dim[0]);
        require(bt.dim[1] == 1 || bt.stride[1] == 1, NOT, "the second stride of biasDesc is %d, expected 1", bt.stride[1]);
        require(bt.type == p.y.type, NOT, "biasDesc has data type %d, yDesc %d", int(bt.type), int(p.y.type));
        const Algorithm& a = algorithm(p, algo);
        const Math math = multiplication(p, a);
        Epilogue e;
        e.alpha = scalar(alpha1, "alpha1");
        e.alpha2 = scalar(alpha2, "alpha2");
        e.relu = at.mode == CUDNN_ACTIVATION_RELU;
        e.z_desc = zt;
        const EmuRange out = range(y, p.y, true, "y"), addend = range(z, zt, false, "z");
        // y may be z, but nothing in between; with alpha2 0 z is not read.
        require(!overlap(out, addend) || (y == z && same_strides(zt, p.y)), BAD, "z overlaps y but is not y");
        require(!overlap(out, range(bias, bt, false, "bias")), BAD, "bias overlaps y");
        std::vector<EmuRange> touches = {out, range(x, p.x, false, "x"), range(w, p.w, false, "w"), range(bias, bt, false, "bias")};
        const bool reads_z = e.alpha2 != 0, in_place = y == z;
        if (reads_z && !in_place) touches.push_back(addend);
        queue(handle, function, p, a, touches, space, space_bytes, [=](void* const* host) {
            Epilogue now = e;
            now.bias = host[3];
            if (reads_z) now.z = in_place ? host[0] : host[4];
            run_forward(p, math, host[1], host[2], host[0], now);
        });
    });
}

// db[c] = alpha * sum over n, h, w of dy[n, c, h, w] + beta * db[c].
cudnnStatus_t cudnnConvolutionBackwardBias(cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t dyd, const void* dy, const void* beta,
                                           const cudnnTensorDescriptor_t dbd, void* db) {
    const char* function = "cudnnConvolutionBackwardBias";
    return on_device(function, handle, [&] {
        const Tensor y = known(dyd, "dyDesc"), b = known(dbd, "dbDesc");
        require(y.type == b.type, BAD, "data types differ: dy %d, db %d", int(y.type), int(b.type));
        require(y.rank == b.rank && (y.rank == 4 || y.rank == 5), BAD, "dy has %d dimensions, db %d, expected 4 or 5", y.rank, b.rank);
        for (int i = 0; i < b.rank; i++)
            require(b.dim[i] == (i == 1 ? y.dim[1] : 1), BAD, "dbDesc is %s, expected [1,%d,1,1]", text(b).c_str(), y.dim[1]);
        const float scale = scalar(alpha, "alpha"), keep = scalar(beta, "beta");
        const Type type = type_of(y.type, "dyDesc");
        enqueue(handle, function, {range(db, b, true, "db"), range(dy, y, false, "dy")}, [=](void* const* host) {
            const Tensor channels = only(y, 1u << 1), plane = only(y, ~(1u << 1));
            const Walk<1> inside(plane, {&plane});
            Walk<2>(channels, {&channels, &b}).spread([&](const Places<2>& at) {
                double sum = 0;
                inside.run({at[0]}, [&](const Places<1>& i) { sum += load(host[1], type, i[0]); });
                blend(host[0], type, at[1], float(sum), scale, keep);
            });
        });
    });
}

}  // extern "C"
