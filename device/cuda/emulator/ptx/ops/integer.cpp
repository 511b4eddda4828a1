// Integer arithmetic, logic, shifts and bit fields.
#include "../ops.h"

namespace ptx {
namespace {

template <class T> struct Wide;
template <> struct Wide<uint8_t> { using type = uint16_t; };
template <> struct Wide<int8_t> { using type = int16_t; };
template <> struct Wide<uint16_t> { using type = uint32_t; };
template <> struct Wide<int16_t> { using type = int32_t; };
template <> struct Wide<uint32_t> { using type = uint64_t; };
template <> struct Wide<int32_t> { using type = int64_t; };
template <> struct Wide<uint64_t> { using type = unsigned __int128; };
template <> struct Wide<int64_t> { using type = __int128; };
template <class T> using wide = typename Wide<T>::type;

template <size_t N> struct Unsigned;
template <> struct Unsigned<1> { using type = uint8_t; };
template <> struct Unsigned<2> { using type = uint16_t; };
template <> struct Unsigned<4> { using type = uint32_t; };
template <> struct Unsigned<8> { using type = uint64_t; };
template <class T> using natural = typename Unsigned<sizeof(T)>::type;

template <class T> constexpr bool negative_possible = T(-1) < T(0);
template <class T> constexpr int width = sizeof(T) * 8;
template <class T> constexpr T highest = negative_possible<T> ? T(natural<T>(~natural<T>(0)) >> 1) : T(~T(0));
template <class T> constexpr T lowest = negative_possible<T> ? T(natural<T>(1) << (width<T> - 1)) : T(0);

// Arithmetic is modulo 2^n, which only unsigned types promise.
template <class T> INLINE T add(T a, T b) { return T(natural<T>(a) + natural<T>(b)); }
template <class T> INLINE T sub(T a, T b) { return T(natural<T>(a) - natural<T>(b)); }
template <class T> INLINE T mul(T a, T b) {
    if constexpr (sizeof(T) == 2)
        return T(uint32_t(natural<T>(a)) * uint32_t(natural<T>(b)));
    else
        return T(natural<T>(a) * natural<T>(b));
}
template <class T> INLINE T high(T a, T b) { return T(wide<T>(wide<T>(a) * wide<T>(b)) >> width<T>); }

template <class T> INLINE T clamp_add(T a, T b) {
    wide<T> r = wide<T>(a) + wide<T>(b);
    return r > wide<T>(highest<T>) ? highest<T> : r < wide<T>(lowest<T>) ? lowest<T> : T(r);
}
template <class T> INLINE T clamp_sub(T a, T b) {
    wide<T> r = wide<T>(a) - wide<T>(b);
    return r > wide<T>(highest<T>) ? highest<T> : r < wide<T>(lowest<T>) ? lowest<T> : T(r);
}

// Division by zero is undefined in PTX; GPUs give all ones, and the dividend as remainder.
// Up to 32 bits the quotient of doubles, truncated, is exact, and vectorises.
template <class T> INLINE T quotient(T a, T b) {
    if constexpr (sizeof(T) < 8) {
        double q = double(a) / double(b == 0 ? T(1) : b);
        return b == 0 ? T(~T(0)) : T(int64_t(q));
    } else {
        if (b == 0) return T(~T(0));
        if (negative_possible<T> && b == T(-1)) return sub<T>(0, a);
        if ((natural<T>(a) | natural<T>(b)) >> 32 == 0) return T(uint32_t(a) / uint32_t(b));
        return T(a / b);
    }
}
template <class T> INLINE T remainder(T a, T b) { return b == 0 ? a : sub<T>(a, mul<T>(quotient(a, b), b)); }

// Shifts by the width or more empty the register (or fill it with the sign).
template <class T> INLINE T shl(T a, uint32_t n) {
    natural<T> r = natural<T>(natural<T>(a) << (n & (width<T> - 1)));
    return T(n >= uint32_t(width<T>) ? natural<T>(0) : r);
}
template <class T> INLINE T shr(T a, uint32_t n) {
    uint32_t most = width<T> - 1;
    if constexpr (negative_possible<T>)
        return T(a >> (n > most ? most : n));
    else
        return T(n > most ? T(0) : T(a >> (n & most)));
}

template <class T> INLINE T bfe(T a, uint32_t position, uint32_t length) {
    position &= 255, length &= 255;
    constexpr uint32_t most = width<T> - 1;
    bool sign = false;
    if (negative_possible<T> && length != 0) {
        uint32_t top = position + length - 1;
        sign = natural<T>(a) >> (top > most ? most : top) & 1;
    }
    natural<T> fill = sign ? natural<T>(~natural<T>(0)) : natural<T>(0);
    natural<T> field = position > most ? fill : natural<T>(natural<T>(negative_possible<T> ? natural<T>(a >> position) : natural<T>(a) >> position));
    if (length > most) return T(field);
    natural<T> mask = natural<T>((natural<T>(1) << length) - 1);
    return T((field & mask) | (fill & natural<T>(~mask)));
}

template <class T> INLINE T bfi(T a, T b, uint32_t position, uint32_t length) {
    position &= 255, length &= 255;
    if (position >= uint32_t(width<T>) || length == 0) return b;
    T mask = length >= uint32_t(width<T>) ? T(~T(0)) : T((T(1) << length) - 1);
    mask = T(mask << position);
    return T((b & ~mask) | ((a << position) & mask));
}

template <class T> INLINE T reverse(T a) {
    T r = 0;
    for (int i = 0; i < width<T>; i++) r = T(r << 1 | (a >> i & 1));
    return r;
}

template <class T> INLINE uint32_t leading_zeros(T a) { return a == 0 ? width<T> : width<T> == 64 ? __builtin_clzll(a) : __builtin_clz(uint32_t(a)); }

template <class T> INLINE uint32_t find_bit(T a, bool amount) {
    natural<T> x = natural<T>(a);
    if (negative_possible<T> && a < 0) x = natural<T>(~x);
    if (x == 0) return ~0u;
    uint32_t zeros = leading_zeros(x);
    return amount ? zeros : width<T> - 1 - zeros;
}

INLINE uint32_t permute(uint32_t a, uint32_t b, uint32_t selector, int mode) {
    uint64_t source = uint64_t(b) << 32 | a;
    uint32_t r = 0;
    uint32_t s = selector & 3;
    for (uint32_t k = 0; k < 4; k++) {
        uint32_t from;
        bool sign = false;
        switch (mode) {
        case 1: from = s + k; break;                                                     // f4e
        case 2: from = (s - k) & 7; break;                                               // b4e
        case 3: from = s; break;                                                         // rc8
        case 4: from = k > s ? k : s; break;                                             // ecl
        case 5: from = k < s ? k : s; break;                                             // ecr
        case 6: from = (s & 1) * 2 + (k & 1); break;                                     // rc16
        default: from = selector >> (4 * k) & 7, sign = selector >> (4 * k) & 8; break;
        }
        uint32_t byte = source >> (8 * from) & 255;
        if (sign) byte = byte & 128 ? 255 : 0;
        r |= byte << (8 * k);
    }
    return r;
}

INLINE uint32_t logic(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
    uint32_t r = 0;
    for (uint32_t k = 0; k < 8; k++) {
        uint32_t on = 0u - (table >> k & 1);
        r |= on & (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    }
    return r;
}

#define UNARY(name, T, D, expression)                                                   \
    void name(Warp& w, const Instr& i, uint32_t mask) {                                 \
        const T* a = at<T>(w, i.a);                                                     \
        each(w, mask, at<D>(w, i.d), [=](uint32_t l) INLINE_LAMBDA { return D(expression); }); \
    }
#define INLINE_LAMBDA __attribute__((always_inline))
#define BINARY(name, T, B, D, expression)                                               \
    void name(Warp& w, const Instr& i, uint32_t mask) {                                 \
        const T* a = at<T>(w, i.a);                                                     \
        const B* b = at<B>(w, i.b);                                                     \
        each(w, mask, at<D>(w, i.d), [=](uint32_t l) INLINE_LAMBDA { return D(expression); }); \
    }
#define TERNARY(name, T, B, C, D, expression)                                           \
    void name(Warp& w, const Instr& i, uint32_t mask) {                                 \
        const T* a = at<T>(w, i.a);                                                     \
        const B* b = at<B>(w, i.b);                                                     \
        const C* c = at<C>(w, i.c);                                                     \
        each(w, mask, at<D>(w, i.d), [=](uint32_t l) INLINE_LAMBDA { return D(expression); }); \
    }

template <class T> BINARY(run_add, T, T, T, add<T>(a[l], b[l]))
template <class T> BINARY(run_sub, T, T, T, sub<T>(a[l], b[l]))
template <class T> BINARY(run_add_sat, T, T, T, clamp_add<T>(a[l], b[l]))
template <class T> BINARY(run_sub_sat, T, T, T, clamp_sub<T>(a[l], b[l]))
template <class T> BINARY(run_mul, T, T, T, mul<T>(a[l], b[l]))
template <class T> BINARY(run_mul_hi, T, T, T, high<T>(a[l], b[l]))
template <class T> BINARY(run_mul_wide, T, T, wide<T>, wide<T>(a[l]) * wide<T>(b[l]))
template <class T> TERNARY(run_mad, T, T, T, T, add<T>(mul<T>(a[l], b[l]), c[l]))
template <class T> TERNARY(run_mad_hi, T, T, T, T, add<T>(high<T>(a[l], b[l]), c[l]))
template <class T> TERNARY(run_mad_hi_sat, T, T, T, T, clamp_add<T>(high<T>(a[l], b[l]), c[l]))
template <class T> TERNARY(run_mad_wide, T, T, wide<T>, wide<T>, add<wide<T>>(wide<T>(a[l]) * wide<T>(b[l]), c[l]))
template <class T> INLINE T low24(T a) { return T(natural<T>(a) << 8) >> 8; }
template <class T> BINARY(run_mul24, T, T, T, mul<T>(low24<T>(a[l]), low24<T>(b[l])))
template <class T> BINARY(run_mul24_hi, T, T, T, (wide<T>(low24<T>(a[l])) * wide<T>(low24<T>(b[l]))) >> 16)
template <class T> TERNARY(run_mad24, T, T, T, T, add<T>(mul<T>(low24<T>(a[l]), low24<T>(b[l])), c[l]))
template <class T> TERNARY(run_sad, T, T, T, T, add<T>(c[l], a[l] < b[l] ? sub<T>(b[l], a[l]) : sub<T>(a[l], b[l])))
template <class T> BINARY(run_div, T, T, T, quotient<T>(a[l], b[l]))
template <class T> BINARY(run_rem, T, T, T, remainder<T>(a[l], b[l]))
template <class T> BINARY(run_min, T, T, T, a[l] < b[l] ? a[l] : b[l])
template <class T> BINARY(run_max, T, T, T, a[l] > b[l] ? a[l] : b[l])
template <class T> UNARY(run_abs, T, T, a[l] < 0 ? sub<T>(0, a[l]) : a[l])
template <class T> UNARY(run_neg, T, T, sub<T>(0, a[l]))
template <class T> BINARY(run_and, T, T, T, a[l] & b[l])
template <class T> BINARY(run_or, T, T, T, a[l] | b[l])
template <class T> BINARY(run_xor, T, T, T, a[l] ^ b[l])
template <class T> UNARY(run_not, T, T, ~a[l])
template <class T> UNARY(run_cnot, T, T, a[l] == 0)
template <class T> BINARY(run_shl, T, uint32_t, T, shl<T>(a[l], b[l]))
template <class T> BINARY(run_shr, T, uint32_t, T, shr<T>(a[l], b[l]))
template <class T> TERNARY(run_bfe, T, uint32_t, uint32_t, T, bfe<T>(a[l], b[l], c[l]))
template <class T> UNARY(run_brev, T, T, reverse<T>(a[l]))
template <class T> UNARY(run_clz, T, uint32_t, leading_zeros<T>(a[l]))
template <class T> UNARY(run_popc, T, uint32_t, __builtin_popcountll(a[l]))
template <class T> UNARY(run_bfind, T, uint32_t, find_bit<T>(a[l], false))
template <class T> UNARY(run_bfind_amount, T, uint32_t, find_bit<T>(a[l], true))

template <class T>
void run_bfi(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    const T* b = at<T>(w, i.b);
    const uint32_t* c = at<uint32_t>(w, i.c);
    const uint32_t* e = at<uint32_t>(w, i.e);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) INLINE_LAMBDA { return bfi<T>(a[l], b[l], c[l], e[l]); });
}

void run_prmt(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *a = at<uint32_t>(w, i.a), *b = at<uint32_t>(w, i.b), *c = at<uint32_t>(w, i.c);
    int mode = i.mode;
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) { return permute(a[l], b[l], c[l], mode); });
}

