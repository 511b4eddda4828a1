// cuBLASLt and cuBLAS against plain double loops; attributes, heuristics, refusals, capture.
#include "test.h"

using namespace test;

namespace {

constexpr auto F32 = nn::Type::f32, BF16 = nn::Type::bf16, F16 = nn::Type::f16;
constexpr auto COL = CUBLASLT_ORDER_COL, ROW = CUBLASLT_ORDER_ROW;
constexpr auto N = CUBLAS_OP_N, T = CUBLAS_OP_T;
const float one = 1, zero = 0;

cudaDataType cuda_type(nn::Type t) { return t == F32 ? CUDA_R_32F : t == BF16 ? CUDA_R_16BF : CUDA_R_16F; }

struct Row {
    const char* name;
    int m, n, k;
    cublasOperation_t ta, tb;
    cublasLtOrder_t a_order, b_order, d_order;
    nn::Type in, out;
    cublasComputeType_t compute;
    cublasLtEpilogue_t epilogue;
    float alpha, beta;
    int gap;  // added to each leading dimension
    bool in_place;
};

constexpr auto FP32 = CUBLAS_COMPUTE_32F;
constexpr auto PLAIN = CUBLASLT_EPILOGUE_DEFAULT;

const Row rows[] = {
    {"one", 1, 1, 1, N, N, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 0, 0, false},
    {"odd", 37, 53, 71, N, N, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 0, 0, false},
    {"A transposed", 37, 53, 71, T, N, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 0, 3, false},
    {"B transposed", 37, 53, 71, N, T, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 0, 5, false},
    {"both transposed", 20, 33, 17, T, T, COL, COL, COL, F32, F32, FP32, PLAIN, -2, 0.5f, 1, false},
    {"rows", 37, 53, 71, N, N, ROW, ROW, ROW, F32, F32, FP32, PLAIN, 1, 0, 2, false},
    {"rows transposed", 37, 53, 71, T, T, ROW, ROW, ROW, F32, F32, FP32, PLAIN, 1, 1, 0, false},
    {"mixed orders", 13, 22, 31, N, T, ROW, COL, ROW, F32, F32, FP32, PLAIN, 1, 0, 0, false},
    {"in place", 13, 22, 31, N, N, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 3, 0, true},
    {"deep", 9, 12, 1500, N, N, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 0, 0, false},
    {"wide", 600, 7, 300, T, N, COL, COL, COL, F32, F32, FP32, PLAIN, 1, 0, 0, false},
    {"bias", 37, 19, 23, T, N, COL, COL, COL, F32, F32, FP32, CUBLASLT_EPILOGUE_BIAS, 1, 0, 0, false},
    {"ReLU", 37, 19, 23, T, N, COL, COL, COL, F32, F32, FP32, CUBLASLT_EPILOGUE_RELU, 1, 0, 0, false},
    {"ReLU row order", 37, 19, 23, T, N, ROW, ROW, ROW, F32, F32, FP32, CUBLASLT_EPILOGUE_RELU, 1, 0, 0, false},
    {"ReLU bias beta", 37, 19, 23, T, N, COL, COL, COL, F32, F32, FP32, CUBLASLT_EPILOGUE_RELU_BIAS, 2, 1, 0, false},
    {"gradient of A's bias", 37, 19, 23, N, T, COL, COL, COL, F32, F32, FP32, CUBLASLT_EPILOGUE_BGRADA, 1, 0, 0, false},
    {"gradient of B's bias", 37, 19, 23, N, T, COL, COL, COL, F32, F32, FP32, CUBLASLT_EPILOGUE_BGRADB, 1, 1, 0, false},
    {"TF32", 37, 53, 71, N, N, COL, COL, COL, F32, F32, CUBLAS_COMPUTE_32F_FAST_TF32, PLAIN, 1, 0, 0, false},
    {"float by bf16", 37, 53, 71, N, N, COL, COL, COL, F32, F32, CUBLAS_COMPUTE_32F_FAST_16BF, PLAIN, 1, 0, 0, false},
    {"bf16 to bf16", 37, 53, 71, T, N, COL, COL, COL, BF16, BF16, FP32, CUBLASLT_EPILOGUE_RELU_BIAS, 1, 0, 0, false},
    {"bf16 to float", 37, 53, 71, N, T, COL, COL, COL, BF16, F32, FP32, CUBLASLT_EPILOGUE_BGRADB, 1, 1, 0, false},
    {"f16", 37, 53, 71, N, N, COL, COL, COL, F16, F16, FP32, PLAIN, 1, 0, 0, false},
};

struct Matrix {
    int rows, columns, ld;
    cublasLtOrder_t order;
    nn::Type type;
    std::vector<float> start;
    Buffer memory;
    cublasLtMatrixLayout_t l;

