// mov, packing and unpacking, selection, and logic of predicates.
#include "../ops.h"

namespace ptx {
namespace {

template <class T>
void run_mov(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return a[l]; });
}

// mov.b64 d, {a, b}: T of several E, the first lowest.
template <class T, class E>
void run_pack(Warp& w, const Instr& i, uint32_t mask) {
    constexpr uint32_t n = sizeof(T) / sizeof(E);
    const E* a[n];
    for (uint32_t k = 0; k < n; k++) a[k] = at<E>(w, w.function->extra[i.extra + k]);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) {
        T r = 0;
        for (uint32_t k = 0; k < n; k++) r = T(r | T(a[k][l]) << (k * sizeof(E) * 8));
        return r;
    });
}

template <class T, class E>
void run_unpack(Warp& w, const Instr& i, uint32_t mask) {
    constexpr uint32_t n = sizeof(T) / sizeof(E);
    T a[lanes];  // a copy: the destination may be wherever it likes
    __builtin_memcpy(a, at<T>(w, i.a), sizeof a);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t d = w.function->extra[i.extra + k];
        if (d == nowhere) continue;
        each(w, mask, at<E>(w, d), [&](uint32_t l) __attribute__((always_inline)) { return E(a[l] >> (k * sizeof(E) * 8)); });
    }
}

template <class T>
void run_selp(Warp& w, const Instr& i, uint32_t mask) {
    const T *a = at<T>(w, i.a), *b = at<T>(w, i.b);
    uint32_t p = *at<uint32_t>(w, i.c) ^ uint32_t(i.offset);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return p >> l & 1 ? a[l] : b[l]; });
}

template <class T, class C>
void run_slct(Warp& w, const Instr& i, uint32_t mask) {
    const T *a = at<T>(w, i.a), *b = at<T>(w, i.b);
    const C* c = at<C>(w, i.c);
    each(w, mask, at<T>(w, i.d), [=](uint32_t l) __attribute__((always_inline)) { return c[l] >= C(0) ? a[l] : b[l]; });
}

template <Op O>
void run_pred(Warp& w, const Instr& i, uint32_t mask) {
    uint32_t a = *at<uint32_t>(w, i.a) ^ uint32_t(i.offset), b = 0;
    if (O == Op::pred_and || O == Op::pred_or || O == Op::pred_xor) b = *at<uint32_t>(w, i.b) ^ uint32_t(i.offset >> 32);
    uint32_t r = O == Op::pred_and ? a & b : O == Op::pred_or ? a | b : O == Op::pred_xor ? a ^ b : O == Op::pred_not ? ~a : a;
    uint32_t* d = at<uint32_t>(w, i.d);
    *d = (*d & ~mask) | (r & mask);
}

template <class T>
void run_clock(Warp& w, const Instr& i, uint32_t mask) {
    T now = T(clock_now());
    each(w, mask, at<T>(w, i.d), [=](uint32_t) { return now; });
}

}  // namespace

Fn select_move(const Spec& s) {
    size_t n = size_of(s.type), m = size_of(s.from);
    switch (s.op) {
    case Op::mov: return n == 2 ? run_mov<uint16_t> : n == 4 ? run_mov<uint32_t> : n == 8 ? run_mov<uint64_t> : nullptr;
    case Op::pack: return n == 4 && m == 2 ? run_pack<uint32_t, uint16_t> : n == 8 && m == 4 ? run_pack<uint64_t, uint32_t> : n == 8 && m == 2 ? run_pack<uint64_t, uint16_t> : nullptr;
    case Op::unpack: return n == 4 && m == 2 ? run_unpack<uint32_t, uint16_t> : n == 8 && m == 4 ? run_unpack<uint64_t, uint32_t> : n == 8 && m == 2 ? run_unpack<uint64_t, uint16_t> : nullptr;
    case Op::selp: return n == 2 ? run_selp<uint16_t> : n == 4 ? run_selp<uint32_t> : n == 8 ? run_selp<uint64_t> : nullptr;
    case Op::slct:
        if (s.from == Type::s32) return n == 2 ? run_slct<uint16_t, int32_t> : n == 4 ? run_slct<uint32_t, int32_t> : run_slct<uint64_t, int32_t>;
        if (s.from == Type::f32) return n == 2 ? run_slct<uint16_t, float> : n == 4 ? run_slct<uint32_t, float> : run_slct<uint64_t, float>;
        return nullptr;
    case Op::clock: return n == 4 ? run_clock<uint32_t> : run_clock<uint64_t>;
    case Op::pred_and: return run_pred<Op::pred_and>;
    case Op::pred_or: return run_pred<Op::pred_or>;
    case Op::pred_xor: return run_pred<Op::pred_xor>;
    case Op::pred_not: return run_pred<Op::pred_not>;
    case Op::pred_mov: return run_pred<Op::pred_mov>;
    default: return nullptr;
    }
}

}  // namespace ptx
