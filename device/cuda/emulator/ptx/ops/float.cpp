// Arithmetic of f32 and f64. The approximate functions of PTX are computed exactly, or as exactly as the host's library does.
#include "rounding.h"

namespace ptx {
namespace {

template <class T> INLINE T fused(T a, T b, T c);
template <> INLINE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
template <> INLINE double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

// Operations of two values; one with two operands ignores c, one with one operand b and c.
struct Add { template <class T> static INLINE T of(T a, T b, T) { return a + b; } };
struct Sub { template <class T> static INLINE T of(T a, T b, T) { return a - b; } };
struct Mul { template <class T> static INLINE T of(T a, T b, T) { return a * b; } };
struct Fma { template <class T> static INLINE T of(T a, T b, T c) { return fused(a, b, c); } };
struct Div { template <class T> static INLINE T of(T a, T b, T) { return a / b; } };
struct Sqrt {
    static INLINE float of(float a, float, float) { return __builtin_sqrtf(a); }
    static INLINE double of(double a, double, double) { return __builtin_sqrt(a); }
};
struct Rcp { template <class T> static INLINE T of(T a, T, T) { return T(1) / a; } };
struct Rsqrt {
    static INLINE float of(float a, float, float) { return a == 0 ? __builtin_copysignf(__builtin_inff(), a) : float(1.0 / __builtin_sqrt(double(a))); }
    static INLINE double of(double a, double, double) { return 1.0 / __builtin_sqrt(a); }
};
struct Exp2 { static INLINE float of(float a, float, float) { return __builtin_exp2f(a); } };
struct Log2 { static INLINE float of(float a, float, float) { return __builtin_log2f(a); } };
struct Sin { static INLINE float of(float a, float, float) { return __builtin_sinf(a); } };
struct Cos { static INLINE float of(float a, float, float) { return __builtin_cosf(a); } };
struct Tanh { static INLINE float of(float a, float, float) { return __builtin_tanhf(a); } };

template <class O> constexpr int operands = 2;
template <> constexpr int operands<Fma> = 3;
template <> constexpr int operands<Sqrt> = 1;
template <> constexpr int operands<Rcp> = 1;
template <> constexpr int operands<Rsqrt> = 1;
template <> constexpr int operands<Exp2> = 1;
template <> constexpr int operands<Log2> = 1;
template <> constexpr int operands<Sin> = 1;
template <> constexpr int operands<Cos> = 1;
template <> constexpr int operands<Tanh> = 1;

template <bool Ftz, bool Sat, class T>
INLINE T finish(T r) {
    if (Ftz) r = flush(r);
    if (Sat) return saturate(r);
    return canonical(r);
}

template <class O, class T, bool Ftz, bool Sat>
void run_nearest(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    const T* b = operands<O> > 1 ? at<T>(w, i.b) : a;
    const T* c = operands<O> > 2 ? at<T>(w, i.c) : a;
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
        T x = a[l], y = b[l], z = c[l];
        if (Ftz) x = flush(x), y = flush(y), z = flush(z);
        return finish<Ftz, Sat>(O::of(x, y, z));
    });
}

// f32 add, sub, mul and fma in other directions: exact in two doubles, then rounded. expf needs fma.rm to be quick.
template <class O, Round R, bool Ftz>
void run_directed(Warp& w, const Instr& i, uint32_t mask) {
    const float* a = at<float>(w, i.a);
    const float* b = at<float>(w, i.b);
    const float* c = operands<O> > 2 ? at<float>(w, i.c) : a;
    bool sat = i.mode;
    each(w, mask, at<float>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
        float fx = a[l], fy = b[l], fz = c[l];
        if (Ftz) fx = flush(fx), fy = flush(fy), fz = flush(fz);
        double x = fx, y = fy, z = fz;
        double p = x, q = y;  // the result is p + q
        if (operands<O> > 2) p = x * y, q = z;
        if (__is_same(O, Sub)) q = -y;
        double s, error = 0;
        if (__is_same(O, Mul)) {
            s = x * y;
        } else {
            s = p + q;
            error = two_sum_error(p, q, s);
            if (R == Round::down && s == 0) {  // x - x is -0
                bool plus = p == 0 && q == 0 && !__builtin_signbit(p) && !__builtin_signbit(q);
                s = plus ? 0.0 : -0.0;
            }
        }
        float r = directed<R>(s, error);
        r = Ftz ? flush(r) : r;
        return sat ? saturate(r) : canonical(r);
    });
}

