// cvt between all types. A register may be wider than the type: the source's low bits count, the result is extended.
#include "rounding.h"

namespace ptx {
namespace {

enum : uint8_t { round_bits = 7, integer_bit = 8, sat_bit = 16, ftz_bit = 32, relu_bit = 64 };

template <class T> constexpr bool floating = false;
template <> constexpr bool floating<Half> = true;
template <> constexpr bool floating<Brain> = true;
template <> constexpr bool floating<float> = true;
template <> constexpr bool floating<double> = true;
template <class T> constexpr bool short_float = false;
template <> constexpr bool short_float<Half> = true;
template <> constexpr bool short_float<Brain> = true;

template <class T> constexpr bool has_sign = T(-1) < T(0);
template <class T> constexpr int width = sizeof(T) * 8;
template <class T> constexpr T highest = has_sign<T> ? T((uint64_t(1) << (width<T> - 1)) - 1) : T(~uint64_t(0));
template <class T> constexpr T lowest = has_sign<T> ? T(uint64_t(1) << (width<T> - 1)) : T(0);

INLINE double widen(double x) { return x; }
INLINE float widen(float x) { return x; }

INLINE float integral(float x, Round r) {
    switch (r) {
    case Round::zero: return __builtin_truncf(x);
    case Round::down: return __builtin_floorf(x);
    case Round::up: return __builtin_ceilf(x);
    default: return __builtin_rintf(x);
    }
}
INLINE double integral(double x, Round r) {
    switch (r) {
    case Round::zero: return __builtin_trunc(x);
    case Round::down: return __builtin_floor(x);
    case Round::up: return __builtin_ceil(x);
    default: return __builtin_rint(x);
    }
}

template <class D, class S, Round R>
INLINE D to_integer(S source, uint8_t mode) {
    auto x = widen(source);
    if constexpr (sizeof(S) == 4)
        if (mode & ftz_bit) x = flush(x);
    using T = decltype(x);
    T r = integral(x, R);
    constexpr T top = has_sign<D> ? T(uint64_t(1) << (width<D> - 1)) : T(2) * T(uint64_t(1) << (width<D> - 1));
    constexpr D nan = sizeof(S) < 8 && width<D> < 64 ? D(0) : D(uint64_t(1) << (width<D> - 1));
    if (width<D> < 32) {  // through int, which vectorises
        T low = T(lowest<D>), high = T(highest<D>);
        T c = r < low ? low : r > high ? high : r;
        return r != r ? nan : D(int32_t(c == c ? c : T(0)));
    }
    return r != r ? nan : r >= top ? highest<D> : r < T(lowest<D>) ? lowest<D> : D(r);
}

// An integer as a double with a sticky last bit: right for a later rounding to fewer bits.
template <class S>
inline double sticky(S x) {
    if (sizeof(S) < 8) return double(x);
    bool minus = has_sign<S> && x < S(0);
    uint64_t m = minus ? 0 - uint64_t(x) : uint64_t(x);
    double r = m >> 53 ? double(m >> 11 | ((m & 2047) != 0)) * 2048.0 : double(m);
    return minus ? -r : r;
}

template <class D> inline D short_of(double x, Round r);
template <> inline Half short_of<Half>(double x, Round r) { return {narrow(x, 5, 10, r)}; }
template <> inline Brain short_of<Brain>(double x, Round r) { return {narrow(x, 8, 7, r)}; }

template <class D, class S>
INLINE D from_integer(S x, Round r) {
    if constexpr (short_float<D>)
        return short_of<D>(sticky(x), r);
    else
        return r == Round::nearest ? D(x) : under(r, [&] { return D(opaque(x)); });
}

INLINE Half clamp(Half x) {
    float f = widen(x);
    return f > 0 ? (f < 1 ? x : Half{0x3C00}) : Half{0};
}
INLINE Brain clamp(Brain x) {
    float f = widen(x);
    return f > 0 ? (f < 1 ? x : Brain{0x3F80}) : Brain{0};
}
INLINE float clamp(float x) { return saturate(x); }
INLINE double clamp(double x) { return saturate(x); }
template <class T>
INLINE T relu(T x) {
    auto f = widen(x);
    return f < 0 || (f == 0 && __builtin_signbit(f)) ? T{} : x;
}

template <class D, class S>
INLINE D float_to_float(S source, uint8_t mode, bool quick) {
    auto x = widen(source);
    Round round = quick ? Round::nearest : static_cast<Round>(mode & round_bits);
    bool ftz = !quick && (mode & ftz_bit);
    if constexpr (sizeof(S) == 4)
        if (ftz) x = flush(x);
    if (!quick && (mode & integer_bit)) x = integral(x, round), round = Round::nearest;
    D r;
    if constexpr (__is_same(D, Half) && sizeof(S) < 8) {
        r = round == Round::nearest ? half_nearest(x) : short_of<D>(x, round);
    } else if constexpr (__is_same(D, Brain) && sizeof(S) < 8) {
        r = round == Round::nearest ? brain_nearest(x) : short_of<D>(x, round);
    } else if constexpr (short_float<D>) {
        r = short_of<D>(x, round);
    } else if constexpr (sizeof(D) == 4 && sizeof(S) == 8) {
        r = round == Round::nearest ? float(x) : round == Round::zero ? directed<Round::zero>(x, 0) : round == Round::down ? directed<Round::down>(x, 0) : directed<Round::up>(x, 0);
        r = canonical(r);
    } else {
        r = canonical(D(x));
    }
    if constexpr (sizeof(D) == 4)
        if (ftz) r = flush(r);
    if (!quick && (mode & sat_bit)) r = clamp(r);
    if (!quick && (mode & relu_bit)) r = relu(r);
    return r;
}

template <class D, class S>
INLINE D integer_to_integer(S x, bool sat) {
    if (sat) {
        if (has_sign<S> && x < S(0)) {
            if (!has_sign<D>) return 0;
            return int64_t(x) < int64_t(lowest<D>) ? lowest<D> : D(x);
        }
        return uint64_t(x) > uint64_t(highest<D>) ? highest<D> : D(x);
    }
    return D(x);
}

template <class D>
INLINE uint64_t extended(D r) {
    if constexpr (short_float<D>)
        return r.u;
    else if constexpr (__is_same(D, float))
        return bits<uint32_t>(r);
    else if constexpr (__is_same(D, double))
        return bits<uint64_t>(r);
    else
        return uint64_t(int64_t(r));
}

template <class D, class S, class F>
INLINE void convert(Warp& w, const Instr& i, uint32_t mask, F f) {
    if (i.width == sizeof(S) && i.bytes == sizeof(D)) {
        const S* a = at<S>(w, i.a);
        each(w, mask, at<D>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return f(a[l]); });
        return;
    }
    const uint8_t* a = at<uint8_t>(w, i.a);
    uint8_t* d = at<uint8_t>(w, i.d);
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        S x;
        __builtin_memcpy(&x, a + l * i.width, sizeof x);
        uint64_t r = extended(f(x));
        __builtin_memcpy(d + l * i.bytes, &r, i.bytes);
    }
}

