// What every file of instructions starts from: loops over the lanes.
#pragma once

#include <cmath>
#include <cstring>

#include "code.h"

#define EACH _Pragma("GCC ivdep") for (uint32_t l = 0; l < lanes; l++)
#define INLINE inline __attribute__((always_inline))

namespace ptx {

template <class T>
INLINE T* at(Warp& w, uint32_t offset) {
    return reinterpret_cast<T*>(w.frame + offset);
}

template <class T, class U>
INLINE T bits(U x) {
    static_assert(sizeof(T) == sizeof(U));
    T y;
    __builtin_memcpy(&y, &x, sizeof y);
    return y;
}

// each sets d of the active lanes to f(lane). Lanes that are gone may be written too.
template <class D, class F>
INLINE void each(Warp& w, uint32_t mask, D* d, F f) {
    if ((mask | w.dead) == everyone) {
        EACH d[l] = f(l);
    } else {
        D r[lanes];
        EACH r[l] = f(l);
        EACH d[l] = (mask >> l & 1) ? r[l] : d[l];
    }
}

// each_mask sets the active lanes' bits of the predicate at d to f(lane).
template <class F>
INLINE void each_mask(Warp& w, uint32_t mask, uint32_t d, F f) {
    uint32_t m = 0;
    for (uint32_t l = 0; l < lanes; l++) m |= static_cast<uint32_t>(f(l)) << l;
    uint32_t* p = at<uint32_t>(w, d);
    *p = (*p & ~mask) | (m & mask);
}

Fn select_integer(const Spec&);
Fn select_float(const Spec&);
Fn select_half(const Spec&);
Fn select_convert(const Spec&);
Fn select_compare(const Spec&);
Fn select_move(const Spec&);
Fn select_memory(const Spec&);
Fn select_atomic(const Spec&);
Fn select_warp(const Spec&);

}  // namespace ptx