// Everything else that is rounded in another direction, by the host's rounding mode.
template <class O, class T>
void run_under(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    const T* b = operands<O> > 1 ? at<T>(w, i.b) : a;
    const T* c = operands<O> > 2 ? at<T>(w, i.c) : a;
    T* d = at<T>(w, i.d);
    Round round = static_cast<Round>(i.mode & 7);
    bool ftz = i.mode & 8, sat = i.mode & 16;
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        T x = a[l], y = b[l], z = c[l];
        if (ftz) x = flush(x), y = flush(y), z = flush(z);
        T r = under(round, [&] { return O::of(opaque(x), opaque(y), opaque(z)); });
        if (ftz) r = flush(r);
        d[l] = sat ? saturate(r) : canonical(r);
    }
}

// rcp.approx.ftz.f64 works on the upper 32 bits only; the result here is exact but for denormals, which become zero.
template <class O>
void run_approximate64(Warp& w, const Instr& i, uint32_t mask) {
    const double* a = at<double>(w, i.a);
    each(w, mask, at<double>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
        auto clean = [](double x) { return __builtin_fabs(x) < 0x1p-1022 ? __builtin_copysign(0.0, x) : x; };
        return canonical(clean(O::of(clean(a[l]), 0.0, 0.0)));
    });
}

template <class T, bool Max>
INLINE T extreme(T a, T b, bool nan) {
    if (nan && (is_nan(a) || is_nan(b))) return canonical(T(a + b));
    // -0 is below +0
    bool first = Max ? (a > b || (a == b && !__builtin_signbit(a))) : (a < b || (a == b && __builtin_signbit(a)));
    T r = is_nan(b) ? a : is_nan(a) ? b : first ? a : b;
    return canonical(r);
}

INLINE float absolute(float x) { return __builtin_fabsf(x); }
INLINE double absolute(double x) { return __builtin_fabs(x); }

template <class T, bool Max, bool Ftz, bool Nan>
void run_extreme(Warp& w, const Instr& i, uint32_t mask) {
    const T *a = at<T>(w, i.a), *b = at<T>(w, i.b);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
        T x = a[l], y = b[l];
        if (Ftz) x = flush(x), y = flush(y);
        return extreme<T, Max>(x, y, Nan);
    });
}

// Of three values, or of magnitudes with the sign of the product (.xorsign.abs).
template <class T, bool Max>
void run_extreme_rare(Warp& w, const Instr& i, uint32_t mask) {
    bool ftz = i.mode & 1, nan = i.mode & 2, xorsign = i.mode & 4, three = i.mode & 8, magnitude = i.mode & 16;
    const T *a = at<T>(w, i.a), *b = at<T>(w, i.b), *c = three ? at<T>(w, i.c) : a;
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) {
        T x = a[l], y = b[l], z = c[l];
        if (ftz) x = flush(x), y = flush(y), z = flush(z);
        bool minus = __builtin_signbit(x) != __builtin_signbit(y);
        if (magnitude) x = absolute(x), y = absolute(y), z = absolute(z);
        T r = extreme<T, Max>(x, y, nan);
        if (three) r = extreme<T, Max>(r, z, nan);
        return xorsign && minus && !is_nan(r) ? -r : r;
    });
}

template <class T, bool Ftz>
void run_abs(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return absolute(Ftz ? flush(a[l]) : a[l]); });
}

template <class T, bool Ftz>
void run_neg(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return -(Ftz ? flush(a[l]) : a[l]); });
}

// copysign.f32 d, a, b: the sign of a, the magnitude of b.
template <class T, class U>
void run_copysign(Warp& w, const Instr& i, uint32_t mask) {
    const U *a = at<U>(w, i.a), *b = at<U>(w, i.b);
    constexpr U sign = U(1) << (sizeof(U) * 8 - 1);
    each(w, mask, at<U>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return U((a[l] & sign) | (b[l] & ~sign)); });
}