void run_lop3(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *a = at<uint32_t>(w, i.a), *b = at<uint32_t>(w, i.b), *c = at<uint32_t>(w, i.c);
    uint32_t table = i.mode;
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) { return logic(a[l], b[l], c[l], table); });
}

template <bool Left, bool Wrap>
void run_shf(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *a = at<uint32_t>(w, i.a), *b = at<uint32_t>(w, i.b), *c = at<uint32_t>(w, i.c);
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) INLINE_LAMBDA {
        uint32_t n = Wrap ? c[l] & 31 : c[l] > 32 ? 32 : c[l];
        uint64_t both = uint64_t(b[l]) << 32 | a[l];
        return uint32_t(Left ? both << n >> 32 : both >> n);
    });
}

template <class A, class B>
void run_dp4a(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *a = at<uint32_t>(w, i.a), *b = at<uint32_t>(w, i.b), *c = at<uint32_t>(w, i.c);
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) INLINE_LAMBDA {
        uint32_t sum = c[l];
        for (int k = 0; k < 4; k++) sum += uint32_t(int32_t(A(a[l] >> (8 * k))) * int32_t(B(b[l] >> (8 * k))));
        return sum;
    });
}

// The carry flag of a subtraction is the borrow.
template <class T, Op O, bool In, bool Out>
void run_carry(Warp& w, const Instr& i, uint32_t mask) {
    using U = natural<T>;
    constexpr bool mad = O == Op::mad_carry || O == Op::mad_hi_carry;
    const T *a = at<T>(w, i.a), *b = at<T>(w, i.b), *c = mad ? at<T>(w, i.c) : a;
    U* d = at<U>(w, i.d);
    uint32_t flags = *at<uint32_t>(w, carry_slot), out = flags;
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        U x, y, p = U(a[l]), q = U(b[l]);
        if (mad) p = O == Op::mad_carry ? U(mul<T>(a[l], b[l])) : U(high<T>(a[l], b[l])), q = U(c[l]);
        bool carry = In && (flags >> l & 1), first, second;
        if (O == Op::sub_carry) {
            first = __builtin_sub_overflow(p, q, &x);
            second = __builtin_sub_overflow(x, U(carry), &y);
        } else {
            first = __builtin_add_overflow(p, q, &x);
            second = __builtin_add_overflow(x, U(carry), &y);
        }
        d[l] = y;
        out = (out & ~(1u << l)) | uint32_t(first || second) << l;
    }
    if (Out) *at<uint32_t>(w, carry_slot) = out;
}

