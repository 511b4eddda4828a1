// What the lanes of a warp do together: shuffles, votes, matches.
#include "../ops.h"

namespace ptx {
namespace {

INLINE void check_member(uint32_t l, uint32_t members, const char* what) {
    if (!(members >> l & 1)) trouble(Fault::barrier, int(l), "%s by a lane that its member mask 0x%08x leaves out", what, members);
}

template <Shuffle S>
void run_shfl(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t *b = at<uint32_t>(w, i.b), *c = at<uint32_t>(w, i.c), *m = at<uint32_t>(w, i.e);
    uint32_t a[lanes];
    __builtin_memcpy(a, at<uint32_t>(w, i.a), sizeof a);
    uint32_t* d = i.d == nowhere ? nullptr : at<uint32_t>(w, i.d);
    uint32_t inside = 0;
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        check_member(l, m[l], "shfl.sync");
        int lane = int(l), by = int(b[l] & 31), clamp = int(c[l] & 31), segment = int(c[l] >> 8 & 31);
        int highest = (lane & segment) | (clamp & ~segment), lowest = lane & segment, from;
        bool in;
        switch (S) {
        case Shuffle::up: from = lane - by, in = from >= highest; break;
        case Shuffle::down: from = lane + by, in = from <= highest; break;
        case Shuffle::bfly: from = lane ^ by, in = from <= highest; break;
        default: from = lowest | (by & ~segment), in = from <= highest; break;
        }
        if (!in) from = lane;
        if (!(mask >> from & 1)) trouble(Fault::barrier, lane, "shfl.sync reads lane %d, which does not take part (lanes 0x%08x do): the value is undefined", from, mask);
        inside |= uint32_t(in) << l;
        if (d) d[l] = a[from];
    }
    if (i.target != nowhere) {
        uint32_t* p = at<uint32_t>(w, i.target);
        *p = (*p & ~mask) | inside;
    }
}

template <Vote V>
void run_vote(Warp& w, const Instr& i, uint32_t mask) {
    const uint32_t* m = at<uint32_t>(w, i.e);
    for (uint32_t l = 0; l < lanes; l++)
        if (mask >> l & 1) check_member(l, m[l], "vote.sync");
    uint32_t yes = (*at<uint32_t>(w, i.a) ^ uint32_t(i.offset)) & mask;
    if (V == Vote::ballot) {
        each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t) { return yes; });
        return;
    }
    bool r = V == Vote::all ? yes == mask : V == Vote::any ? yes != 0 : yes == mask || yes == 0;
    uint32_t* p = at<uint32_t>(w, i.d);
    *p = (*p & ~mask) | (r ? mask : 0);
}

void run_activemask(Warp& w, const Instr& i, uint32_t mask) {
    each(w, mask, at<uint32_t>(w, i.d), [=](uint32_t) { return mask; });
}

template <class T, bool All>
void run_match(Warp& w, const Instr& i, uint32_t mask) {
    const T* a = at<T>(w, i.a);
    const uint32_t* m = at<uint32_t>(w, i.e);
    uint32_t r[lanes], same = 0;
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        check_member(l, m[l], "match.sync");
        uint32_t equal = 0;
        for (uint32_t k = 0; k < lanes; k++) equal |= uint32_t((mask >> k & 1) && a[k] == a[l]) << k;
        if (All) {
            same |= uint32_t(equal == mask) << l;
            equal = equal == mask ? mask : 0;
        }
        r[l] = equal;
    }
    uint32_t* d = at<uint32_t>(w, i.d);
    for (uint32_t l = 0; l < lanes; l++)
        if (mask >> l & 1) d[l] = r[l];
    if (All && i.target != nowhere) {
        uint32_t* p = at<uint32_t>(w, i.target);
        *p = (*p & ~mask) | same;
    }
}

}  // namespace

Fn select_warp(const Spec& s) {
    switch (s.op) {
    case Op::shfl:
        switch (s.shuffle) {
        case Shuffle::up: return run_shfl<Shuffle::up>;
        case Shuffle::down: return run_shfl<Shuffle::down>;
        case Shuffle::bfly: return run_shfl<Shuffle::bfly>;
        case Shuffle::idx: return run_shfl<Shuffle::idx>;
        }
        return nullptr;
    case Op::vote:
        switch (s.vote) {
        case Vote::all: return run_vote<Vote::all>;
        case Vote::any: return run_vote<Vote::any>;
        case Vote::uni: return run_vote<Vote::uni>;
        case Vote::ballot: return run_vote<Vote::ballot>;
        }
        return nullptr;
    case Op::activemask: return run_activemask;
    case Op::match:
        if (s.type == Type::b32) return s.vote == Vote::all ? run_match<uint32_t, true> : run_match<uint32_t, false>;
        if (s.type == Type::b64) return s.vote == Vote::all ? run_match<uint64_t, true> : run_match<uint64_t, false>;
        return nullptr;
    default: return nullptr;
    }
}

}  // namespace ptx
