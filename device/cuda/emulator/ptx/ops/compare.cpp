// setp and set.
#include "rounding.h"

namespace ptx {
namespace {

struct Flushed { float x; };

template <class T> INLINE T value(T x) { return x; }
INLINE float value(Half x) { return widen(x); }
INLINE float value(Brain x) { return widen(x); }
INLINE float value(Flushed x) { return flush(x.x); }

template <Compare C, class T>
INLINE bool holds(T a, T b) {
    switch (C) {
    case Compare::eq: return a == b;
    case Compare::ne: return a < b || a > b;  // false for NaN
    case Compare::lt: case Compare::lo: return a < b;
    case Compare::le: case Compare::ls: return a <= b;
    case Compare::gt: case Compare::hi: return a > b;
    case Compare::ge: case Compare::hs: return a >= b;
    case Compare::equ: return !(a < b || a > b);
    case Compare::neu: return a != b;
    case Compare::ltu: return !(a >= b);
    case Compare::leu: return !(a > b);
    case Compare::gtu: return !(a <= b);
    case Compare::geu: return !(a < b);
    case Compare::num: return a == a && b == b;
    case Compare::nan: return a != a || b != b;
    }
    return false;
}

// combine puts the comparison, joined with the predicate at c, into d; its complement, joined alike, into e.
INLINE void combine(Warp& w, const Instr& i, uint32_t mask, uint32_t d, uint32_t e, uint32_t m) {
    uint32_t no = ~m;
    if (i.mode) {
        uint32_t c = *at<uint32_t>(w, i.c) ^ uint32_t(i.offset);
        m = i.mode == 1 ? m & c : i.mode == 2 ? m | c : m ^ c;
        no = i.mode == 1 ? no & c : i.mode == 2 ? no | c : no ^ c;
    }
    if (d != nowhere) {
        uint32_t* p = at<uint32_t>(w, d);
        *p = (*p & ~mask) | (m & mask);
    }
    if (e != nowhere) {
        uint32_t* p = at<uint32_t>(w, e);
        *p = (*p & ~mask) | (no & mask);
    }
}

template <class T, Compare C>
INLINE uint32_t compared(Warp& w, const Instr& i) {
    const T *a = at<T>(w, i.a), *b = at<T>(w, i.b);
    uint32_t m = 0;
    for (uint32_t l = 0; l < lanes; l++) m |= static_cast<uint32_t>(holds<C>(value(a[l]), value(b[l]))) << l;
    return m;
}

template <class T, Compare C>
void run_setp(Warp& w, const Instr& i, uint32_t mask) {
    combine(w, i, mask, i.d, i.e, compared<T, C>(w, i));
}

// setp of two halves: the lower comparison goes to the first predicate, the upper to the second.
template <class H, Compare C>
void run_setp2(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *a = at<uint32_t>(w, i.a), *b = at<uint32_t>(w, i.b);
    uint32_t low = 0, high = 0;
    for (uint32_t l = 0; l < lanes; l++) {
        low |= uint32_t(holds<C>(value(H{uint16_t(a[l])}), value(H{uint16_t(b[l])}))) << l;
        high |= uint32_t(holds<C>(value(H{uint16_t(a[l] >> 16)}), value(H{uint16_t(b[l] >> 16)}))) << l;
    }
    combine(w, i, mask, i.d, nowhere, low);
    combine(w, i, mask, i.e, nowhere, high);
}

// set writes i.bytes bytes: all ones or the one of a floating type, which decoding left in offset's upper half.
template <class T, Compare C>
void run_set(Warp& w, const Instr& i, uint32_t mask) {
    uint32_t m = compared<T, C>(w, i);
    if (i.mode) {
        uint32_t c = *at<uint32_t>(w, i.c) ^ uint32_t(i.offset);
        m = i.mode == 1 ? m & c : i.mode == 2 ? m | c : m ^ c;
    }
    uint32_t yes = uint32_t(uint64_t(i.offset) >> 32);
    if (i.bytes == 4)
        each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) { return m >> l & 1 ? yes : 0; });
    else
        each(w, mask, at<uint16_t>(w, i.d), [=](uint32_t l) { return uint16_t(m >> l & 1 ? yes : 0); });
}