    Matrix(int r, int c, int gap, cublasLtOrder_t o, nn::Type t, Random& random)
        : rows(r), columns(c), ld((o == COL ? r : c) + gap), order(o), type(t), start(random.fill(size_t(ld) * size_t(o == COL ? c : r))), memory(start.size(), t) {
        for (float& x : start) x = stored(x, t);
        memory.put(start);
        OK(cublasLtMatrixLayoutCreate(&l, cuda_type(t), uint64_t(r), uint64_t(c), ld));
        const int32_t value = o;
        OK(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_ORDER, &value, sizeof value));
    }
    Matrix(const Matrix&) = delete;
    ~Matrix() { OK(cublasLtMatrixLayoutDestroy(l)); }

    size_t place(int r, int c) const { return order == COL ? size_t(c) * size_t(ld) + size_t(r) : size_t(r) * size_t(ld) + size_t(c); }
    void* p() const { return memory.p(); }
};

void product(cublasLtHandle_t handle, const Row& r) {
    test::row = r.name;
    Random random(11);
    Matrix a(r.ta == N ? r.m : r.k, r.ta == N ? r.k : r.m, r.gap, r.a_order, r.in, random), b(r.tb == N ? r.k : r.n, r.tb == N ? r.n : r.k, r.gap, r.b_order, r.in, random);
    Matrix c(r.m, r.n, r.gap, r.d_order, r.out, random), d(r.m, r.n, r.gap, r.d_order, r.out, random);
    const bool reads = r.epilogue & CUBLASLT_EPILOGUE_BIAS, of_a = r.epilogue == CUBLASLT_EPILOGUE_BGRADA, of_b = r.epilogue == CUBLASLT_EPILOGUE_BGRADB;
    std::vector<float> bias = random.fill(size_t(of_b ? r.n : r.m));
    for (float& v : bias) v = stored(v, r.out);
    Buffer side(bias, r.out);
    const nn::Math math = r.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? nn::Math::tf32 : r.compute == CUBLAS_COMPUTE_32F_FAST_16BF ? nn::Math::bf16 : nn::Math::f32;
    const auto A = [&](int i, int k) { return a.start[r.ta == N ? a.place(i, k) : a.place(k, i)]; };
    const auto B = [&](int k, int j) { return b.start[r.tb == N ? b.place(k, j) : b.place(j, k)]; };
    Matrix& addend = r.in_place ? d : c;
    std::vector<double> want(d.start.begin(), d.start.end()), want_side(bias.size());
    for (int i = 0; i < r.m; i++)
        for (int j = 0; j < r.n; j++) {
            double sum = 0;
            for (int k = 0; k < r.k; k++) sum += double(nn::rounded(A(i, k), math)) * nn::rounded(B(k, j), math);
            double v = r.alpha * sum + (r.beta ? r.beta * addend.start[addend.place(i, j)] : 0) + (reads ? bias[size_t(i)] : 0);
            if ((r.epilogue & CUBLASLT_EPILOGUE_RELU) && v < 0) v = 0;
            want[d.place(i, j)] = v;
        }
    for (size_t i = 0; i < want_side.size(); i++) {
        want_side[i] = bias[i];
        if (of_a || of_b) want_side[i] = 0;
        for (int k = 0; k < r.k; k++) want_side[i] += of_a ? A(int(i), k) : of_b ? B(k, int(i)) : 0;
    }
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulPreference_t pref;
    OK(cublasLtMatmulDescCreate(&desc, r.compute, CUDA_R_32F));
    const int32_t ta = r.ta, tb = r.tb;
    const uint32_t epilogue = r.epilogue;
    OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta));
    OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb));
    OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    void* pointer = side.p();
    OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &pointer, sizeof pointer));
    OK(cublasLtMatmulPreferenceCreate(&pref));
    const uint64_t most = 16 << 20;
    OK(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most));
    cublasLtMatmulHeuristicResult_t found[8];
    int count = 0;
    OK(cublasLtMatmulAlgoGetHeuristic(handle, desc, a.l, b.l, addend.l, d.l, pref, 8, found, &count));
    CHECK(count == 3);
    const double tolerance = r.out == BF16 ? 4e-3 : r.out == F16 ? 5e-4 : 1e-6;
    for (int i = 0; i <= count; i++) {  // each algorithm, and none
        const cublasLtMatmulAlgo_t* algo = i < count ? &found[i].algo : nullptr;
        const size_t need = i < count ? found[i].workspaceSize : 0;
        Buffer space(std::vector<float>(need / 4 + 1, 1));
        d.memory.put(d.start);
        side.put(bias);
        OK(cublasLtMatmul(handle, desc, &r.alpha, a.p(), a.l, b.p(), b.l, &r.beta, addend.p(), addend.l, d.p(), d.l, algo, space.p(), need, nullptr));
        near(d.memory.get(), want, tolerance, "D");
        near(side.get(), want_side, tolerance, "bias");
        if (need) {
            CHECK(std::isnan(space.get()[0]) && std::isnan(space.get()[need / 4 - 1]) && space.get()[need / 4] == 1);
            STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, desc, &r.alpha, a.p(), a.l, b.p(), b.l, &r.beta, addend.p(), addend.l, d.p(), d.l, algo, space.p(), need - 1, nullptr));
        }
    }
    OK(cublasLtMatmulDescDestroy(desc));
    OK(cublasLtMatmulPreferenceDestroy(pref));
}

