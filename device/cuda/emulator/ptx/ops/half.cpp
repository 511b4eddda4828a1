// Arithmetic of f16 and bf16, one or two to a register. Sums and products of floats round to the shorter format as the exact
// results would; fma goes through double with a sticky bit.
#include "rounding.h"

namespace ptx {
namespace {

template <class H> INLINE H nearest(float x);
template <> INLINE Half nearest<Half>(float x) { return half_nearest(x); }
template <> INLINE Brain nearest<Brain>(float x) { return brain_nearest(x); }

template <class H>
INLINE H fused(float a, float b, float c) {
    double p = double(a) * double(b), q = c, s = p + q;
    double d = to_odd(s, two_sum_error(p, q, s));
    float f = directed<Round::zero>(d, 0);
    uint32_t sticky = double(f) != d && d == d;
    return nearest<H>(bits<float>(bits<uint32_t>(f) | sticky));
}

template <bool Max>
INLINE float extreme(float a, float b, bool nan) {
    if (nan && (is_nan(a) || is_nan(b))) return a + b;
    bool first = Max ? (a > b || (a == b && !__builtin_signbit(a))) : (a < b || (a == b && __builtin_signbit(a)));
    return is_nan(b) ? a : is_nan(a) ? b : first ? a : b;
}

enum : uint8_t { flag_ftz = 1, flag_sat = 2, flag_relu = 4, flag_nan = 8 };

// f16's .ftz flushes denormals of f16.
template <class H>
INLINE float in(uint16_t u, bool ftz) {
    if (ftz && !(u & 0x7C00)) u &= 0x8000;
    return widen(H{u});
}

template <class H>
INLINE uint16_t out(H r, uint8_t flags) {
    uint16_t u = r.u;
    if ((flags & flag_ftz) && !(u & 0x7C00)) u &= 0x8000;
    if (flags & (flag_sat | flag_relu)) {
        float x = widen(r);
        if (flags & flag_sat) u = x > 0 ? (x < 1 ? u : nearest<H>(1.0f).u) : 0;
        if ((flags & flag_relu) && !is_nan(x)) u = x > 0 ? u : 0;
    }
    return u;
}

template <class H, Op O>
INLINE uint16_t one(uint16_t a, uint16_t b, uint16_t c, uint8_t flags) {
    if constexpr (O == Op::neg) return (flags & flag_ftz) && !(a & 0x7C00) ? (a & 0x8000) ^ 0x8000 : a ^ 0x8000;
    if constexpr (O == Op::abs) return (flags & flag_ftz) && !(a & 0x7C00) ? 0 : a & 0x7FFF;
    bool ftz = flags & flag_ftz;
    float x = in<H>(a, ftz), y = in<H>(b, ftz);
    H r{};
    if constexpr (O == Op::add) r = nearest<H>(x + y);
    if constexpr (O == Op::sub) r = nearest<H>(x - y);
    if constexpr (O == Op::mul) r = nearest<H>(x * y);
    if constexpr (O == Op::fma) r = fused<H>(x, y, in<H>(c, ftz));
    if constexpr (O == Op::min) r = nearest<H>(extreme<false>(x, y, flags & flag_nan));
    if constexpr (O == Op::max) r = nearest<H>(extreme<true>(x, y, flags & flag_nan));
    if constexpr (O == Op::ex2) r = nearest<H>(__builtin_exp2f(x));
    if constexpr (O == Op::tanh) r = nearest<H>(__builtin_tanhf(x));
    return out<H>(r, flags);
}

template <Op O> constexpr int operands = O == Op::fma ? 3 : O == Op::neg || O == Op::abs || O == Op::ex2 || O == Op::tanh ? 1 : 2;

template <class H, Op O, bool Two>
void run(Warp& w, const Instr& i, uint32_t mask) {
    uint8_t flags = i.mode;
    if constexpr (Two) {
        const uint32_t* a = at<uint32_t>(w, i.a);
        const uint32_t* b = operands<O> > 1 ? at<uint32_t>(w, i.b) : a;
        const uint32_t* c = operands<O> > 2 ? at<uint32_t>(w, i.c) : a;
        each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
            uint32_t low = one<H, O>(uint16_t(a[l]), uint16_t(b[l]), uint16_t(c[l]), flags);
            uint32_t high = one<H, O>(uint16_t(a[l] >> 16), uint16_t(b[l] >> 16), uint16_t(c[l] >> 16), flags);
            return high << 16 | low;
        });
    } else {
        const uint16_t* a = at<uint16_t>(w, i.a);
        const uint16_t* b = operands<O> > 1 ? at<uint16_t>(w, i.b) : a;
        const uint16_t* c = operands<O> > 2 ? at<uint16_t>(w, i.c) : a;
        each(w, mask, at<uint16_t>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return one<H, O>(a[l], b[l], c[l], flags); });
    }
}

template <class H, bool Two>
Fn choose(const Spec& s) {
    switch (s.op) {
    case Op::add: return run<H, Op::add, Two>;
    case Op::sub: return run<H, Op::sub, Two>;
    case Op::mul: return run<H, Op::mul, Two>;
    case Op::fma: return run<H, Op::fma, Two>;
    case Op::min: return run<H, Op::min, Two>;
    case Op::max: return run<H, Op::max, Two>;
    case Op::neg: return run<H, Op::neg, Two>;
    case Op::abs: return run<H, Op::abs, Two>;
    case Op::ex2: return run<H, Op::ex2, Two>;
    case Op::tanh: return run<H, Op::tanh, Two>;
    default: return nullptr;
    }
}

}  // namespace

Fn select_half(const Spec& s) {
    if (s.round != Round::nearest) return nullptr;
    switch (s.type) {
    case Type::f16: return choose<Half, false>(s);
    case Type::bf16: return choose<Brain, false>(s);
    case Type::f16x2: return choose<Half, true>(s);
    case Type::bf16x2: return choose<Brain, true>(s);
    default: return nullptr;
    }
}

}  // namespace ptx
