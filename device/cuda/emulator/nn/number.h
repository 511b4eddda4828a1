// number.h: the storage formats of the emulated libraries and their roundings.
#pragma once

#include <cstdint>
#include <cstring>

namespace nn {

// Type is the storage format of one element. Arithmetic is always float.
enum class Type { f32, bf16, f16 };

inline size_t size_of(Type t) { return t == Type::f32 ? 4 : 2; }

inline uint32_t bits_of(float x) {
    uint32_t u;
    std::memcpy(&u, &x, 4);
    return u;
}

inline float float_of(uint32_t u) {
    float x;
    std::memcpy(&x, &u, 4);
    return x;
}

inline float from_bf16(uint16_t b) { return float_of(uint32_t(b) << 16); }

// to_bf16 rounds to nearest, ties to even, and keeps a NaN a NaN.
inline uint16_t to_bf16(float x) {
    uint32_t u = bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return uint16_t((u >> 16) | 0x40);
    return uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

inline float from_f16(uint16_t b) {
    _Float16 h;
    std::memcpy(&h, &b, 2);
    return float(h);
}

inline uint16_t to_f16(float x) {
    _Float16 h = _Float16(x);
    uint16_t b;
    std::memcpy(&b, &h, 2);
    return b;
}

// to_tf32 keeps 10 mantissa bits, ties away from zero, as cvt.rna.tf32.f32 does.
inline float to_tf32(float x) {
    uint32_t u = bits_of(x);
    if ((u & 0x7f800000u) == 0x7f800000u) return x;
    return float_of((u + 0x1000u) & ~0x1fffu);
}

// Math says what the multiplications of a convolution or a matrix product see of their operands.
enum class Math { f32, tf32, bf16, f16 };

inline float rounded(float x, Math m) {
    switch (m) {
    case Math::tf32: return to_tf32(x);
    case Math::bf16: return from_bf16(to_bf16(x));
    case Math::f16: return from_f16(to_f16(x));
    default: return x;
    }
}

inline float load(const void* p, Type t, int64_t i) {
    switch (t) {
    case Type::bf16: return from_bf16(static_cast<const uint16_t*>(p)[i]);
    case Type::f16: return from_f16(static_cast<const uint16_t*>(p)[i]);
    default: return static_cast<const float*>(p)[i];
    }
}

inline void store(void* p, Type t, int64_t i, float x) {
    switch (t) {
    case Type::bf16: static_cast<uint16_t*>(p)[i] = to_bf16(x); break;
    case Type::f16: static_cast<uint16_t*>(p)[i] = to_f16(x); break;
    default: static_cast<float*>(p)[i] = x;
    }
}

// blend stores alpha*x + beta*old; with beta 0 the old value is not read, so a NaN there does no harm.
inline void blend(void* p, Type t, int64_t i, float x, float alpha, float beta) {
    store(p, t, i, beta == 0 ? alpha * x : alpha * x + beta * load(p, t, i));
}

}  // namespace nn
