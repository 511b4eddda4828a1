// conv.h: one convolution problem, checked, with the algorithms that may solve it.
#pragma once

#include "api.h"

namespace nn {

enum class Pass { forward, data, filter };

// Geometry of a two-dimensional convolution: x [n, c, h, w], w [m, c/groups, r, s], y [n, m, p, q].
struct Geometry {
    int64_t n, c, h, w, m, p, q, r, s, groups;
    int64_t pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
    bool turned;  // true convolution: the filter is rotated by 180 degrees

    int64_t taps() const { return r * s * (c / groups); }
};

struct Problem {
    Pass pass;
    Geometry g;
    Tensor x, y;
    Filter w;
    Convolution conv;
    Type type;
};

// problem checks what the documentation says of a convolution's descriptors, whatever the algorithm.
Problem problem(Pass pass, const Tensor& x, const Filter& w, const Convolution& c, const Tensor& y);

// Algorithm is one entry of the enumerations cudnnConvolution{Fwd,BwdData,BwdFilter}Algo_t.
struct Algorithm {
    int id;
    const char* name;
    bool deterministic;
    bool tensor_cores;  // has a variant for them
    float pace;         // pretended time relative to the fastest
    std::string (*refuses)(const Problem&);  // why it cannot solve the problem; empty if it can
    size_t (*workspace)(const Problem&);
};

const std::vector<Algorithm>& algorithms(Pass pass);
const Algorithm& algorithm(const Problem& p, int id);  // refuses one that cannot solve p

// tensor_math tells whether the math type lets the multiplications run on tensor cores.
bool tensor_math(cudnnMathType_t math);
size_t workspace(const Problem& p, const Algorithm& a);

// multiplication is how operands are rounded before they are multiplied.
Math multiplication(const Problem& p, const Algorithm& a);

// The three passes on host memory. y = alpha*result + beta*y in each.
struct Epilogue {
    float alpha = 1, beta = 0;
    // forward only: y = act(alpha*conv + alpha2*z + bias)
    const void* z = nullptr;
    Tensor z_desc;
    float alpha2 = 0;
    const void* bias = nullptr;
    bool relu = false;
};

void run_forward(const Problem& p, Math math, const void* x, const void* w, void* y, const Epilogue& e);
void run_data(const Problem& p, Math math, bool backwards, const void* w, const void* dy, void* dx, const Epilogue& e);
void run_filter(const Problem& p, Math math, bool backwards, const void* x, const void* dy, void* dw, const Epilogue& e);

}  // namespace nn
