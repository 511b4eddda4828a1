// Prints what the descriptor functions of one libcudnn answer: the output of every convolution and pooling of AlexNet, VGG16,
// ResNet-50 and GoogLeNet, odd geometries, and the statuses of bad arguments. test_real.sh runs it with NVIDIA's library and with
// the emulated one, in two processes, and compares.
//   descriptor_table /path/to/libcudnn.so.9
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <cudnn.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void* library;

template <class F>
F* symbol(const char* name) {
    void* p = dlsym(library, name);
    if (!p) std::fprintf(stderr, "%s is missing\n", name), std::exit(1);
    return reinterpret_cast<F*>(p);
}

#define CALL(name) symbol<decltype(name)>(#name)

cudnnTensorDescriptor_t x, derived;
cudnnFilterDescriptor_t w;
cudnnConvolutionDescriptor_t conv;
cudnnPoolingDescriptor_t pool;

struct Shape {
    int n, c, h, w;
};

std::string text(cudnnStatus_t status, Shape s) {
    if (status != CUDNN_STATUS_SUCCESS) return "status " + std::to_string(status);
    return std::to_string(s.n) + " " + std::to_string(s.c) + " " + std::to_string(s.h) + " " + std::to_string(s.w);
}

Shape convolve(const char* name, Shape s, int m, int r, int q, int stride, int pad_h, int pad_w, int groups = 1, int dilation = 1,
               cudnnTensorFormat_t format = CUDNN_TENSOR_NHWC) {
    Shape y{};
    cudnnStatus_t status = CALL(cudnnSetTensor4dDescriptor)(x, format, CUDNN_DATA_FLOAT, s.n, s.c, s.h, s.w);
    if (!status) status = CALL(cudnnSetFilter4dDescriptor)(w, CUDNN_DATA_FLOAT, format, m, s.c / groups, r, q);
    if (!status) status = CALL(cudnnSetConvolution2dDescriptor)(conv, pad_h, pad_w, stride, stride, dilation, dilation, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
    if (!status) status = CALL(cudnnSetConvolutionGroupCount)(conv, groups);
    if (!status) status = CALL(cudnnGetConvolution2dForwardOutputDim)(conv, x, w, &y.n, &y.c, &y.h, &y.w);
    std::printf("%s: conv %d %dx%d/%d pad %d,%d groups %d dilation %d: %s\n", name, m, r, q, stride, pad_h, pad_w, groups, dilation, text(status, y).c_str());
    return y;
}

Shape square(const char* name, Shape s, int m, int r, int stride = 1, int pad = -1, int groups = 1) {
    return convolve(name, s, m, r, r, stride, pad < 0 ? r / 2 : pad, pad < 0 ? r / 2 : pad, groups);
}

Shape pooled(const char* name, Shape s, int window, int stride, int pad, cudnnPoolingMode_t mode = CUDNN_POOLING_MAX) {
    Shape y{};
    cudnnStatus_t status = CALL(cudnnSetTensor4dDescriptor)(x, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, s.n, s.c, s.h, s.w);
    if (!status) status = CALL(cudnnSetPooling2dDescriptor)(pool, mode, CUDNN_PROPAGATE_NAN, window, window, pad, pad, stride, stride);
    if (!status) status = CALL(cudnnGetPooling2dForwardOutputDim)(pool, x, &y.n, &y.c, &y.h, &y.w);
    std::printf("%s: pool %d/%d pad %d: %s\n", name, window, stride, pad, text(status, y).c_str());
    return y;
}

void alexnet(const char* name, int groups, int first, int pad, int side, const int (&maps)[5]) {
    Shape s = pooled(name, square(name, {64, 3, side, side}, maps[0], first, 4, pad), 3, 2, 0);
    s = pooled(name, square(name, s, maps[1], 5, 1, 2, groups), 3, 2, 0);
    s = square(name, s, maps[2], 3);
    s = square(name, s, maps[3], 3, 1, 1, groups);
    pooled(name, square(name, s, maps[4], 3, 1, 1, groups), 3, 2, 0);
}

void zeiler_fergus() {
    const char* name = "Zeiler-Fergus";
    Shape s = pooled(name, square(name, {64, 3, 224, 224}, 96, 7, 2, 1), 3, 2, 1);
    s = pooled(name, square(name, s, 256, 5, 2, 0), 3, 2, 1);
    s = square(name, square(name, s, 384, 3), 384, 3);
    pooled(name, square(name, s, 256, 3), 3, 2, 0);
}

void vgg16() {
    Shape s{32, 3, 224, 224};
    const int blocks[5][2] = {{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}};
    for (auto& b : blocks) {
        for (int i = 0; i < b[0]; i++) s = square("VGG16", s, b[1], 3);
        s = pooled("VGG16", s, 2, 2, 0);
    }
}

void resnet50() {
    const char* name = "ResNet-50";
    Shape s = pooled(name, square(name, {32, 3, 224, 224}, 64, 7, 2), 3, 2, 1);
    const int stages[4][2] = {{3, 64}, {4, 128}, {6, 256}, {3, 512}};
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < stages[stage][0]; i++) {
            const int stride = stage && !i ? 2 : 1, m = stages[stage][1];
            if (!i) square(name, s, 4 * m, 1, stride);
            s = square(name, square(name, square(name, s, m, 1), m, 3, stride), 4 * m, 1);
        }
    pooled(name, s, 7, 1, 0, CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING);
}

