// Where an access of each lane lies on the host, after the checks of bounds, alignment and races.
#pragma once

#include "../ops.h"

namespace ptx {

enum class Access : uint8_t { read, write, atomic };

struct Where {
    uint8_t* base;          // straight: lane l is at base + l * stride
    uint32_t stride;
    bool straight;
    uint8_t* lane[lanes];
};

// place fills where for the lanes of mask. Only loads and stores can use straight, so atomics do not ask for it.
void place(Warp& w, const Instr& i, uint32_t mask, uint32_t bytes, Access access, Where& where);

}  // namespace ptx
