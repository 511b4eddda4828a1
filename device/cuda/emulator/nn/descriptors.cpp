// The descriptor functions. What they accept was read off the real library, where they work without a GPU; test_real.sh
// compares the two.
#include "api.h"

using namespace nn;

namespace {

bool known_type(cudnnDataType_t t) { return t >= CUDNN_DATA_FLOAT && t <= CUDNN_DATA_FP8_E5M3; }

void check_extents(int rank, const int* dim) {
    for (int i = 0; i < rank; i++) require(dim[i] > 0, BAD, "dimension %d is %d, expected at least 1", i, dim[i]);
}

void set_tensor(Tensor& t, cudnnDataType_t type, int rank, const int* dim, const int* stride) {
    require(known_type(type), BAD, "data type %d is unknown", int(type));
    require(rank >= 2, BAD, "%d dimensions, expected at least 2", rank);
    require(rank <= CUDNN_DIM_MAX, NOT, "%d dimensions, expected at most %d", rank, CUDNN_DIM_MAX);
    require(dim && stride, BAD, "dimensions or strides are NULL");
    check_extents(rank, dim);
    Tensor made;
    made.set = true;
    made.type = type;
    made.rank = rank;
    int64_t last = 0;
    for (int i = 0; i < rank; i++) {
        require(stride[i] != 0, BAD, "stride %d is 0", i);
        made.dim[i] = dim[i];
        made.stride[i] = stride[i];
        last += int64_t(dim[i] - 1) * stride[i];
    }
    require(elements(made) <= INT32_MAX && last <= INT32_MAX, NOT, "%s has more than 2^31-1 elements", text(made).c_str());
    t = made;
}

void set_packed(Tensor& t, cudnnTensorFormat_t format, cudnnDataType_t type, int rank, const int* dim) {
    require(format == CUDNN_TENSOR_NCHW || format == CUDNN_TENSOR_NHWC, BAD, "tensor format %d, expected NCHW or NHWC", int(format));
    const int least = format == CUDNN_TENSOR_NHWC ? 3 : 2;
    require(rank >= least, BAD, "%d dimensions, expected at least %d", rank, least);
    require(rank <= CUDNN_DIM_MAX, NOT, "%d dimensions, expected at most %d", rank, CUDNN_DIM_MAX);
    require(dim, BAD, "dimensions are NULL");
    check_extents(rank, dim);
    int stride[CUDNN_DIM_MAX];
    int64_t next = 1;
    for (int i = 0; i < rank; i++) {
        int d = rank - 1 - i;
        if (format == CUDNN_TENSOR_NHWC) d = i == 0 ? 1 : i == rank - 1 ? 0 : rank - i;
        stride[d] = int(next);
        next *= dim[d];
        require(next <= INT32_MAX, NOT, "more than 2^31-1 elements");
    }
    set_tensor(t, type, rank, dim, stride);
}

void set_filter(Filter& f, cudnnDataType_t type, cudnnTensorFormat_t format, int rank, const int* dim) {
    require(known_type(type), BAD, "data type %d is unknown", int(type));
    require(format == CUDNN_TENSOR_NCHW || format == CUDNN_TENSOR_NHWC, BAD, "filter format %d, expected NCHW or NHWC", int(format));
    require(rank >= 3, BAD, "%d dimensions, expected at least 3", rank);
    require(rank <= CUDNN_DIM_MAX, NOT, "%d dimensions, expected at most %d", rank, CUDNN_DIM_MAX);
    require(dim, BAD, "dimensions are NULL");
    check_extents(rank, dim);
    Filter made;
    made.set = true;
    made.type = type;
    made.format = format;
    made.rank = rank;
    std::copy_n(dim, rank, made.dim);
    require(elements(made) <= INT32_MAX, NOT, "more than 2^31-1 elements");
    f = made;
}

void set_convolution(Convolution& c, int rank, const int* pad, const int* stride, const int* dilation, cudnnConvolutionMode_t mode,
                     cudnnDataType_t compute) {
    require(rank >= 1 && rank <= CUDNN_DIM_MAX - 2, BAD, "%d spatial dimensions", rank);
    require(pad && stride && dilation, BAD, "padding, strides or dilations are NULL");
    require(mode == CUDNN_CONVOLUTION || mode == CUDNN_CROSS_CORRELATION, BAD, "mode %d, expected CONVOLUTION or CROSS_CORRELATION", int(mode));
    require(compute == CUDNN_DATA_FLOAT || compute == CUDNN_DATA_DOUBLE || compute == CUDNN_DATA_HALF || compute == CUDNN_DATA_INT32, BAD,
            "compute type %d, expected FLOAT, DOUBLE, HALF or INT32", int(compute));
    for (int i = 0; i < rank; i++) {
        require(pad[i] >= 0, BAD, "padding %d, expected at least 0", pad[i]);
        require(stride[i] > 0, BAD, "stride %d, expected at least 1", stride[i]);
        require(dilation[i] > 0, BAD, "dilation %d, expected at least 1", dilation[i]);
    }
    c.set = true;
    c.rank = rank;
    std::copy_n(pad, rank, c.pad);
    std::copy_n(stride, rank, c.stride);
    std::copy_n(dilation, rank, c.dilation);
    c.mode = mode;
    c.compute = compute;
}

void set_pooling(Pooling& p, cudnnPoolingMode_t mode, cudnnNanPropagation_t nan, int rank, const int* window, const int* pad, const int* stride) {
    require(mode >= CUDNN_POOLING_MAX && mode <= CUDNN_POOLING_MAX_DETERMINISTIC, BAD, "pooling mode %d is unknown", int(mode));
    require(nan == CUDNN_PROPAGATE_NAN || nan == CUDNN_NOT_PROPAGATE_NAN, BAD, "NaN option %d is unknown", int(nan));
    require(rank >= 1 && rank <= CUDNN_DIM_MAX - 2, BAD, "%d spatial dimensions", rank);
    require(window && pad && stride, BAD, "window, padding or strides are NULL");
    for (int i = 0; i < rank; i++) {
        require(window[i] > 0, BAD, "window %d, expected at least 1", window[i]);
        require(stride[i] > 0, BAD, "stride %d, expected at least 1", stride[i]);
    }
    p.set = true;
    p.mode = mode;
    p.nan = nan;
    p.rank = rank;
    std::copy_n(window, rank, p.window);
    std::copy_n(pad, rank, p.pad);
    std::copy_n(stride, rank, p.stride);
}

void convolution_output(const Convolution& c, const Tensor& x, const Filter& f, int rank, int* out) {
    require(rank == x.rank && rank == f.rank && rank == c.rank + 2, BAD, "ranks differ: input %d, filter %d, convolution %d + 2, asked for %d", x.rank,
            f.rank, c.rank, rank);
    require(int64_t(f.dim[1]) * c.groups == x.dim[1], BAD, "input has %d channels, filter expects %d x %d groups", x.dim[1], f.dim[1], c.groups);
    int made[CUDNN_DIM_MAX] = {x.dim[0], f.dim[0]};
    for (int i = 0; i < c.rank; i++) {
        int64_t room = int64_t(x.dim[i + 2]) + 2 * c.pad[i] - (int64_t(f.dim[i + 2] - 1) * c.dilation[i] + 1);
        require(room >= 0, BAD, "filter of %d (dilation %d) does not fit the input's %d + 2 x %d padding", f.dim[i + 2], c.dilation[i], x.dim[i + 2],
                c.pad[i]);
        made[i + 2] = int(room / c.stride[i] + 1);
    }
    std::copy_n(made, rank, out);
}

void pooling_output(const Pooling& p, const Tensor& x, int rank, int* out) {
    require(rank == x.rank && rank == p.rank + 2, BAD, "ranks differ: input %d, pooling %d + 2, asked for %d", x.rank, p.rank, rank);
    int made[CUDNN_DIM_MAX] = {x.dim[0], x.dim[1]};
    for (int i = 0; i < p.rank; i++) {
        int64_t room = int64_t(x.dim[i + 2]) + 2 * p.pad[i] - p.window[i];
        require(room >= 0, BAD, "window of %d does not fit the input's %d + 2 x %d padding", p.window[i], x.dim[i + 2], p.pad[i]);
        made[i + 2] = int(room / p.stride[i] + 1);
    }
    std::copy_n(made, rank, out);
}

template <class T>
void give(T* to, T value) {
    if (to) *to = value;
}

}  // namespace