template <class D, class S, Round R>
void run_to_integer(Warp& w, const Instr& i, uint32_t mask) {
    uint8_t mode = i.mode;
    convert<D, S>(w, i, mask, [=](S x) __attribute__((always_inline)) { return to_integer<D, S, R>(x, mode); });
}

template <class D, class S, bool Quick>
void run_cvt(Warp& w, const Instr& i, uint32_t mask) {
    uint8_t mode = i.mode;
    convert<D, S>(w, i, mask, [=](S x) __attribute__((always_inline)) {
        if constexpr (floating<D> && floating<S>) {
            return float_to_float<D, S>(x, mode, Quick);
        } else if constexpr (floating<D>) {
            D r = from_integer<D, S>(x, Quick ? Round::nearest : static_cast<Round>(mode & round_bits));
            return !Quick && (mode & sat_bit) ? clamp(r) : r;
        } else {
            return integer_to_integer<D, S>(x, !Quick);
        }
    });
}

template <class D, class S>
Fn pair(const Spec& s) {
    bool quick = !s.ftz && !s.sat && !s.relu && !s.integer && s.round == Round::nearest;
    if constexpr (floating<S> && !floating<D>) {
        switch (s.round) {
        case Round::nearest: return run_to_integer<D, S, Round::nearest>;
        case Round::zero: return run_to_integer<D, S, Round::zero>;
        case Round::down: return run_to_integer<D, S, Round::down>;
        case Round::up: return run_to_integer<D, S, Round::up>;
        default: return nullptr;
        }
    } else {
        if (s.round == Round::away) return nullptr;
        if (floating<D> || floating<S>) return quick ? run_cvt<D, S, true> : run_cvt<D, S, false>;
        return s.sat ? run_cvt<D, S, false> : run_cvt<D, S, true>;
    }
}

