// matmul.h: the matrix product that cuBLASLt and cuBLAS share.
#pragma once

#include <string>
#include <vector>

#include "../emulator.h"
#include "number.h"

namespace nn {

// Matrix lies in memory with element (row, column) at row*row_stride + column*column_stride.
struct Matrix {
    Type type = Type::f32;
    int64_t rows = 0, columns = 0, row_stride = 1, column_stride = 0;

    int64_t span() const { return rows && columns ? (rows - 1) * row_stride + (columns - 1) * column_stride + 1 : 0; }
    Matrix transposed() const { return {type, columns, rows, column_stride, row_stride}; }
};

// Product is d = act(alpha * a * b + beta * c + bias), or with a bias gradient on the side.
struct Product {
    Matrix a, b, c, d;
    float alpha = 1, beta = 0;
    Math math = Math::f32;
    bool relu = false;
    enum class Side { none, bias, gradient_of_a, gradient_of_b } side = Side::none;
    Type side_type = Type::f32;

    // side_length is how long the vector is that the side reads (bias) or writes (gradient).
    int64_t side_length() const { return side == Side::gradient_of_b ? d.columns : d.rows; }
};

// run computes the product on host memory. c is not read where beta is 0.
void run(const Product& p, const void* a, const void* b, const void* c, void* d, void* side);

}  // namespace nn