extern "C" {

// Tensors.

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* d) { return create("cudnnCreateTensorDescriptor", d); }
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d) { return destroy("cudnnDestroyTensorDescriptor", d); }

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w) {
    return api("cudnnSetTensor4dDescriptor", [&] {
        const int dim[] = {n, c, h, w};
        set_packed(live(d, "tensorDesc"), format, type, 4, dim);
    });
}

cudnnStatus_t cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t d, cudnnDataType_t type, int n, int c, int h, int w, int ns, int cs, int hs, int ws) {
    return api("cudnnSetTensor4dDescriptorEx", [&] {
        const int dim[] = {n, c, h, w}, stride[] = {ns, cs, hs, ws};
        set_tensor(live(d, "tensorDesc"), type, 4, dim, stride);
    });
}

cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t d, cudnnDataType_t type, int rank, const int dim[], const int stride[]) {
    return api("cudnnSetTensorNdDescriptor", [&] { set_tensor(live(d, "tensorDesc"), type, rank, dim, stride); });
}

cudnnStatus_t cudnnSetTensorNdDescriptorEx(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type, int rank, const int dim[]) {
    return api("cudnnSetTensorNdDescriptorEx", [&] { set_packed(live(d, "tensorDesc"), format, type, rank, dim); });
}

cudnnStatus_t cudnnGetTensor4dDescriptor(const cudnnTensorDescriptor_t d, cudnnDataType_t* type, int* n, int* c, int* h, int* w, int* ns, int* cs, int* hs,
                                         int* ws) {
    return api("cudnnGetTensor4dDescriptor", [&] {
        const Tensor& t = known(d, "tensorDesc");
        require(t.rank == 4, BAD, "the tensor has %d dimensions, expected 4", t.rank);
        give(type, t.type);
        int* dims[] = {n, c, h, w};
        int* strides[] = {ns, cs, hs, ws};
        for (int i = 0; i < 4; i++) give(dims[i], t.dim[i]), give(strides[i], t.stride[i]);
    });
}