template <class D>
Fn from(const Spec& s) {
    switch (s.from) {
    case Type::u8: return pair<D, uint8_t>(s);
    case Type::u16: return pair<D, uint16_t>(s);
    case Type::u32: return pair<D, uint32_t>(s);
    case Type::u64: return pair<D, uint64_t>(s);
    case Type::s8: return pair<D, int8_t>(s);
    case Type::s16: return pair<D, int16_t>(s);
    case Type::s32: return pair<D, int32_t>(s);
    case Type::s64: return pair<D, int64_t>(s);
    case Type::f16: return pair<D, Half>(s);
    case Type::bf16: return pair<D, Brain>(s);
    case Type::f32: return pair<D, float>(s);
    case Type::f64: return pair<D, double>(s);
    default: return nullptr;
    }
}

// cvt.rn.f16x2.f32 d, a, b: a becomes the upper half.
template <class H>
void run_pack(Warp& w, const Instr& i, uint32_t mask) {
    const float *a = at<float>(w, i.a), *b = at<float>(w, i.b);
    uint8_t mode = i.mode;
    if (mode == 0)
        each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
            return uint32_t(float_to_float<H, float>(a[l], 0, true).u) << 16 | float_to_float<H, float>(b[l], 0, true).u;
        });
    else
        each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) {
            return uint32_t(float_to_float<H, float>(a[l], mode, false).u) << 16 | float_to_float<H, float>(b[l], mode, false).u;
        });
}

// tf32: a float with 10 bits of fraction.
template <bool Away>
void run_tf32(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t* a = at<uint32_t>(w, i.a);
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
        uint32_t u = a[l], r = (u + (Away ? 0x1000u : 0xFFFu + (u >> 13 & 1))) & ~0x1FFFu;
        return (u & 0x7F800000u) == 0x7F800000u ? (u & 0x7FFFFFu ? 0x7FFFFFFFu : u) : r;
    });
}

}  // namespace

Fn select_convert(const Spec& s) {
    if (s.op == Op::cvt_pack) {
        if (s.from != Type::f32) return nullptr;
        return s.type == Type::f16x2 ? run_pack<Half> : s.type == Type::bf16x2 ? run_pack<Brain> : nullptr;
    }
    switch (s.type) {
    case Type::b32: return s.round == Round::away ? run_tf32<true> : run_tf32<false>;
    case Type::u8: return from<uint8_t>(s);
    case Type::u16: return from<uint16_t>(s);
    case Type::u32: return from<uint32_t>(s);
    case Type::u64: return from<uint64_t>(s);
    case Type::s8: return from<int8_t>(s);
    case Type::s16: return from<int16_t>(s);
    case Type::s32: return from<int32_t>(s);
    case Type::s64: return from<int64_t>(s);
    case Type::f16: return from<Half>(s);
    case Type::bf16: return from<Brain>(s);
    case Type::f32: return from<float>(s);
    case Type::f64: return from<double>(s);
    default: return nullptr;
    }
}

}  // namespace ptx
