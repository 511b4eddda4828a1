// Floating point as PTX rounds it, shared by arithmetic and conversions.
#pragma once

#include <cfenv>

#include "../ops.h"

namespace ptx {

struct Half { uint16_t u; };
struct Brain { uint16_t u; };  // bfloat16

INLINE bool is_nan(float x) { return x != x; }
INLINE bool is_nan(double x) { return x != x; }

// All NaN results of f32, f16 and bf16 instructions are the one that GPUs make; f64 keeps its payload there, but which of two
// payloads differs between hosts.
INLINE float canonical(float r) { return r == r ? r : bits<float>(0x7FFFFFFFu); }
INLINE double canonical(double r) { return r == r ? r : bits<double>(uint64_t(0xFFF8000000000000)); }

INLINE float flush(float x) {
    uint32_t u = bits<uint32_t>(x);
    return bits<float>(u & (u & 0x7F800000u ? ~0u : 0x80000000u));
}
INLINE double flush(double x) { return x; }  // there is no .ftz for f64: rcp.approx.ftz.f64 says otherwise itself

INLINE float saturate(float r) { return r > 0.0f ? (r < 1.0f ? r : 1.0f) : 0.0f; }  // NaN: 0
INLINE double saturate(double r) { return r > 0.0 ? (r < 1.0 ? r : 1.0) : 0.0; }

INLINE float below(float x) {
    uint32_t u = bits<uint32_t>(x);
    return bits<float>(u << 1 == 0 ? 0x80000001u : u >> 31 ? u + 1 : u - 1);
}
INLINE float above(float x) {
    uint32_t u = bits<uint32_t>(x);
    return bits<float>(u << 1 == 0 ? 1u : u >> 31 ? u - 1 : u + 1);
}

// directed rounds s + error, where s is a double and |error| < ulp(s)/2, to float. An error that is NaN (s infinite) is none.
template <Round R>
INLINE float directed(double s, double error) {
    float f = float(s);
    double g = f;
    bool high = g > s || (g == s && error < 0), low = g < s || (g == s && error > 0);
    bool down = R == Round::down || (R == Round::zero && s > 0), up = R == Round::up || (R == Round::zero && s < 0);
    return down && high ? below(f) : up && low ? above(f) : f;
}

// to_odd is s + error rounded so that a later rounding to a shorter format is right: the last bit is set when bits were lost.
INLINE double to_odd(double s, double error) {
    uint64_t u = bits<uint64_t>(s);
    if (error == error && error != 0 && !(u & 1)) {
        bool away = (error > 0) == (s > 0);
        u = away ? u + 1 : u - 1;
    }
    return bits<double>(u);
}

INLINE double two_sum_error(double a, double b, double s) {
    double t = s - a;
    return (a - (s - t)) + (b - t);
}

INLINE float widen(Brain x) { return bits<float>(uint32_t(x.u) << 16); }
INLINE float widen(Half x) {
    // exponent and mantissa moved into place, scaled by 2^112; a denormal becomes right through the same product
    uint32_t sign = uint32_t(x.u & 0x8000) << 16, rest = uint32_t(x.u & 0x7FFF) << 13;
    float scaled = bits<float>(rest) * 0x1p112f;
    uint32_t u = (x.u & 0x7C00) == 0x7C00 ? (rest | 0x7F800000u) : bits<uint32_t>(scaled);
    return bits<float>(u | sign);
}

INLINE Brain brain_nearest(float x) {
    uint32_t u = bits<uint32_t>(x);
    uint32_t r = (u + 0x7FFFu + (u >> 16 & 1)) >> 16;
    return {uint16_t((u & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FFFu : r)};
}

INLINE Half half_nearest(float x) {
    uint32_t u = bits<uint32_t>(x), sign = u >> 16 & 0x8000, rest = u & 0x7FFFFFFFu;
    // a denormal result: adding 0.5 leaves its mantissa, rounded by the hardware, in the last bits
    uint32_t small = bits<uint32_t>(bits<float>(rest) + 0.5f) - 0x3F000000u;
    uint32_t normal = (rest - 0x38000000u + 0xFFFu + (rest >> 13 & 1)) >> 13;
    uint32_t r = rest < 0x38800000u ? small : normal > 0x7C00u ? 0x7C00u : normal;
    r = rest > 0x7F800000u ? 0x7FFFu : rest >= 0x7F800000u ? 0x7C00u : r;
    return {uint16_t(rest > 0x7F800000u ? r : (r | sign))};
}

// narrow rounds to a format of so many bits of exponent and fraction, in any direction; the slow way.
inline uint16_t narrow(double x, int exponent_bits, int fraction_bits, Round round) {
    uint64_t u = bits<uint64_t>(x);
    uint16_t sign = uint16_t(u >> 63 << 15);
    uint64_t rest = u & 0x7FFFFFFFFFFFFFFF;
    uint16_t infinity = uint16_t(((1 << exponent_bits) - 1) << fraction_bits);
    if (rest > 0x7FF0000000000000) return 0x7FFF;
    if (rest == 0x7FF0000000000000) return sign | infinity;
    if (rest == 0) return sign;
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = int(rest >> 52) - 1023;
    uint64_t fraction = (rest & 0xFFFFFFFFFFFFF) | 0x10000000000000;
    int drop = 52 - fraction_bits;
    if (exponent < 1 - bias) drop += 1 - bias - exponent;
    if (drop > 60) drop = 60;
    uint64_t kept = fraction >> drop, lost = fraction & ((uint64_t(1) << drop) - 1), half = uint64_t(1) << (drop - 1);
    bool up = false;
    switch (round) {
    case Round::nearest: up = lost > half || (lost == half && (kept & 1)); break;
    case Round::away: up = lost >= half; break;
    case Round::zero: break;
    case Round::down: up = sign && lost; break;
    case Round::up: up = !sign && lost; break;
    }
    kept += up;
    int biased = exponent < 1 - bias ? 0 : exponent + bias - 1;  // the hidden bit of kept adds one
    uint64_t r = (uint64_t(biased) << fraction_bits) + kept;
    if (r >= infinity) {
        bool finite = round == Round::zero || (round == Round::down && !sign) || (round == Round::up && sign);
        r = finite ? infinity - 1 : infinity;
    }
    return sign | uint16_t(r);
}

// Directed computes f under another rounding mode of the host.
template <class F>
__attribute__((noinline)) auto under(Round round, F f) {
    int old = std::fegetround();
    std::fesetround(round == Round::zero ? FE_TOWARDZERO : round == Round::down ? FE_DOWNWARD : round == Round::up ? FE_UPWARD : FE_TONEAREST);
    auto r = f();
    asm volatile("" : "+m"(r) : : "memory");
    std::fesetround(old);
    return r;
}

// opaque hides a value from the optimiser, which would otherwise move arithmetic out of under.
template <class T>
INLINE T opaque(T x) {
    asm volatile("" : "+m"(x) : : "memory");
    return x;
}

}  // namespace ptx