cudnnStatus_t cudnnGetTensorNdDescriptor(const cudnnTensorDescriptor_t d, int wanted, cudnnDataType_t* type, int* rank, int dim[], int stride[]) {
    return api("cudnnGetTensorNdDescriptor", [&] {
        const Tensor& t = known(d, "tensorDesc");
        give(type, t.type);
        give(rank, t.rank);
        for (int i = 0; i < t.rank && i < wanted; i++) {
            if (dim) dim[i] = t.dim[i];
            if (stride) stride[i] = t.stride[i];
        }
    });
}

cudnnStatus_t cudnnGetTensorSizeInBytes(const cudnnTensorDescriptor_t d, size_t* size) {
    return api("cudnnGetTensorSizeInBytes", [&] {
        require(size, BAD, "size is NULL");
        const Tensor& t = known(d, "tensorDesc");
        const size_t one = t.type == CUDNN_DATA_DOUBLE || t.type == CUDNN_DATA_INT64 ? 8 : t.type == CUDNN_DATA_INT32 ? 4 : t.type == CUDNN_DATA_INT8 ? 1 : size_of(type_of(t.type, "tensorDesc"));
        *size = size_t(span(t)) * one;
    });
}

// Filters.

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* d) { return create("cudnnCreateFilterDescriptor", d); }
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t d) { return destroy("cudnnDestroyFilterDescriptor", d); }

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type, cudnnTensorFormat_t format, int k, int c, int h, int w) {
    return api("cudnnSetFilter4dDescriptor", [&] {
        const int dim[] = {k, c, h, w};
        set_filter(live(d, "filterDesc"), type, format, 4, dim);
    });
}