void googlenet() {
    const char* name = "GoogLeNet";
    Shape s = pooled(name, square(name, {32, 3, 224, 224}, 64, 7, 2), 3, 2, 1);
    s = pooled(name, square(name, square(name, s, 64, 1), 192, 3), 3, 2, 1);
    const int modules[9][6] = {{64, 96, 128, 16, 32, 32},     {128, 128, 192, 32, 96, 64},   {192, 96, 208, 16, 48, 64},
                               {160, 112, 224, 24, 64, 64},   {128, 128, 256, 24, 64, 64},   {112, 144, 288, 32, 64, 64},
                               {256, 160, 320, 32, 128, 128}, {256, 160, 320, 32, 128, 128}, {384, 192, 384, 48, 128, 128}};
    for (int i = 0; i < 9; i++) {
        const int(&m)[6] = modules[i];
        square(name, s, m[0], 1);
        square(name, square(name, s, m[1], 1), m[2], 3);
        square(name, square(name, s, m[3], 1), m[4], 5);
        square(name, pooled(name, s, 3, 1, 1), m[5], 1);
        if (i == 2 || i == 5) square(name, pooled(name, {s.n, m[0] + m[2] + m[4] + m[5], s.h, s.w}, 5, 3, 0, CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING), 128, 1);
        s.c = m[0] + m[2] + m[4] + m[5];
        if (i == 1 || i == 6) s = pooled(name, s, 3, 2, 1);
    }
    pooled(name, s, 7, 1, 0, CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING);
}

void odd() {
    for (auto format : {CUDNN_TENSOR_NHWC, CUDNN_TENSOR_NCHW})
        for (int h = 1; h <= 8; h++)
            for (int r = 1; r <= 4; r++)
                for (int stride = 1; stride <= 3; stride++)
                    for (int pad = 0; pad <= 3; pad++)
                        for (int dilation = 1; dilation <= 2; dilation++)
                            convolve("odd", {2, 6, h, 9 - h}, 4, r, 5 - r, stride, pad, 3 - pad, 2, dilation, format);
    for (int h = 1; h <= 8; h++)
        for (int window = 1; window <= 4; window++)
            for (int stride = 1; stride <= 3; stride++)
                for (int pad = 0; pad <= 4; pad++) pooled("odd", {1, 3, h, h + 1}, window, stride, pad);
}

#define STATUS(call) std::printf("%s = %d\n", #call, int(call))
#define set4 CALL(cudnnSetTensor4dDescriptor)
#define set4_ex CALL(cudnnSetTensor4dDescriptorEx)
#define setn CALL(cudnnSetTensorNdDescriptor)
#define setn_ex CALL(cudnnSetTensorNdDescriptorEx)
#define filter4 CALL(cudnnSetFilter4dDescriptor)
#define convolution CALL(cudnnSetConvolution2dDescriptor)
#define pooling CALL(cudnnSetPooling2dDescriptor)

void strides(const char* what) {
    cudnnDataType_t type;
    int rank = 0, dim[8], stride[8];
    size_t size;
    STATUS(CALL(cudnnGetTensorNdDescriptor)(x, 8, &type, &rank, dim, stride));
    STATUS(CALL(cudnnGetTensorSizeInBytes)(x, &size));
    std::printf("%s: type %d, %zu bytes,", what, int(type), size);
    for (int i = 0; i < rank; i++) std::printf(" %d/%d", dim[i], stride[i]);
    std::printf("\n");
}

