// atom and red: real atomics of the host, lane after lane.
#include "place.h"
#include "rounding.h"

namespace ptx {
namespace {

template <class T, class F>
INLINE T exchange(uint8_t* p, F f) {
    T* x = reinterpret_cast<T*>(p);
    T old = __atomic_load_n(x, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(x, &old, f(old), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    }
    return old;
}

template <class T, Atomic A>
void run(Warp& w, const Instr& i, uint32_t mask) {
    Where where;
    place(w, i, mask, sizeof(T), Access::atomic, where);
    const T* b = at<T>(w, i.b);
    const T* c = A == Atomic::cas ? at<T>(w, i.c) : b;
    T* d = i.d == nowhere ? nullptr : at<T>(w, i.d);
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        T y = b[l], z = c[l];
        T old = exchange<T>(where.lane[l], [=](T x) -> T {
            switch (A) {
            case Atomic::add: return T(x + y);
            case Atomic::min: return x < y ? x : y;
            case Atomic::max: return x > y ? x : y;
            case Atomic::exch: return y;
            case Atomic::cas: return x == y ? z : x;
            case Atomic::and_: return T(x & y);
            case Atomic::or_: return T(x | y);
            case Atomic::xor_: return T(x ^ y);
            case Atomic::inc: return x >= y ? T(0) : T(x + 1);
            default: return x == 0 || x > y ? y : T(x - 1);
            }
        });
        if (d) d[l] = old;
    }
}

template <class F> INLINE F sum(F a, F b) { return canonical(a + b); }

template <class F, class U>
void run_add(Warp& w, const Instr& i, uint32_t mask) {
    Where where;
    place(w, i, mask, sizeof(F), Access::atomic, where);
    const F* b = at<F>(w, i.b);
    U* d = i.d == nowhere ? nullptr : at<U>(w, i.d);
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        F y = b[l];
        U old = exchange<U>(where.lane[l], [=](U x) { return bits<U>(sum(bits<F>(x), y)); });
        if (d) d[l] = old;
    }
}

INLINE Half sum(Half a, uint16_t b) { return half_nearest(widen(a) + widen(Half{b})); }
INLINE Brain sum(Brain a, uint16_t b) { return brain_nearest(widen(a) + widen(Brain{b})); }

template <class H>
void run_add_short(Warp& w, const Instr& i, uint32_t mask) {
    Where where;
    place(w, i, mask, 2, Access::atomic, where);
    const uint16_t* b = at<uint16_t>(w, i.b);
    uint16_t* d = i.d == nowhere ? nullptr : at<uint16_t>(w, i.d);
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        uint16_t y = b[l];
        uint16_t old = exchange<uint16_t>(where.lane[l], [=](uint16_t x) { return sum(H{x}, y).u; });
        if (d) d[l] = old;
    }
}

template <class H>
void run_add_two(Warp& w, const Instr& i, uint32_t mask) {
    Where where;
    place(w, i, mask, 4, Access::atomic, where);
    const uint32_t* b = at<uint32_t>(w, i.b);
    uint32_t* d = i.d == nowhere ? nullptr : at<uint32_t>(w, i.d);
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        uint32_t y = b[l];
        uint32_t old = exchange<uint32_t>(where.lane[l], [=](uint32_t x) {
            return uint32_t(sum(H{uint16_t(x >> 16)}, uint16_t(y >> 16)).u) << 16 | sum(H{uint16_t(x)}, uint16_t(y)).u;
        });
        if (d) d[l] = old;
    }
}

template <class T>
Fn arithmetic(const Spec& s) {
    switch (s.atomic) {
    case Atomic::add: return run<T, Atomic::add>;
    case Atomic::min: return run<T, Atomic::min>;
    case Atomic::max: return run<T, Atomic::max>;
    case Atomic::inc: return s.type == Type::u32 ? run<T, Atomic::inc> : nullptr;
    case Atomic::dec: return s.type == Type::u32 ? run<T, Atomic::dec> : nullptr;
    default: return nullptr;
    }
}

template <class T>
Fn untyped(const Spec& s) {
    switch (s.atomic) {
    case Atomic::exch: return run<T, Atomic::exch>;
    case Atomic::cas: return run<T, Atomic::cas>;
    case Atomic::and_: return run<T, Atomic::and_>;
    case Atomic::or_: return run<T, Atomic::or_>;
    case Atomic::xor_: return run<T, Atomic::xor_>;
    default: return nullptr;
    }
}

}  // namespace

Fn select_atomic(const Spec& s) {
    switch (s.type) {
    case Type::u32: return arithmetic<uint32_t>(s);
    case Type::s32: return arithmetic<int32_t>(s);
    case Type::u64: return arithmetic<uint64_t>(s);
    case Type::s64: return s.atomic == Atomic::add ? nullptr : arithmetic<int64_t>(s);
    case Type::b16: return s.atomic == Atomic::cas ? run<uint16_t, Atomic::cas> : nullptr;
    case Type::b32: return untyped<uint32_t>(s);
    case Type::b64: return untyped<uint64_t>(s);
    case Type::f32: return s.atomic == Atomic::add ? run_add<float, uint32_t> : nullptr;
    case Type::f64: return s.atomic == Atomic::add ? run_add<double, uint64_t> : nullptr;
    case Type::f16: return s.atomic == Atomic::add ? run_add_short<Half> : nullptr;
    case Type::bf16: return s.atomic == Atomic::add ? run_add_short<Brain> : nullptr;
    case Type::f16x2: return s.atomic == Atomic::add ? run_add_two<Half> : nullptr;
    case Type::bf16x2: return s.atomic == Atomic::add ? run_add_two<Brain> : nullptr;
    default: return nullptr;
    }
}

}  // namespace ptx