template <class T>
void run_testp(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    Test test = static_cast<Test>(i.mode);
    each_mask(w, mask, i.d, [=](uint32_t l) {
        T x = a[l], m = absolute(x);
        T infinity = T(__builtin_inf()), least = sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022);
        switch (test) {
        case Test::finite: return m < infinity;
        case Test::infinite: return m == infinity;
        case Test::number: return x == x;
        case Test::notanumber: return x != x;
        case Test::normal: return m >= least && m < infinity;
        default: return m < least && m > 0;
        }
    });
}

template <class O, class T>
Fn nearest(const Spec& s) {
    if constexpr (sizeof(T) == 4) {
        if (s.ftz) return s.sat ? run_nearest<O, T, true, true> : run_nearest<O, T, true, false>;
        return s.sat ? run_nearest<O, T, false, true> : run_nearest<O, T, false, false>;
    }
    return s.ftz || s.sat ? nullptr : run_nearest<O, T, false, false>;
}

template <class O, class T>
Fn rounded(const Spec& s) {
    if (s.round == Round::nearest) return nearest<O, T>(s);
    return s.round == Round::away ? nullptr : run_under<O, T>;
}

template <class O>
Fn exact(const Spec& s) {
    switch (s.round) {
    case Round::nearest: return nearest<O, float>(s);
    case Round::zero: return s.ftz ? run_directed<O, Round::zero, true> : run_directed<O, Round::zero, false>;
    case Round::down: return s.ftz ? run_directed<O, Round::down, true> : run_directed<O, Round::down, false>;
    case Round::up: return s.ftz ? run_directed<O, Round::up, true> : run_directed<O, Round::up, false>;
    default: return nullptr;
    }
}

template <class T, bool Max>
Fn extreme_of(const Spec& s) {
    if (s.xorsign || s.absolute || s.three) return run_extreme_rare<T, Max>;
    if (s.ftz) return s.nan ? run_extreme<T, Max, true, true> : run_extreme<T, Max, true, false>;
    return s.nan ? run_extreme<T, Max, false, true> : run_extreme<T, Max, false, false>;
}

Fn select32(const Spec& s) {
    switch (s.op) {
    case Op::add: return exact<Add>(s);
    case Op::sub: return exact<Sub>(s);
    case Op::mul: return exact<Mul>(s);
    case Op::fma: return exact<Fma>(s);
    case Op::div: return rounded<Div, float>(s);
    case Op::sqrt: return rounded<Sqrt, float>(s);
    case Op::rcp: return rounded<Rcp, float>(s);
    case Op::rsqrt: return nearest<Rsqrt, float>(s);
    case Op::ex2: return nearest<Exp2, float>(s);
    case Op::lg2: return nearest<Log2, float>(s);
    case Op::sin: return nearest<Sin, float>(s);
    case Op::cos: return nearest<Cos, float>(s);
    case Op::tanh: return nearest<Tanh, float>(s);
    case Op::min: return extreme_of<float, false>(s);
    case Op::max: return extreme_of<float, true>(s);
    case Op::abs: return s.ftz ? run_abs<float, true> : run_abs<float, false>;
    case Op::neg: return s.ftz ? run_neg<float, true> : run_neg<float, false>;
    case Op::copysign: return run_copysign<float, uint32_t>;
    case Op::testp: return run_testp<float>;
    default: return nullptr;
    }
}

Fn select64(const Spec& s) {
    switch (s.op) {
    case Op::add: return rounded<Add, double>(s);
    case Op::sub: return rounded<Sub, double>(s);
    case Op::mul: return rounded<Mul, double>(s);
    case Op::fma: return rounded<Fma, double>(s);
    case Op::div: return rounded<Div, double>(s);
    case Op::sqrt: return rounded<Sqrt, double>(s);
    case Op::rcp: return s.ftz ? run_approximate64<Rcp> : rounded<Rcp, double>(s);
    case Op::rsqrt: return s.ftz ? run_approximate64<Rsqrt> : nearest<Rsqrt, double>(s);
    case Op::min: return run_extreme<double, false, false, false>;
    case Op::max: return run_extreme<double, true, false, false>;
    case Op::abs: return run_abs<double, false>;
    case Op::neg: return run_neg<double, false>;
    case Op::copysign: return run_copysign<double, uint64_t>;
    case Op::testp: return run_testp<double>;
    default: return nullptr;
    }
}

}  // namespace

Fn select_float(const Spec& s) {
    if (s.type == Type::f32) return select32(s);
    if (s.type == Type::f64) return select64(s);
    return nullptr;
}

}  // namespace ptx