void refusals(cublasLtHandle_t handle) {
    test::row = "refusals";
    Random random(2);
    Matrix a(8, 6, 0, COL, F32, random), b(6, 4, 0, COL, F32, random), d(8, 4, 0, COL, F32, random), rows_d(8, 4, 0, ROW, F32, random), half(8, 6, 0, COL, BF16, random), tall(9, 4, 0, COL, F32, random);
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulPreference_t pref;
    OK(cublasLtMatmulDescCreate(&desc, FP32, CUDA_R_32F));
    OK(cublasLtMatmulPreferenceCreate(&pref));
    const auto run = [&](const Matrix& A, const Matrix& B, const Matrix& D) {
        return cublasLtMatmul(handle, desc, &one, A.p(), A.l, B.p(), B.l, &zero, D.p(), D.l, D.p(), D.l, nullptr, nullptr, 0, nullptr);
    };
    OK(run(a, b, d));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, run(b, a, d));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, run(a, b, tall));
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, run(half, b, d));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, desc, nullptr, a.p(), a.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, nullptr));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, desc, static_cast<float*>(a.p()), a.p(), a.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, nullptr));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, desc, &one, a.p(), a.l, b.p(), b.l, &zero, a.p(), d.l, a.p(), d.l, nullptr, nullptr, 0, nullptr));  // D is A
    STATUS(CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmul(nullptr, desc, &one, a.p(), a.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, nullptr));
    const int64_t short_ld = 7, ld = 8;
    OK(cublasLtMatrixLayoutSetAttribute(a.l, CUBLASLT_MATRIX_LAYOUT_LD, &short_ld, sizeof short_ld));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, run(a, b, d));
    OK(cublasLtMatrixLayoutSetAttribute(a.l, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld));
    const int32_t two = 2, single = 1;
    OK(cublasLtMatrixLayoutSetAttribute(a.l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &two, sizeof two));
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, run(a, b, d));
    OK(cublasLtMatrixLayoutSetAttribute(a.l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &single, sizeof single));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatrixLayoutSetAttribute(a.l, CUBLASLT_MATRIX_LAYOUT_LD, &two, sizeof two));  // 4 bytes for 8

    test::row = "epilogue";
    const auto epilogue = [&](uint32_t e) { OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &e, sizeof e)); };
    epilogue(CUBLASLT_EPILOGUE_BIAS);
    STATUS(CUBLAS_STATUS_INVALID_VALUE, run(a, b, d));  // no pointer
    void* p = b.p();
    OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p, sizeof p));
    OK(run(a, b, d));
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, run(a, b, rows_d));
    epilogue(CUBLASLT_EPILOGUE_GELU);
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, run(a, b, d));
    epilogue(PLAIN);

    test::row = "heuristics";
    cublasLtMatmulHeuristicResult_t found[4];
    int count;
    OK(cublasLtMatmulAlgoGetHeuristic(handle, desc, a.l, b.l, d.l, d.l, pref, 4, found, &count));
    CHECK(count == 1 && found[0].workspaceSize == 0);  // no workspace was allowed
    expect(1, [&] {
        Buffer more(64);
        OK(cublasLtMatmul(handle, desc, &one, a.p(), a.l, b.p(), b.l, &zero, d.p(), d.l, more.at(32), d.l, &found[0].algo, nullptr, 0, nullptr));  // promised 256 bytes
        OK(cuCtxSynchronize());
    });
    const uint64_t most = 1 << 20;
    OK(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most));
    OK(cublasLtMatmulAlgoGetHeuristic(handle, desc, a.l, b.l, d.l, d.l, pref, 2, found, &count));
    CHECK(count == 2 && found[0].workspaceSize > 0);
    const uint32_t four = 4;
    OK(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &four, sizeof four));
    OK(cublasLtMatmulAlgoGetHeuristic(handle, desc, a.l, b.l, d.l, d.l, pref, 4, found, &count));
    CHECK(count == 1 && found[0].workspaceSize == 0);
    Buffer space(4096);
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, desc, &one, a.p(), a.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, nullptr, space.at(16), 4096, nullptr));
    const int32_t t = T;
    OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &t, sizeof t));
    Matrix at(6, 8, 0, COL, F32, random);
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, cublasLtMatmul(handle, desc, &one, at.p(), at.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, &found[0].algo, nullptr, 0, nullptr));  // chosen for another problem
    cublasLtMatmulAlgo_t garbage = {};
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, desc, &one, at.p(), at.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, &garbage, nullptr, 0, nullptr));
    OK(cublasLtMatmul(handle, desc, &one, at.p(), at.l, b.p(), b.l, &zero, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, nullptr));
    OK(cuCtxSynchronize());
    OK(cublasLtMatmulDescDestroy(desc));
    OK(cublasLtMatmulPreferenceDestroy(pref));
}

