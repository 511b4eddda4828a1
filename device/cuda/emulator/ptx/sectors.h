// The distinct 32-byte sectors that a thread block touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ptx {

class Sectors {
public:
    void add(uint64_t sector) {
        if (sector == last && count) return;
        last = sector;
        if (count * 2 >= slots.size()) grow();
        if (insert(sector)) count++;
    }

    // take returns how many there were and forgets them.
    size_t take() {
        size_t n = count;
        count = 0;
        if (++stamp == 0) {
            slots.assign(slots.size(), {});
            stamp = 1;
        }
        return n;
    }

private:
    struct Slot {
        uint64_t sector = 0;
        uint32_t stamp = 0;
    };

    bool insert(uint64_t sector) {
        size_t mask = slots.size() - 1, at = size_t(sector * 0x9E3779B97F4A7C15u >> 20) & mask;
        while (slots[at].stamp == stamp) {
            if (slots[at].sector == sector) return false;
            at = (at + 1) & mask;
        }
        slots[at] = {sector, stamp};
        return true;
    }

    void grow() {
        std::vector<Slot> old(slots.empty() ? 256 : slots.size() * 2);
        old.swap(slots);
        for (auto& s : old)
            if (s.stamp == stamp) insert(s.sector);
    }

    std::vector<Slot> slots;
    uint32_t stamp = 1;
    uint64_t last = 0;
    size_t count = 0;
};

}  // namespace ptx
