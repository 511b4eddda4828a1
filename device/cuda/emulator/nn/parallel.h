// parallel.h: the host threads that carry out library work.
#pragma once

#include <cstdint>
#include <functional>

namespace nn {

// parallel cuts [0, n) into one run of neighbours for each thread (emu_threads) and calls part(begin, end) for each.
// The cut depends on n and the number of threads only; callers see to it that results do not depend on the cut.
void parallel(int64_t n, const std::function<void(int64_t, int64_t)>& part);

// threads is how many runs parallel makes at most.
int threads();

}  // namespace nn