void capture(cublasLtHandle_t handle) {
    test::row = "capture";
    Random random(2);
    Matrix a(1, 1, 0, COL, F32, random), d(1, 1, 0, COL, F32, random);
    a.memory.put({3}), d.memory.put({1});
    cublasLtMatmulDesc_t desc;
    OK(cublasLtMatmulDescCreate(&desc, FP32, CUDA_R_32F));
    CUstream s;
    CUgraph graph;
    CUgraphExec exec;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(cublasLtMatmul(handle, desc, &one, a.p(), a.l, a.p(), a.l, &one, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, cudaStream_t(s)));
    OK(cuStreamEndCapture(s, &graph));
    OK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(d.memory.get()[0] == 1);
    OK(cuGraphLaunch(exec, s));
    OK(cuGraphLaunch(exec, s));
    OK(cuStreamSynchronize(s));
    CHECK(d.memory.get()[0] == 19);
    OK(emu_control("fail-call cublasLtMatmul 1"));
    STATUS(CUBLAS_STATUS_EXECUTION_FAILED, cublasLtMatmul(handle, desc, &one, a.p(), a.l, a.p(), a.l, &one, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, cudaStream_t(s)));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuStreamDestroy(s));
    OK(cublasLtMatmulDescDestroy(desc));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasLtMatmul(handle, nullptr, &one, a.p(), a.l, a.p(), a.l, &one, d.p(), d.l, d.p(), d.l, nullptr, nullptr, 0, nullptr));
}