cudnnStatus_t cudnnSetFilterNdDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type, cudnnTensorFormat_t format, int rank, const int dim[]) {
    return api("cudnnSetFilterNdDescriptor", [&] { set_filter(live(d, "filterDesc"), type, format, rank, dim); });
}

cudnnStatus_t cudnnGetFilter4dDescriptor(const cudnnFilterDescriptor_t d, cudnnDataType_t* type, cudnnTensorFormat_t* format, int* k, int* c, int* h, int* w) {
    return api("cudnnGetFilter4dDescriptor", [&] {
        const Filter& f = known(d, "filterDesc");
        require(f.rank == 4, BAD, "the filter has %d dimensions, expected 4", f.rank);
        give(type, f.type);
        give(format, f.format);
        int* dims[] = {k, c, h, w};
        for (int i = 0; i < 4; i++) give(dims[i], f.dim[i]);
    });
}

cudnnStatus_t cudnnGetFilterNdDescriptor(const cudnnFilterDescriptor_t d, int wanted, cudnnDataType_t* type, cudnnTensorFormat_t* format, int* rank, int dim[]) {
    return api("cudnnGetFilterNdDescriptor", [&] {
        const Filter& f = known(d, "filterDesc");
        give(type, f.type);
        give(format, f.format);
        give(rank, f.rank);
        for (int i = 0; dim && i < f.rank && i < wanted; i++) dim[i] = f.dim[i];
    });
}

cudnnStatus_t cudnnGetFilterSizeInBytes(const cudnnFilterDescriptor_t d, size_t* size) {
    return api("cudnnGetFilterSizeInBytes", [&] {
        require(size, BAD, "size is NULL");
        const Filter& f = known(d, "filterDesc");
        *size = size_t(elements(f)) * size_of(type_of(f.type, "filterDesc"));
    });
}

// Convolutions.

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* d) { return create("cudnnCreateConvolutionDescriptor", d); }
cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t d) { return destroy("cudnnDestroyConvolutionDescriptor", d); }

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int pad_h, int pad_w, int u, int v, int dilation_h, int dilation_w,
                                              cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
    return api("cudnnSetConvolution2dDescriptor", [&] {
        const int pad[] = {pad_h, pad_w}, stride[] = {u, v}, dilation[] = {dilation_h, dilation_w};
        set_convolution(live(d, "convDesc"), 2, pad, stride, dilation, mode, compute);
    });
}

cudnnStatus_t cudnnSetConvolutionNdDescriptor(cudnnConvolutionDescriptor_t d, int rank, const int pad[], const int stride[], const int dilation[],
                                              cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
    return api("cudnnSetConvolutionNdDescriptor", [&] { set_convolution(live(d, "convDesc"), rank, pad, stride, dilation, mode, compute); });
}

cudnnStatus_t cudnnGetConvolution2dDescriptor(const cudnnConvolutionDescriptor_t d, int* pad_h, int* pad_w, int* u, int* v, int* dilation_h, int* dilation_w,
                                              cudnnConvolutionMode_t* mode, cudnnDataType_t* compute) {
    return api("cudnnGetConvolution2dDescriptor", [&] {
        const Convolution& c = known(d, "convDesc");
        require(c.rank == 2, BAD, "the convolution has %d spatial dimensions, expected 2", c.rank);
        give(pad_h, c.pad[0]), give(pad_w, c.pad[1]);
        give(u, c.stride[0]), give(v, c.stride[1]);
        give(dilation_h, c.dilation[0]), give(dilation_w, c.dilation[1]);
        give(mode, c.mode);
        give(compute, c.compute);
    });
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d, cudnnMathType_t math) {
    return api("cudnnSetConvolutionMathType", [&] {
        require(math >= CUDNN_DEFAULT_MATH && math <= CUDNN_FMA_MATH, BAD, "math type %d is unknown", int(math));
        live(d, "convDesc").math = math;
    });
}