void bad_arguments() {
    const auto f32 = CUDNN_DATA_FLOAT;
    const auto nchw = CUDNN_TENSOR_NCHW, nhwc = CUDNN_TENSOR_NHWC;
    const auto cross = CUDNN_CROSS_CORRELATION;
    STATUS(set4(x, nchw, f32, 0, 3, 4, 5));
    STATUS(set4(x, nchw, f32, -1, 3, 4, 5));
    STATUS(set4(x, nchw, cudnnDataType_t(99), 1, 3, 4, 5));
    STATUS(set4(x, cudnnTensorFormat_t(99), f32, 1, 3, 4, 5));
    STATUS(set4(x, nchw, f32, 65536, 65536, 2, 2));
    STATUS(set4(x, nchw, f32, 1024, 1024, 1024, 2));
    STATUS(set4(nullptr, nchw, f32, 1, 1, 1, 2));
    STATUS(set4_ex(x, f32, 2, 3, 4, 5, 60, 20, 5, -1));
    STATUS(set4_ex(x, f32, 2, 3, 4, 5, 60, 20, 5, 0));
    STATUS(set4_ex(x, f32, 2, 3, 4, 5, 1, 1, 1, 1));
    strides("overlapping");
    STATUS(set4_ex(x, CUDNN_DATA_BFLOAT16, 2, 3, 4, 5, 100, 30, 6, 1));
    strides("gaps");
    const int dim[] = {2, 3, 4, 5, 6, 7, 8, 9, 10}, stride[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (int rank = 0; rank <= 9; rank++) STATUS(setn(x, f32, rank, dim, stride));
    for (auto format : {nchw, nhwc})
        for (int rank = 0; rank <= 9; rank++) {
            const auto status = setn_ex(x, format, f32, rank, dim);
            std::printf("format %d rank %d: status %d\n", int(format), rank, int(status));
            if (!status) strides("packed");
        }
    STATUS(filter4(w, f32, nhwc, 8, 3, 0, 3));
    STATUS(filter4(w, f32, cudnnTensorFormat_t(7), 8, 3, 3, 3));
    STATUS(filter4(w, cudnnDataType_t(99), nhwc, 8, 3, 3, 3));
    for (int rank = 2; rank <= 9; rank++) STATUS(CALL(cudnnSetFilterNdDescriptor)(w, f32, nhwc, rank, dim));
    STATUS(convolution(conv, -1, 0, 1, 1, 1, 1, cross, f32));
    STATUS(convolution(conv, 0, 0, 0, 1, 1, 1, cross, f32));
    STATUS(convolution(conv, 0, 0, 1, 1, 0, 1, cross, f32));
    STATUS(convolution(conv, 0, 0, 1, 1, 1, 1, cudnnConvolutionMode_t(5), f32));
    for (int type = 0; type <= 9; type++) STATUS(convolution(conv, 0, 0, 1, 1, 1, 1, cross, cudnnDataType_t(type)));
    STATUS(CALL(cudnnSetConvolutionMathType)(conv, cudnnMathType_t(9)));
    STATUS(CALL(cudnnSetConvolutionMathType)(conv, CUDNN_FMA_MATH));
    STATUS(CALL(cudnnSetConvolutionGroupCount)(conv, 0));
    convolve("filter too tall", {1, 3, 7, 9}, 8, 10, 3, 1, 0, 0);
    convolve("channels that are no multiple of the groups", {1, 4, 7, 9}, 6, 3, 3, 1, 1, 1, 3);
    convolve("maps that are no multiple of the groups", {1, 3, 7, 9}, 8, 3, 3, 1, 1, 1, 3);
    STATUS(pooling(pool, CUDNN_POOLING_MAX, CUDNN_PROPAGATE_NAN, 0, 3, 0, 0, 2, 2));
    STATUS(pooling(pool, CUDNN_POOLING_MAX, CUDNN_PROPAGATE_NAN, 3, 3, -1, 0, 2, 2));
    STATUS(pooling(pool, CUDNN_POOLING_MAX, CUDNN_PROPAGATE_NAN, 3, 3, 0, 0, 0, 2));
    STATUS(pooling(pool, cudnnPoolingMode_t(9), CUDNN_PROPAGATE_NAN, 3, 3, 0, 0, 2, 2));
    STATUS(pooling(pool, CUDNN_POOLING_MAX, cudnnNanPropagation_t(9), 3, 3, 0, 0, 2, 2));

    cudnnLRNDescriptor_t lrn;
    STATUS(CALL(cudnnCreateLRNDescriptor)(&lrn));
    for (unsigned n : {0u, 1u, 16u, 17u}) STATUS(CALL(cudnnSetLRNDescriptor)(lrn, n, 1e-4, 0.75, 2));
    for (double beta : {0.009, 0.01}) STATUS(CALL(cudnnSetLRNDescriptor)(lrn, 5, 1e-4, beta, 2));
    for (double k : {0.9e-5, 1e-5}) STATUS(CALL(cudnnSetLRNDescriptor)(lrn, 5, 1e-4, 0.75, k));
    STATUS(CALL(cudnnSetLRNDescriptor)(lrn, 5, -1, 0.75, 1));
    STATUS(CALL(cudnnDestroyLRNDescriptor)(lrn));

    cudnnActivationDescriptor_t act;
    STATUS(CALL(cudnnCreateActivationDescriptor)(&act));
    for (int mode = -1; mode <= 7; mode++) STATUS(CALL(cudnnSetActivationDescriptor)(act, cudnnActivationMode_t(mode), CUDNN_PROPAGATE_NAN, -1));
    STATUS(CALL(cudnnSetActivationDescriptor)(act, CUDNN_ACTIVATION_RELU, cudnnNanPropagation_t(4), 0));
    STATUS(CALL(cudnnDestroyActivationDescriptor)(act));

    cudnnOpTensorDescriptor_t op;
    STATUS(CALL(cudnnCreateOpTensorDescriptor)(&op));
    for (int o = 0; o <= 6; o++) STATUS(CALL(cudnnSetOpTensorDescriptor)(op, cudnnOpTensorOp_t(o), f32, CUDNN_PROPAGATE_NAN));
    STATUS(CALL(cudnnDestroyOpTensorDescriptor)(op));

    for (int mode = 0; mode <= 3; mode++)
        for (auto type : {CUDNN_DATA_FLOAT, CUDNN_DATA_DOUBLE, CUDNN_DATA_HALF, CUDNN_DATA_BFLOAT16}) {
            STATUS(set4(x, nhwc, type, 2, 3, 7, 9));
            const auto status = CALL(cudnnDeriveBNTensorDescriptor)(derived, x, cudnnBatchNormMode_t(mode));
            std::printf("derive mode %d type %d: status %d\n", mode, int(type), int(status));
            if (status) continue;
            std::swap(x, derived);
            strides("derived");
            std::swap(x, derived);
        }
    STATUS(CALL(cudnnDestroyTensorDescriptor)(nullptr));
    std::printf("version %zu\n", CALL(cudnnGetVersion)());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: descriptor_table LIBRARY\n"), 2;
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), 1;
    STATUS(CALL(cudnnCreateTensorDescriptor)(&x));
    STATUS(CALL(cudnnCreateTensorDescriptor)(&derived));
    STATUS(CALL(cudnnCreateFilterDescriptor)(&w));
    STATUS(CALL(cudnnCreateConvolutionDescriptor)(&conv));
    STATUS(CALL(cudnnCreatePoolingDescriptor)(&pool));
    alexnet("AlexNet 2012", 2, 11, 0, 227, {96, 256, 384, 384, 256});
    alexnet("AlexNet 2012 without groups", 1, 11, 0, 227, {96, 256, 384, 384, 256});
    alexnet("AlexNet of torchvision", 1, 11, 2, 224, {64, 192, 384, 256, 256});
    zeiler_fergus();
    vgg16();
    resnet50();
    googlenet();
    odd();
    bad_arguments();
    STATUS(CALL(cudnnDestroyPoolingDescriptor)(pool));
    STATUS(CALL(cudnnDestroyConvolutionDescriptor)(conv));
    STATUS(CALL(cudnnDestroyFilterDescriptor)(w));
    STATUS(CALL(cudnnDestroyTensorDescriptor)(derived));
    STATUS(CALL(cudnnDestroyTensorDescriptor)(x));
}
