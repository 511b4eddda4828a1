// ld and st.
#include "place.h"

namespace ptx {
namespace {

INLINE uint32_t element(Warp& w, const Instr& i, uint32_t k) { return w.function->extra[i.extra + k]; }

// E is what lies in memory, R the register, which may be wider: loads extend, stores drop the upper bits.
template <class E, class R, uint32_t N>
void run_ld(Warp& w, const Instr& i, uint32_t mask) {
    Where where;
    place(w, i, mask, N * sizeof(E), Access::read, where);
    for (uint32_t k = 0; k < N; k++) {
        uint32_t slot = element(w, i, k);
        if (slot == nowhere) continue;
        R* d = at<R>(w, slot);
        if (where.straight && where.stride == 0) {
            E e;
            __builtin_memcpy(&e, where.base + k * sizeof(E), sizeof e);
            each(w, mask, d, [=](uint32_t) __attribute__((always_inline)) { return R(e); });
        } else if (where.straight) {
            const uint8_t* from = where.base + k * sizeof(E);
            EACH {
                E e;
                __builtin_memcpy(&e, from + l * N * sizeof(E), sizeof e);
                d[l] = R(e);
            }
        } else {
            for (uint32_t l = 0; l < lanes; l++) {
                if (!(mask >> l & 1)) continue;
                E e;
                __builtin_memcpy(&e, where.lane[l] + k * sizeof(E), sizeof e);
                d[l] = R(e);
            }
        }
    }
}

template <class E, class R, uint32_t N>
void run_st(Warp& w, const Instr& i, uint32_t mask) {
    Where where;
    place(w, i, mask, N * sizeof(E), Access::write, where);
    for (uint32_t k = 0; k < N; k++) {
        const R* a = at<R>(w, element(w, i, k));
        if (where.straight) {
            uint8_t* to = where.base + k * sizeof(E);
            EACH {
                E e = E(a[l]);
                __builtin_memcpy(to + l * N * sizeof(E), &e, sizeof e);
            }
        } else {
            for (uint32_t l = 0; l < lanes; l++) {
                if (!(mask >> l & 1)) continue;
                E e = E(a[l]);
                __builtin_memcpy(where.lane[l] + k * sizeof(E), &e, sizeof e);
            }
        }
    }
}

template <class E, class R>
Fn count(const Spec& s, uint32_t n) {
    bool load = s.op == Op::ld;
    switch (n) {
    case 1: return load ? run_ld<E, R, 1> : run_st<E, R, 1>;
    case 2: return load ? run_ld<E, R, 2> : run_st<E, R, 2>;
    case 4: return load ? run_ld<E, R, 4> : run_st<E, R, 4>;
    case 8: return load ? run_ld<E, R, 8> : run_st<E, R, 8>;
    default: return nullptr;
    }
}

}  // namespace

// s.type is the element in memory, s.from the register.
Fn select_memory(const Spec& s) {
    uint32_t n = s.elements;
    size_t e = size_of(s.type), r = size_of(s.from);
    bool sign = is_signed(s.type) && s.op == Op::ld;
    switch (e * 16 + r) {
    case 0x12: return sign ? count<int8_t, int16_t>(s, n) : count<uint8_t, uint16_t>(s, n);
    case 0x14: return sign ? count<int8_t, int32_t>(s, n) : count<uint8_t, uint32_t>(s, n);
    case 0x18: return sign ? count<int8_t, int64_t>(s, n) : count<uint8_t, uint64_t>(s, n);
    case 0x22: return count<uint16_t, uint16_t>(s, n);
    case 0x24: return sign ? count<int16_t, int32_t>(s, n) : count<uint16_t, uint32_t>(s, n);
    case 0x28: return sign ? count<int16_t, int64_t>(s, n) : count<uint16_t, uint64_t>(s, n);
    case 0x44: return count<uint32_t, uint32_t>(s, n);
    case 0x48: return sign ? count<int32_t, int64_t>(s, n) : count<uint32_t, uint64_t>(s, n);
    case 0x88: return count<uint64_t, uint64_t>(s, n);
    default: return nullptr;
    }
}

}  // namespace ptx