cudnnStatus_t cudnnGetConvolutionMathType(const cudnnConvolutionDescriptor_t d, cudnnMathType_t* math) {
    return api("cudnnGetConvolutionMathType", [&] { give(math, live(d, "convDesc").math); });
}

cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t d, int groups) {
    return api("cudnnSetConvolutionGroupCount", [&] {
        require(groups > 0, BAD, "%d groups, expected at least 1", groups);
        live(d, "convDesc").groups = groups;
    });
}

cudnnStatus_t cudnnGetConvolutionGroupCount(const cudnnConvolutionDescriptor_t d, int* groups) {
    return api("cudnnGetConvolutionGroupCount", [&] { give(groups, live(d, "convDesc").groups); });
}

cudnnStatus_t cudnnSetConvolutionReorderType(cudnnConvolutionDescriptor_t d, cudnnReorderType_t reorder) {
    return api("cudnnSetConvolutionReorderType", [&] {
        require(reorder == CUDNN_DEFAULT_REORDER || reorder == CUDNN_NO_REORDER, BAD, "reorder type %d is unknown", int(reorder));
        live(d, "convDesc").reorder = reorder;
    });
}

cudnnStatus_t cudnnGetConvolutionReorderType(const cudnnConvolutionDescriptor_t d, cudnnReorderType_t* reorder) {
    return api("cudnnGetConvolutionReorderType", [&] { give(reorder, live(d, "convDesc").reorder); });
}

cudnnStatus_t cudnnGetConvolutionNdForwardOutputDim(const cudnnConvolutionDescriptor_t d, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
                                                    int rank, int out[]) {
    return api("cudnnGetConvolutionNdForwardOutputDim", [&] {
        require(out, BAD, "the output dimensions are NULL");
        convolution_output(known(d, "convDesc"), known(x, "inputTensorDesc"), known(w, "filterDesc"), rank, out);
    });
}

cudnnStatus_t cudnnGetConvolution2dForwardOutputDim(const cudnnConvolutionDescriptor_t d, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
                                                    int* n, int* c, int* h, int* width) {
    return api("cudnnGetConvolution2dForwardOutputDim", [&] {
        int out[4];
        convolution_output(known(d, "convDesc"), known(x, "inputTensorDesc"), known(w, "filterDesc"), 4, out);
        give(n, out[0]), give(c, out[1]), give(h, out[2]), give(width, out[3]);
    });
}

// Pooling.

cudnnStatus_t cudnnCreatePoolingDescriptor(cudnnPoolingDescriptor_t* d) { return create("cudnnCreatePoolingDescriptor", d); }
cudnnStatus_t cudnnDestroyPoolingDescriptor(cudnnPoolingDescriptor_t d) { return destroy("cudnnDestroyPoolingDescriptor", d); }

cudnnStatus_t cudnnSetPooling2dDescriptor(cudnnPoolingDescriptor_t d, cudnnPoolingMode_t mode, cudnnNanPropagation_t nan, int window_h, int window_w, int pad_h,
                                          int pad_w, int stride_h, int stride_w) {
    return api("cudnnSetPooling2dDescriptor", [&] {
        const int window[] = {window_h, window_w}, pad[] = {pad_h, pad_w}, stride[] = {stride_h, stride_w};
        set_pooling(live(d, "poolingDesc"), mode, nan, 2, window, pad, stride);
    });
}

cudnnStatus_t cudnnSetPoolingNdDescriptor(cudnnPoolingDescriptor_t d, cudnnPoolingMode_t mode, cudnnNanPropagation_t nan, int rank, const int window[],
                                          const int pad[], const int stride[]) {
    return api("cudnnSetPoolingNdDescriptor", [&] { set_pooling(live(d, "poolingDesc"), mode, nan, rank, window, pad, stride); });
}

