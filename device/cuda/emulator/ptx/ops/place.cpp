#include "place.h"

namespace ptx {
namespace {

// A word of the shadow says who touched two bytes of shared memory in which epoch (one more at each barrier): 14 bits of epoch,
// then the warp, counted from 1, that wrote, read, and used atomics; several warps are 63.
constexpr uint32_t epoch_shift = 18, writer_shift = 12, reader_shift = 6, atomic_shift = 0, several = 63;

template <Access A>
INLINE uint32_t touch(uint32_t* shadow, uint32_t count, uint32_t epoch, uint32_t me) {
    uint32_t bad = 0;
    _Pragma("GCC ivdep") for (uint32_t k = 0; k < count; k++) {
        uint32_t v = shadow[k];
        v = (v ^ epoch) >> epoch_shift ? epoch : v;
        uint32_t writer = v >> writer_shift & 63, reader = v >> reader_shift & 63, atomic = v >> atomic_shift & 63;
        bad |= uint32_t(writer != 0) & uint32_t(writer != me);
        if (A != Access::read) bad |= uint32_t(reader != 0) & uint32_t(reader != me);
        if (A != Access::atomic) bad |= uint32_t(atomic != 0) & uint32_t(atomic != me);
        constexpr uint32_t shift = A == Access::read ? reader_shift : A == Access::write ? writer_shift : atomic_shift;
        uint32_t mine = v >> shift & 63;
        uint32_t now = (mine == 0) | (mine == me) ? me : several;
        shadow[k] = (v & ~(63u << shift)) | now << shift;
    }
    return bad;
}

// The message needs the culprit; the shadow still has the others beside the accessing warp.
[[noreturn]] void race(Warp& w, uint32_t lane, uint64_t offset, uint32_t bytes, Access access) {
    const char* does = access == Access::read ? "reads" : access == Access::write ? "writes" : "updates atomically";
    trouble(Fault::race, int(lane), "warp %u %s bytes [%llu, %llu) of shared memory, which another warp of the block %s since the last barrier", w.id, does,
            (unsigned long long)offset, (unsigned long long)(offset + bytes), access == Access::read ? "wrote" : "read or wrote");
}

INLINE void check_race(Warp& w, uint32_t lane, uint64_t offset, uint32_t bytes, uint32_t unit, Access access) {
    Worker& worker = *w.worker;
    // bytes of one shadow word written by several warps are no race: accesses of single bytes are not watched
    if (worker.shadow.empty() || unit < 2) return;
    uint32_t* s = worker.shadow.data() + offset / 2;
    uint32_t epoch = worker.epoch << epoch_shift, me = w.id + 1, bad;
    if (access == Access::read)
        bad = touch<Access::read>(s, bytes / 2, epoch, me);
    else if (access == Access::write)
        bad = touch<Access::write>(s, bytes / 2, epoch, me);
    else
        bad = touch<Access::atomic>(s, bytes / 2, epoch, me);
    if (bad) race(w, lane, offset, bytes, access);
}

INLINE uint64_t address_of(Warp& w, const Instr& i, uint32_t l) {
    return i.width == 4 ? uint64_t(at<uint32_t>(w, i.a)[l]) + uint64_t(i.offset) : at<uint64_t>(w, i.a)[l] + uint64_t(i.offset);
}

INLINE void check_alignment(uint32_t lane, uint64_t address, uint32_t bytes, const char* space) {
    if (address & (bytes - 1))
        trouble(Fault::alignment, int(lane), "an access of %u bytes at %s address 0x%llx, which is not a multiple of %u", bytes, space, (unsigned long long)address, bytes);
}

void note(Warp& w, const Instr& i, uint64_t address, size_t bytes, Access access) {
    Worker& worker = *w.worker;
    if (!worker.reads || i.mode == uint8_t(Space::constant)) return;
    if (access == Access::read || (access == Access::atomic && i.d != nowhere)) record(*worker.reads, address, bytes);
    if (access != Access::read) record(*worker.writes, address, bytes);
}

INLINE uint8_t* place_global(Warp& w, const Instr& i, uint32_t l, uint64_t a, uint32_t bytes, Access access) {
    check_alignment(l, a, bytes, "global");
    Extent& x = w.worker->extents[i.target];
    if (a - x.base >= x.size || x.size - (a - x.base) < bytes) find(*w.worker, int(l), a, bytes, access != Access::read, x);
    if (w.worker->reads) note(w, i, a, bytes, access);
    return x.host + (a - x.base);
}

INLINE uint8_t* place_shared(Warp& w, const Instr& i, uint32_t l, uint64_t a, uint32_t bytes, Access access) {
    if (a >= w.shared_bytes || w.shared_bytes - a < bytes)
        trouble(Fault::address, int(l), "an access of %u bytes at shared address %lld, of %zu bytes of shared memory", bytes, (long long)a, w.shared_bytes);
    check_alignment(l, a, bytes, "shared");
    check_race(w, l, a, bytes, i.bytes, i.relaxed ? Access::atomic : access);
    return w.shared + a;
}

INLINE uint8_t* place_local(Warp& w, uint32_t l, uint64_t a, uint32_t bytes) {
    if (a >= w.local_bytes || w.local_bytes - a < bytes)
        trouble(Fault::address, int(l), "an access of %u bytes at local address %lld, of %zu bytes of local memory per thread", bytes, (long long)a, w.local_bytes);
    check_alignment(l, a, bytes, "local");
    return w.local + l * w.local_bytes + a;
}

INLINE uint8_t* place_kernel_param(Warp& w, uint32_t l, uint64_t a, uint32_t bytes, Access access) {
    size_t size = w.worker->kernel->param_bytes;
    if (access != Access::read) trouble(Fault::address, int(l), "a write to the parameters of the kernel");
    if (a >= size || size - a < bytes) trouble(Fault::address, int(l), "an access of %u bytes at offset %lld of %zu bytes of parameters", bytes, (long long)a, size);
    check_alignment(l, a, bytes, "parameter");
    return const_cast<uint8_t*>(w.worker->launch->params) + a;
}

INLINE uint8_t* place_param(Warp& w, uint32_t l, uint64_t a, uint32_t bytes) {
    const Function& f = *w.function;
    if (a >= f.block_bytes || f.block_bytes - a < bytes) trouble(Fault::address, int(l), "an access of %u bytes at offset %lld of the parameters of a call", bytes, (long long)a);
    check_alignment(l, a, bytes, "parameter");
    return w.frame + f.block + l * f.block_bytes + a;
}

INLINE uint8_t* place_generic(Warp& w, const Instr& i, uint32_t l, uint64_t a, uint32_t bytes, Access access) {
    if (a < first_window) return place_global(w, i, l, a, bytes, access);
    uint64_t offset = a & ~window_mask;
    switch (a & window_mask) {
    case shared_window: return place_shared(w, i, l, offset, bytes, access);
    case local_window: return place_local(w, l, offset, bytes);
    case param_window: return place_kernel_param(w, l, offset, bytes, access);
    default: trouble(Fault::address, int(l), "an access of %u bytes at 0x%llx, which is no address", bytes, (unsigned long long)a);
    }
}

// all lanes, each bytes farther than the last?
INLINE bool straight(Warp& w, const Instr& i, uint32_t bytes) {
    if (i.width == 4) {
        const uint32_t* a = at<uint32_t>(w, i.a);
        uint32_t bad = 0;
        for (uint32_t l = 0; l < lanes; l++) bad |= a[l] ^ (a[0] + l * bytes);
        return bad == 0;
    }
    const uint64_t* a = at<uint64_t>(w, i.a);
    uint64_t bad = 0;
    for (uint32_t l = 0; l < lanes; l++) bad |= a[l] ^ (a[0] + uint64_t(l) * bytes);
    return bad == 0;
}

}  // namespace

void place(Warp& w, const Instr& i, uint32_t mask, uint32_t bytes, Access access, Where& where) {
    Space space = static_cast<Space>(i.mode);
    where.straight = false;
    if (mask == everyone && access != Access::atomic && i.width != 0) {
        if (space == Space::global || space == Space::constant || space == Space::generic) {
            if (straight(w, i, bytes)) {
                uint64_t a = address_of(w, i, 0);
                check_alignment(0, a, bytes, "global");
                Extent& x = w.worker->extents[i.target];
                uint64_t from = a - x.base, all = uint64_t(bytes) * lanes;
                if (from < x.size && x.size - from >= all) {  // else: lane by lane, for the lane that is outside
                    if (w.worker->reads) note(w, i, a, all, access);
                    where.base = x.host + from, where.stride = bytes, where.straight = true;
                    return;
                }
            }
        } else if (space == Space::shared) {
            if (straight(w, i, bytes)) {
                uint64_t a = address_of(w, i, 0), all = uint64_t(bytes) * lanes;
                if (a < w.shared_bytes && w.shared_bytes - a >= all && !(a & (bytes - 1))) {
                    check_race(w, 0, a, uint32_t(all), i.bytes, i.relaxed ? Access::atomic : access);
                    where.base = w.shared + a, where.stride = bytes, where.straight = true;
                    return;
                }
            }
        }
    }
    if (space == Space::kernel_param && i.width == 0) {
        where.base = place_kernel_param(w, 0, uint64_t(i.offset), bytes, access), where.stride = 0, where.straight = true;
        return;
    }
    for (uint32_t l = 0; l < lanes; l++) {
        if (!(mask >> l & 1)) continue;
        uint64_t a = i.width == 0 ? uint64_t(i.offset) : address_of(w, i, l);
        switch (space) {
        case Space::global: case Space::constant: where.lane[l] = place_global(w, i, l, a, bytes, access); break;
        case Space::shared: where.lane[l] = place_shared(w, i, l, a, bytes, access); break;
        case Space::local: where.lane[l] = place_local(w, l, a, bytes); break;
        case Space::kernel_param: where.lane[l] = place_kernel_param(w, l, a, bytes, access); break;
        case Space::param: where.lane[l] = place_param(w, l, a, bytes); break;
        case Space::generic: where.lane[l] = place_generic(w, i, l, a, bytes, access); break;
        }
    }
}

}  // namespace ptx