template <class H, Compare C>
void run_set2(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *a = at<uint32_t>(w, i.a), *b = at<uint32_t>(w, i.b);
    uint32_t yes = uint32_t(uint64_t(i.offset) >> 32);
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t l) {
        uint32_t low = holds<C>(value(H{uint16_t(a[l])}), value(H{uint16_t(b[l])}));
        uint32_t high = holds<C>(value(H{uint16_t(a[l] >> 16)}), value(H{uint16_t(b[l] >> 16)}));
        return ((low ? 0x0000FFFFu : 0) | (high ? 0xFFFF0000u : 0)) & yes;
    });
}

template <class T, Compare C> Fn pick(const Spec& s) { return s.op == Op::setp ? run_setp<T, C> : run_set<T, C>; }
template <class H, Compare C> Fn pick2(const Spec& s) { return s.op == Op::setp ? run_setp2<H, C> : run_set2<H, C>; }

template <class T>
Fn ordered(const Spec& s) {
    switch (s.compare) {
    case Compare::eq: return pick<T, Compare::eq>(s);
    case Compare::ne: return pick<T, Compare::ne>(s);
    case Compare::lt: case Compare::lo: return pick<T, Compare::lt>(s);
    case Compare::le: case Compare::ls: return pick<T, Compare::le>(s);
    case Compare::gt: case Compare::hi: return pick<T, Compare::gt>(s);
    case Compare::ge: case Compare::hs: return pick<T, Compare::ge>(s);
    default: return nullptr;
    }
}

template <class T>
Fn floating(const Spec& s) {
    switch (s.compare) {
    case Compare::equ: return pick<T, Compare::equ>(s);
    case Compare::neu: return pick<T, Compare::neu>(s);
    case Compare::ltu: return pick<T, Compare::ltu>(s);
    case Compare::leu: return pick<T, Compare::leu>(s);
    case Compare::gtu: return pick<T, Compare::gtu>(s);
    case Compare::geu: return pick<T, Compare::geu>(s);
    case Compare::num: return pick<T, Compare::num>(s);
    case Compare::nan: return pick<T, Compare::nan>(s);
    case Compare::lo: case Compare::ls: case Compare::hi: case Compare::hs: return nullptr;
    default: return ordered<T>(s);
    }
}

template <class H>
Fn twice(const Spec& s) {
    switch (s.compare) {
    case Compare::eq: return pick2<H, Compare::eq>(s);
    case Compare::ne: return pick2<H, Compare::ne>(s);
    case Compare::lt: return pick2<H, Compare::lt>(s);
    case Compare::le: return pick2<H, Compare::le>(s);
    case Compare::gt: return pick2<H, Compare::gt>(s);
    case Compare::ge: return pick2<H, Compare::ge>(s);
    case Compare::equ: return pick2<H, Compare::equ>(s);
    case Compare::neu: return pick2<H, Compare::neu>(s);
    case Compare::ltu: return pick2<H, Compare::ltu>(s);
    case Compare::leu: return pick2<H, Compare::leu>(s);
    case Compare::gtu: return pick2<H, Compare::gtu>(s);
    case Compare::geu: return pick2<H, Compare::geu>(s);
    case Compare::num: return pick2<H, Compare::num>(s);
    case Compare::nan: return pick2<H, Compare::nan>(s);
    default: return nullptr;
    }
}

template <class T>
Fn equality(const Spec& s) {
    return s.compare == Compare::eq || s.compare == Compare::ne ? ordered<T>(s) : nullptr;
}

template <class T>
Fn sign(const Spec& s) {
    bool other = s.compare >= Compare::lo && s.compare <= Compare::hs;
    return other ? nullptr : ordered<T>(s);
}

}  // namespace

Fn select_compare(const Spec& s) {
    Type type = s.op == Op::set ? s.from : s.type;
    switch (type) {
    case Type::b16: return equality<uint16_t>(s);
    case Type::b32: return equality<uint32_t>(s);
    case Type::b64: return equality<uint64_t>(s);
    case Type::u16: return ordered<uint16_t>(s);
    case Type::u32: return ordered<uint32_t>(s);
    case Type::u64: return ordered<uint64_t>(s);
    case Type::s16: return sign<int16_t>(s);
    case Type::s32: return sign<int32_t>(s);
    case Type::s64: return sign<int64_t>(s);
    case Type::f16: return floating<Half>(s);
    case Type::bf16: return floating<Brain>(s);
    case Type::f16x2: return twice<Half>(s);
    case Type::bf16x2: return twice<Brain>(s);
    case Type::f32: return s.ftz ? floating<Flushed>(s) : floating<float>(s);
    case Type::f64: return floating<double>(s);
    default: return nullptr;
    }
}

}  // namespace ptx