template <class T, Op O>
Fn carry(const Spec& s) {
    if (s.carry_in) return s.carry_out ? run_carry<T, O, true, true> : run_carry<T, O, true, false>;
    return run_carry<T, O, false, true>;
}

template <class T>
Fn arithmetic(const Spec& s) {
    switch (s.op) {
    case Op::add: return s.sat ? run_add_sat<T> : run_add<T>;
    case Op::sub: return s.sat ? run_sub_sat<T> : run_sub<T>;
    case Op::mul: return run_mul<T>;
    case Op::mul_hi: return run_mul_hi<T>;
    case Op::mad: return run_mad<T>;
    case Op::mad_hi: return s.sat ? run_mad_hi_sat<T> : run_mad_hi<T>;
    case Op::sad: return run_sad<T>;
    case Op::div: return run_div<T>;
    case Op::rem: return run_rem<T>;
    case Op::min: return run_min<T>;
    case Op::max: return run_max<T>;
    case Op::shr: return run_shr<T>;
    default: break;
    }
    if constexpr (sizeof(T) < 8) {
        if (s.op == Op::mul_wide) return run_mul_wide<T>;
        if (s.op == Op::mad_wide) return run_mad_wide<T>;
    }
    if constexpr (sizeof(T) == 4) {
        if (s.op == Op::mul24) return s.wrap ? run_mul24_hi<T> : run_mul24<T>;
        if (s.op == Op::mad24) return run_mad24<T>;
    }
    if constexpr (sizeof(T) > 2) {
        if (s.op == Op::bfe) return run_bfe<T>;
        if (s.op == Op::bfind) return s.amount ? run_bfind_amount<T> : run_bfind<T>;
        if (s.op == Op::add_carry) return carry<T, Op::add_carry>(s);
        if (s.op == Op::sub_carry) return carry<T, Op::sub_carry>(s);
        if (s.op == Op::mad_carry) return carry<T, Op::mad_carry>(s);
        if (s.op == Op::mad_hi_carry) return carry<T, Op::mad_hi_carry>(s);
    }
    if constexpr (negative_possible<T>) {
        if (s.op == Op::abs) return run_abs<T>;
        if (s.op == Op::neg) return run_neg<T>;
    }
    return nullptr;
}

