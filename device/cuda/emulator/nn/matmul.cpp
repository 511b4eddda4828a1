#include "matmul.h"

#include "gemm.h"
#include "parallel.h"

namespace nn {
namespace {

// dense copies a matrix as rows of float, rounded as the multiplication sees it.
std::vector<float> dense(const void* p, const Matrix& m, Math math) {
    std::vector<float> out(size_t(m.rows * m.columns));
    parallel(m.rows, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
            for (int64_t c = 0; c < m.columns; c++)
                out[size_t(r * m.columns + c)] = rounded(load(p, m.type, r * m.row_stride + c * m.column_stride), math);
    });
    return out;
}

// Operand is a matrix that gemm may read where it lies, or a copy of it.
struct Operand {
    std::vector<float> copy;
    const float* data;
    int64_t row_stride, column_stride;

    Operand(const void* p, const Matrix& m, Math math) : data(static_cast<const float*>(p)), row_stride(m.row_stride), column_stride(m.column_stride) {
        if (m.type == Type::f32 && math == Math::f32) return;
        copy = dense(p, m, math);
        data = copy.data();
        row_stride = m.columns;
        column_stride = 1;
    }
};

// sums stores, for each i below n, the sum over k of m[i*step + k*stride].
void sums(const void* p, const Matrix& m, bool of_rows, Type type, void* out) {
    const int64_t n = of_rows ? m.rows : m.columns, k = of_rows ? m.columns : m.rows;
    const int64_t step = of_rows ? m.row_stride : m.column_stride, stride = of_rows ? m.column_stride : m.row_stride;
    parallel(n, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++) sum += load(p, m.type, i * step + j * stride);
            store(out, type, i, float(sum));
        }
    });
}

}  // namespace

void run(const Product& p, const void* a, const void* b, const void* c, void* d, void* side) {
    const Operand left(a, p.a, p.math), right(b, p.b, p.math);
    std::vector<float> out(size_t(p.d.rows * p.d.columns));
    gemm_all(p.d.rows, p.d.columns, p.a.columns, strided(left.data, left.column_stride, left.row_stride),
             strided(right.data, right.row_stride, right.column_stride), false, out.data(), p.d.columns);
    parallel(p.d.rows, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
            for (int64_t j = 0; j < p.d.columns; j++) {
                float v = p.alpha * out[size_t(r * p.d.columns + j)];
                if (p.beta != 0) v += p.beta * load(c, p.c.type, r * p.c.row_stride + j * p.c.column_stride);
                if (p.side == Product::Side::bias) v += load(side, p.side_type, r);
                if (p.relu && v < 0) v = 0;
                store(d, p.d.type, r * p.d.row_stride + j * p.d.column_stride, v);
            }
    });
    if (p.side == Product::Side::gradient_of_a) sums(a, p.a, true, p.side_type, side);
    if (p.side == Product::Side::gradient_of_b) sums(b, p.b, false, p.side_type, side);
}

}  // namespace nn
