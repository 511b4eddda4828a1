// The arithmetic of the convolutions: every tensor is brought into one dense layout (N, H, W, C; filters M, R, S, C), a pass is
// a matrix product over windows that are gathered while they are packed, and the result goes to its own strides and type.
#include <algorithm>
#include <memory>

#include "conv.h"
#include "gemm.h"
#include "parallel.h"

namespace nn {
namespace {

// Dense is a tensor as float, N, H, W, C without gaps: a copy, or the memory itself where it already is that.
struct Dense {
    std::vector<float> copy;
    float* data = nullptr;
};

bool is_dense(const Tensor& t, Type type) { return type == Type::f32 && packed_nhwc(t); }

// rows calls visit(dense place, place in memory) for each row of channels.
template <class F>
void rows(const Tensor& t, F visit) {
    const int64_t h = t.dim[2], w = t.dim[3];
    parallel(int64_t(t.dim[0]) * h * w, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
            const int64_t n = i / (h * w), y = i / w % h, x = i % w;
            visit(i * t.dim[1], n * t.stride[0] + y * t.stride[2] + x * t.stride[3]);
        }
    });
}

Dense read(const void* host, const Tensor& t, Type type, Math math) {
    Dense d;
    if (is_dense(t, type) && math == Math::f32) {
        d.data = const_cast<float*>(static_cast<const float*>(host));
        return d;
    }
    d.copy.resize(size_t(elements(t)));
    d.data = d.copy.data();
    rows(t, [&](int64_t to, int64_t from) {
        for (int64_t c = 0; c < t.dim[1]; c++) d.data[to + c] = rounded(load(host, type, from + c * t.stride[1]), math);
    });
    return d;
}

// result is where a pass writes: the tensor itself if nothing remains to be done to it.
Dense result(void* host, const Tensor& t, Type type, const Epilogue& e) {
    Dense d;
    if (is_dense(t, type) && e.alpha == 1 && e.beta == 0) {
        d.data = static_cast<float*>(host);
        return d;
    }
    d.copy.resize(size_t(elements(t)));
    d.data = d.copy.data();
    return d;
}

void write(const Dense& d, void* host, const Tensor& t, Type type, const Epilogue& e) {
    if (d.copy.empty()) return;
    rows(t, [&](int64_t from, int64_t to) {
        for (int64_t c = 0; c < t.dim[1]; c++) blend(host, type, to + c * t.stride[1], d.data[from + c], e.alpha, e.beta);
    });
}

// place is where tap (m, c, r, s) lies in the filter's memory.
int64_t place(const Filter& f, int64_t m, int64_t c, int64_t r, int64_t s) {
    const int64_t C = f.dim[1], R = f.dim[2], S = f.dim[3];
    return f.format == CUDNN_TENSOR_NHWC ? ((m * R + r) * S + s) * C + c : ((m * C + c) * R + r) * S + s;
}

// taps calls visit(dense place, place in memory) for each tap; a turned filter is turned here.
template <class F>
void taps(const Filter& f, bool turned, F visit) {
    const int64_t C = f.dim[1], R = f.dim[2], S = f.dim[3];
    parallel(f.dim[0], [&](int64_t begin, int64_t end) {
        for (int64_t m = begin; m < end; m++)
            for (int64_t r = 0; r < R; r++)
                for (int64_t s = 0; s < S; s++)
                    for (int64_t c = 0; c < C; c++)
                        visit(((m * R + r) * S + s) * C + c, turned ? place(f, m, c, R - 1 - r, S - 1 - s) : place(f, m, c, r, s));
    });
}

bool is_dense(const Filter& f, Type type, bool turned) { return type == Type::f32 && f.format == CUDNN_TENSOR_NHWC && !turned; }

Dense read_filter(const void* host, const Filter& f, Type type, bool turned, Math math) {
    Dense w;
    if (is_dense(f, type, turned) && math == Math::f32) {
        w.data = const_cast<float*>(static_cast<const float*>(host));
        return w;
    }
    w.copy.resize(size_t(elements(f)));
    w.data = w.copy.data();
    taps(f, turned, [&](int64_t to, int64_t from) { w.data[to] = rounded(load(host, type, from), math); });
    return w;
}