void cublas() {
    test::row = "cublas";
    cublasHandle_t h;
    OK(cublasCreate(&h));
    int version;
    OK(cublasGetVersion(h, &version));
    CHECK(size_t(version) == cublasLtGetVersion());
    Random random(3);
    for (auto ta : {N, T})
        for (auto tb : {N, T})
            for (auto math : {CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH}) {
                const int m = 11, n = 13, k = 17, lda = (ta == N ? m : k) + 1, ldb = (tb == N ? k : n) + 2, ldc = m + 3, batch = 3;
                const long long sa = lda * k + 40, sb = ldb * n + 60, sc = ldc * n + 5;
                const auto a = random.fill(size_t(sa * batch)), b = random.fill(size_t(sb * batch)), c = random.fill(size_t(sc * batch));
                const float alpha = 2, beta = -1;
                const auto see = [&](float v) { return math == CUBLAS_DEFAULT_MATH ? v : nn::to_tf32(v); };
                std::vector<double> want(c.begin(), c.end());
                for (int i = 0; i < batch; i++)
                    for (int r = 0; r < m; r++)
                        for (int j = 0; j < n; j++) {
                            double sum = 0;
                            for (int l = 0; l < k; l++)
                                sum += double(see(a[size_t(i * sa + (ta == N ? l * lda + r : r * lda + l))])) * see(b[size_t(i * sb + (tb == N ? j * ldb + l : l * ldb + j))]);
                            double& v = want[size_t(i * sc + j * ldc + r)];
                            v = alpha * sum + beta * v;
                        }
                Buffer A(a), B(b), C(c);
                OK(cublasSetMathMode(h, math));
                OK(cublasSgemmStridedBatched(h, ta, tb, m, n, k, &alpha, static_cast<float*>(A.p()), lda, sa, static_cast<float*>(B.p()), ldb, sb, &beta, static_cast<float*>(C.p()), ldc, sc, batch));
                near(C.get(), want, 1e-6, "strided batch");
                for (long long i = sc; i < sc * batch; i++) want[size_t(i)] = c[size_t(i)];
                C.put(c);
                OK(cublasSgemm(h, ta, tb, m, n, k, &alpha, static_cast<float*>(A.p()), lda, static_cast<float*>(B.p()), ldb, &beta, static_cast<float*>(C.p()), ldc));
                near(C.get(), want, 1e-6, "sgemm");
                C.put(c);
                OK(cublasGemmEx(h, ta, tb, m, n, k, &alpha, A.p(), CUDA_R_32F, lda, B.p(), CUDA_R_32F, ldb, &beta, C.p(), CUDA_R_32F, ldc,
                                math == CUBLAS_DEFAULT_MATH ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_GEMM_DEFAULT));
                near(C.get(), want, 1e-6, "gemmEx");
                STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasSgemm(h, ta, tb, m, n, k, &alpha, static_cast<float*>(A.p()), 10, static_cast<float*>(B.p()), ldb, &beta, static_cast<float*>(C.p()), ldc));
                STATUS(CUBLAS_STATUS_NOT_SUPPORTED, cublasGemmEx(h, ta, tb, m, n, k, &alpha, A.p(), CUDA_R_16BF, lda, B.p(), CUDA_R_32F, ldb, &beta, C.p(), CUDA_R_32F, ldc, FP32, CUBLAS_GEMM_DEFAULT));
            }
    Buffer space(1024);
    OK(cublasSetWorkspace(h, space.p(), 4096));
    STATUS(CUBLAS_STATUS_INVALID_VALUE, cublasSetWorkspace(h, space.at(8), 4096));
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, cublasSaxpy(h, 1, &one, nullptr, 1, nullptr, 1));
    OK(cublasDestroy(h));
    expect(1, [&] { STATUS(CUBLAS_STATUS_NOT_INITIALIZED, cublasSetStream(h, nullptr)); });
}

}  // namespace

int main() {
    device();
    cublasLtHandle_t handle;
    OK(cublasLtCreate(&handle));
    for (const Row& r : rows) product(handle, r);
    refusals(handle);
    capture(handle);
    OK(cublasLtDestroy(handle));
    cublas();
    return done("nn/test_matmul");
}