cudnnStatus_t cudnnGetPooling2dDescriptor(const cudnnPoolingDescriptor_t d, cudnnPoolingMode_t* mode, cudnnNanPropagation_t* nan, int* window_h, int* window_w,
                                          int* pad_h, int* pad_w, int* stride_h, int* stride_w) {
    return api("cudnnGetPooling2dDescriptor", [&] {
        const Pooling& p = known(d, "poolingDesc");
        require(p.rank == 2, BAD, "the pooling has %d spatial dimensions, expected 2", p.rank);
        give(mode, p.mode);
        give(nan, p.nan);
        give(window_h, p.window[0]), give(window_w, p.window[1]);
        give(pad_h, p.pad[0]), give(pad_w, p.pad[1]);
        give(stride_h, p.stride[0]), give(stride_w, p.stride[1]);
    });
}

cudnnStatus_t cudnnGetPoolingNdForwardOutputDim(const cudnnPoolingDescriptor_t d, const cudnnTensorDescriptor_t x, int rank, int out[]) {
    return api("cudnnGetPoolingNdForwardOutputDim", [&] {
        require(out, BAD, "the output dimensions are NULL");
        pooling_output(known(d, "poolingDesc"), known(x, "inputTensorDesc"), rank, out);
    });
}

cudnnStatus_t cudnnGetPooling2dForwardOutputDim(const cudnnPoolingDescriptor_t d, const cudnnTensorDescriptor_t x, int* n, int* c, int* h, int* w) {
    return api("cudnnGetPooling2dForwardOutputDim", [&] {
        int out[4];
        pooling_output(known(d, "poolingDesc"), known(x, "inputTensorDesc"), 4, out);
        give(n, out[0]), give(c, out[1]), give(h, out[2]), give(w, out[3]);
    });
}

// Activations.

cudnnStatus_t cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* d) { return create("cudnnCreateActivationDescriptor", d); }
cudnnStatus_t cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t d) { return destroy("cudnnDestroyActivationDescriptor", d); }

cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t d, cudnnActivationMode_t mode, cudnnNanPropagation_t nan, double coef) {
    return api("cudnnSetActivationDescriptor", [&] {
        require(mode >= CUDNN_ACTIVATION_SIGMOID && mode <= CUDNN_ACTIVATION_SWISH, BAD, "activation mode %d is unknown", int(mode));
        require(nan == CUDNN_PROPAGATE_NAN || nan == CUDNN_NOT_PROPAGATE_NAN, BAD, "NaN option %d is unknown", int(nan));
        Activation& a = live(d, "activationDesc");
        a.set = true;
        a.mode = mode;
        a.nan = nan;
        a.coef = coef;
    });
}

cudnnStatus_t cudnnGetActivationDescriptor(const cudnnActivationDescriptor_t d, cudnnActivationMode_t* mode, cudnnNanPropagation_t* nan, double* coef) {
    return api("cudnnGetActivationDescriptor", [&] {
        const Activation& a = known(d, "activationDesc");
        give(mode, a.mode);
        give(nan, a.nan);
        give(coef, a.coef);
    });
}

cudnnStatus_t cudnnSetActivationDescriptorSwishBeta(cudnnActivationDescriptor_t d, double beta) {
    return api("cudnnSetActivationDescriptorSwishBeta", [&] { live(d, "activationDesc").swish_beta = beta; });
}

// Local response normalisation.

cudnnStatus_t cudnnCreateLRNDescriptor(cudnnLRNDescriptor_t* d) { return create("cudnnCreateLRNDescriptor", d); }
cudnnStatus_t cudnnDestroyLRNDescriptor(cudnnLRNDescriptor_t d) { return destroy("cudnnDestroyLRNDescriptor", d); }

