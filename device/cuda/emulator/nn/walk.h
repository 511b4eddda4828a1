// walk.h: visits every index of a tensor together with its place in several strided tensors.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "api.h"
#include "parallel.h"

namespace nn {

template <size_t T>
using Places = std::array<int64_t, T>;

// Walk goes through the indices of shape in the memory order of the first tensor. A tensor of extent 1 in a dimension where shape
// has more is repeated along it.
template <size_t T>
class Walk {
  public:
    Walk(const Tensor& shape, const std::array<const Tensor*, T>& tensors) : rank_(shape.rank) {
        int order[CUDNN_DIM_MAX];
        for (int i = 0; i < rank_; i++) order[i] = i;
        std::stable_sort(order, order + rank_, [&](int a, int b) { return tensors[0]->stride[a] > tensors[0]->stride[b]; });
        for (int i = 0; i < rank_; i++) {
            dim_[i] = shape.dim[order[i]];
            count_ *= dim_[i];
            for (size_t t = 0; t < T; t++) step_[i][t] = tensors[t]->dim[order[i]] == 1 ? 0 : tensors[t]->stride[order[i]];
        }
    }

    // run visits the indices one after the other on this thread, places counted from start.
    template <class F>
    void run(const Places<T>& start, F visit) const {
        range(0, count_, start, visit);
    }

    // spread visits them on all threads, so visits must not depend on each other.
    template <class F>
    void spread(F visit) const {
        parallel(count_, [&](int64_t begin, int64_t end) { range(begin, end, {}, visit); });
    }

  private:
    template <class F>
    void range(int64_t begin, int64_t end, const Places<T>& start, F visit) const {
        int64_t index[CUDNN_DIM_MAX], rest = begin;
        Places<T> place = start;
        for (int i = rank_ - 1; i >= 0; i--) {
            index[i] = rest % dim_[i];
            rest /= dim_[i];
            for (size_t t = 0; t < T; t++) place[t] += index[i] * step_[i][t];
        }
        for (int64_t n = begin; n < end; n++) {
            visit(place);
            for (int i = rank_ - 1; i >= 0; i--) {
                for (size_t t = 0; t < T; t++) place[t] += step_[i][t];
                if (++index[i] < dim_[i]) break;
                for (size_t t = 0; t < T; t++) place[t] -= step_[i][t] * dim_[i];
                index[i] = 0;
            }
        }
    }

    int rank_;
    int64_t count_ = 1, dim_[CUDNN_DIM_MAX], step_[CUDNN_DIM_MAX][T];
};

// only keeps the dimensions whose bit is set in mask, and makes the others 1.
inline Tensor only(const Tensor& t, unsigned mask) {
    Tensor part = t;
    for (int i = 0; i < t.rank; i++)
        if (!(mask >> i & 1)) part.dim[i] = 1;
    return part;
}

}  // namespace nn