// window is the row of channels under tap row r and column s of output pixel i, nullptr in the padding.
const float* window(const Geometry& g, const float* x, int64_t group, int64_t i, int64_t r, int64_t s) {
    const int64_t n = i / (g.p * g.q), p = i / g.q % g.p, q = i % g.q;
    const int64_t h = p * g.stride_h - g.pad_h + r * g.dilation_h, w = q * g.stride_w - g.pad_w + s * g.dilation_w;
    if (h < 0 || h >= g.h || w < 0 || w >= g.w) return nullptr;
    return x + ((n * g.h + h) * g.w + w) * g.c + group * (g.c / g.groups);
}

// pieces cuts taps [t0, t1) into runs of channels of one (r, s): visit(first tap, length, r, s, first channel).
template <class F>
void pieces(const Geometry& g, int64_t t0, int64_t t1, F visit) {
    const int64_t channels = g.c / g.groups;
    for (int64_t t = t0; t < t1;) {
        const int64_t rs = t / channels, c = t % channels, length = std::min(channels - c, t1 - t);
        visit(t, length, rs / g.s, rs % g.s, c);
        t += length;
    }
}

// Taps are summed over, output pixels stay: the left operand of the forward pass.
Panel windows_by_pixel(const Geometry& g, const float* x, int64_t group) {
    return [=, &g](int64_t k0, int64_t depth, int64_t i0, int64_t width, int64_t stride, bool backwards, float* dst) {
        pieces(g, k0, k0 + depth, [&](int64_t t, int64_t length, int64_t r, int64_t s, int64_t c) {
            for (int64_t i = 0; i < stride; i++) {
                const float* src = i < width ? window(g, x, group, i0 + i, r, s) : nullptr;
                float* to = dst + (backwards ? depth - 1 - (t - k0) : t - k0) * stride + i;
                const int64_t step = backwards ? -stride : stride;
                if (src)
                    for (int64_t l = 0; l < length; l++) to[l * step] = src[c + l];
                else
                    for (int64_t l = 0; l < length; l++) to[l * step] = 0;
            }
        });
    };
}

// Output pixels are summed over, taps stay: the right operand of the filter's gradient.
Panel windows_by_tap(const Geometry& g, const float* x, int64_t group) {
    return [=, &g](int64_t k0, int64_t depth, int64_t i0, int64_t width, int64_t stride, bool backwards, float* dst) {
        for (int64_t k = 0; k < depth; k++) {
            float* to = dst + (backwards ? depth - 1 - k : k) * stride;
            std::fill(to + width, to + stride, 0.0f);
            pieces(g, i0, i0 + width, [&](int64_t t, int64_t length, int64_t r, int64_t s, int64_t c) {
                const float* src = window(g, x, group, k0 + k, r, s);
                if (src)
                    std::copy_n(src + c, length, to + (t - i0));
                else
                    std::fill_n(to + (t - i0), length, 0.0f);
            });
        }
    };
}

// spread adds the columns of pixels [i0, i1) of one group back to channels [c0, c1) of dx.
void spread(const Geometry& g, const float* columns, int64_t i0, int64_t i1, int64_t group, int64_t c0, int64_t c1, bool backwards, float* dx) {
    const int64_t channels = g.c / g.groups, count = i1 - i0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t i = backwards ? count - 1 - k : k;
        for (int64_t tap = 0; tap < g.r * g.s; tap++) {
            float* to = const_cast<float*>(window(g, dx, group, i0 + i, tap / g.s, tap % g.s));
            if (!to) continue;
            const float* from = columns + i * g.taps() + tap * channels;
            for (int64_t c = c0; c < c1; c++) to[c] += from[c];
        }
    }
}

}  // namespace