cudnnStatus_t cudnnSetLRNDescriptor(cudnnLRNDescriptor_t d, unsigned n, double alpha, double beta, double k) {
    return api("cudnnSetLRNDescriptor", [&] {
        require(n >= CUDNN_LRN_MIN_N && n <= CUDNN_LRN_MAX_N, BAD, "lrnN is %u, expected %d to %d", n, CUDNN_LRN_MIN_N, CUDNN_LRN_MAX_N);
        require(k >= CUDNN_LRN_MIN_K, BAD, "lrnK is %g, expected at least %g", k, CUDNN_LRN_MIN_K);
        require(beta >= CUDNN_LRN_MIN_BETA, BAD, "lrnBeta is %g, expected at least %g", beta, CUDNN_LRN_MIN_BETA);
        Lrn& l = live(d, "normDesc");
        l.n = n;
        l.alpha = alpha;
        l.beta = beta;
        l.k = k;
    });
}

cudnnStatus_t cudnnGetLRNDescriptor(cudnnLRNDescriptor_t d, unsigned* n, double* alpha, double* beta, double* k) {
    return api("cudnnGetLRNDescriptor", [&] {
        const Lrn& l = known(d, "normDesc");
        give(n, l.n);
        give(alpha, l.alpha);
        give(beta, l.beta);
        give(k, l.k);
    });
}

// Element-wise operations of two tensors.

cudnnStatus_t cudnnCreateOpTensorDescriptor(cudnnOpTensorDescriptor_t* d) { return create("cudnnCreateOpTensorDescriptor", d); }
cudnnStatus_t cudnnDestroyOpTensorDescriptor(cudnnOpTensorDescriptor_t d) { return destroy("cudnnDestroyOpTensorDescriptor", d); }

cudnnStatus_t cudnnSetOpTensorDescriptor(cudnnOpTensorDescriptor_t d, cudnnOpTensorOp_t op, cudnnDataType_t compute, cudnnNanPropagation_t nan) {
    return api("cudnnSetOpTensorDescriptor", [&] {
        require(op >= CUDNN_OP_TENSOR_ADD && op <= CUDNN_OP_TENSOR_NOT, BAD, "operation %d is unknown", int(op));
        require(known_type(compute), BAD, "compute type %d is unknown", int(compute));
        require(nan == CUDNN_PROPAGATE_NAN || nan == CUDNN_NOT_PROPAGATE_NAN, BAD, "NaN option %d is unknown", int(nan));
        OpTensor& o = live(d, "opTensorDesc");
        o.set = true;
        o.op = op;
        o.compute = compute;
        o.nan = nan;
    });
}

cudnnStatus_t cudnnGetOpTensorDescriptor(const cudnnOpTensorDescriptor_t d, cudnnOpTensorOp_t* op, cudnnDataType_t* compute, cudnnNanPropagation_t* nan) {
    return api("cudnnGetOpTensorDescriptor", [&] {
        const OpTensor& o = known(d, "opTensorDesc");
        give(op, o.op);
        give(compute, o.compute);
        give(nan, o.nan);
    });
}

// The parameters of a batch normalisation of x: [1, C, 1, 1], or [1, C, H, W] for each activation; float for every type but double.
cudnnStatus_t cudnnDeriveBNTensorDescriptor(cudnnTensorDescriptor_t derived, const cudnnTensorDescriptor_t x, cudnnBatchNormMode_t mode) {
    return api("cudnnDeriveBNTensorDescriptor", [&] {
        const Tensor& t = known(x, "xDesc");
        require(mode >= CUDNN_BATCHNORM_PER_ACTIVATION && mode <= CUDNN_BATCHNORM_SPATIAL_PERSISTENT, BAD, "mode %d is unknown", int(mode));
        require(t.rank == 4 || t.rank == 5, BAD, "xDesc has %d dimensions, expected 4 or 5", t.rank);
        int dim[CUDNN_DIM_MAX] = {1, t.dim[1], 1, 1, 1};
        if (mode == CUDNN_BATCHNORM_PER_ACTIVATION) std::copy(t.dim + 2, t.dim + t.rank, dim + 2);
        set_packed(live(derived, "derivedBnDesc"), CUDNN_TENSOR_NCHW, t.type == CUDNN_DATA_DOUBLE ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT, t.rank, dim);
    });
}

}  // extern "C"