template <class T>
Fn untyped(const Spec& s) {
    switch (s.op) {
    case Op::and_: return run_and<T>;
    case Op::or_: return run_or<T>;
    case Op::xor_: return run_xor<T>;
    case Op::not_: return run_not<T>;
    case Op::cnot: return run_cnot<T>;
    case Op::shl: return run_shl<T>;
    case Op::shr: return run_shr<T>;
    default: break;
    }
    if constexpr (sizeof(T) > 2) {
        switch (s.op) {
        case Op::bfi: return run_bfi<T>;
        case Op::brev: return run_brev<T>;
        case Op::clz: return run_clz<T>;
        case Op::popc: return run_popc<T>;
        default: break;
        }
    }
    if constexpr (sizeof(T) == 4) {
        switch (s.op) {
        case Op::prmt: return run_prmt;
        case Op::lop3: return run_lop3;
        case Op::shf_l: return s.wrap ? run_shf<true, true> : run_shf<true, false>;
        case Op::shf_r: return s.wrap ? run_shf<false, true> : run_shf<false, false>;
        default: break;
        }
    }
    return nullptr;
}

}  // namespace

Fn select_integer(const Spec& s) {
    if (s.op == Op::dp4a) {
        if (s.type == Type::u32) return s.from == Type::u32 ? run_dp4a<uint8_t, uint8_t> : run_dp4a<uint8_t, int8_t>;
        return s.from == Type::u32 ? run_dp4a<int8_t, uint8_t> : run_dp4a<int8_t, int8_t>;
    }
    switch (s.type) {
    case Type::b16: return untyped<uint16_t>(s);
    case Type::b32: return untyped<uint32_t>(s);
    case Type::b64: return untyped<uint64_t>(s);
    case Type::u16: return arithmetic<uint16_t>(s);
    case Type::u32: return arithmetic<uint32_t>(s);
    case Type::u64: return arithmetic<uint64_t>(s);
    case Type::s16: return arithmetic<int16_t>(s);
    case Type::s32: return arithmetic<int32_t>(s);
    case Type::s64: return arithmetic<int64_t>(s);
    default: return nullptr;
    }
}

}  // namespace ptx