void run_forward(const Problem& p, Math math, const void* x, const void* w, void* y, const Epilogue& e) {
    const Geometry& g = p.g;
    const bool plain = !e.bias && !e.z && !e.relu;
    const Dense in = read(x, p.x, p.type, math);
    const Dense filter = read_filter(w, p.w, p.type, g.turned, math);
    Epilogue apart = e;
    if (!plain) apart.beta = 1;  // an epilogue needs the sums in a place of their own
    Dense out = result(y, p.y, p.type, apart);
    const int64_t maps = g.m / g.groups;
    for (int64_t group = 0; group < g.groups; group++)
        gemm_all(g.n * g.p * g.q, maps, g.taps(), windows_by_pixel(g, in.data, group), strided(filter.data + group * maps * g.taps(), 1, g.taps()), false,
                 out.data + group * maps, g.m);
    if (plain) {
        write(out, y, p.y, p.type, e);
        return;
    }
    const int64_t h = g.p, wd = g.q;
    rows(p.y, [&](int64_t from, int64_t to) {
        const int64_t i = from / g.m;
        const int64_t z = i / (h * wd) * e.z_desc.stride[0] + i / wd % h * e.z_desc.stride[2] + i % wd * e.z_desc.stride[3];
        for (int64_t c = 0; c < g.m; c++) {
            float v = e.alpha * out.data[from + c];
            if (e.alpha2 != 0) v += e.alpha2 * load(e.z, p.type, z + c * e.z_desc.stride[1]);
            v += load(e.bias, p.type, c);
            store(y, p.type, to + c * p.y.stride[1], e.relu && v < 0 ? 0 : v);
        }
    });
}

void run_data(const Problem& p, Math math, bool backwards, const void* w, const void* dy, void* dx, const Epilogue& e) {
    const Geometry& g = p.g;
    const Dense in = read(dy, p.y, p.type, math);
    const Dense filter = read_filter(w, p.w, p.type, g.turned, math);
    Dense out = result(dx, p.x, p.type, e);
    std::fill_n(out.data, elements(p.x), 0.0f);
    const int64_t maps = g.m / g.groups, channels = g.c / g.groups, pixels = g.p * g.q;
    const int64_t block = std::clamp<int64_t>((1 << 20) / g.taps(), 16, 512), blocks = (pixels + block - 1) / block;
    // One image and group: columns of a block of pixels, then their way back. Alone on a thread, or each step on all threads.
    const auto image = [&](int64_t n, int64_t group, bool alone) {
        std::vector<float> columns(size_t(std::min(block, pixels) * g.taps()));
        const Panel left = strided(in.data + n * pixels * g.m + group * maps, 1, g.m), right = strided(filter.data + group * maps * g.taps(), g.taps(), 1);
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t begin = (backwards ? blocks - 1 - b : b) * block, end = std::min(begin + block, pixels), first = n * pixels + begin;
            const Panel here = [&](int64_t k0, int64_t depth, int64_t i0, int64_t width, int64_t stride, bool back, float* dst) {
                left(k0, depth, begin + i0, width, stride, back, dst);
            };
            if (alone) {
                gemm(0, end - begin, 0, g.taps(), maps, here, right, backwards, columns.data(), g.taps());
                spread(g, columns.data(), first, first + end - begin, group, 0, channels, backwards, out.data);
                continue;
            }
            gemm_all(end - begin, g.taps(), maps, here, right, backwards, columns.data(), g.taps());
            parallel(channels, [&](int64_t c0, int64_t c1) {
                spread(g, columns.data(), first, first + end - begin, group, c0, c1, backwards, out.data);
            });
        }
    };
    if (g.n * g.groups >= threads())
        parallel(g.n * g.groups, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i++) image(i / g.groups, i % g.groups, true);
        });
    else
        for (int64_t i = 0; i < g.n * g.groups; i++) image(i / g.groups, i % g.groups, false);
    write(out, dx, p.x, p.type, e);
}

void run_filter(const Problem& p, Math math, bool backwards, const void* x, const void* dy, void* dw, const Epilogue& e) {
    const Geometry& g = p.g;
    const Dense in = read(x, p.x, p.type, math), diff = read(dy, p.y, p.type, math);
    Dense sums;
    if (is_dense(p.w, p.type, g.turned) && e.alpha == 1 && e.beta == 0) {
        sums.data = static_cast<float*>(dw);
    } else {
        sums.copy.resize(size_t(elements(p.w)));
        sums.data = sums.copy.data();
    }
    const int64_t maps = g.m / g.groups;
    for (int64_t group = 0; group < g.groups; group++)
        gemm_all(maps, g.taps(), g.n * g.p * g.q, strided(diff.data + group * maps, g.m, 1), windows_by_tap(g, in.data, group), backwards,
                 sums.data + group * maps * g.taps(), g.taps());
    if (!sums.copy.empty()) taps(p.w, g.turned, [&](int64_t from, int64_t to) { blend(dw, p.type, to, sums.data[from], e.alpha, e.beta); });
}

}  // namespace nn
