// Sums over the threads of a block, as trees that the number of threads alone fixes. Include from
// *_cuda.cu files only.
#pragma once

#include "core/operand.h"

namespace layerwise::LW_ISA_NAMESPACE {

// combine(x, y) over the warp, in every lane.
template <class T, class Combine>
LW_DEVICE T reduce_warp(T x, Combine combine) {
#pragma unroll
    for (int other = 16; other > 0; other /= 2) x = combine(x, __shfl_xor_sync(~0u, x, other));
    return x;
}

// The same over a block of `threads`, in every thread; `shared` holds a value a warp.
template <int threads, class T, class Combine>
LW_DEVICE T reduce_block(T x, T* shared, Combine combine) {
    const int thread = static_cast<int>(threadIdx.x);
    x = reduce_warp(x, combine);
    __syncthreads();  // all have read what an earlier reduction left
    if (thread % 32 == 0) shared[thread / 32] = x;
    __syncthreads();
    x = shared[0];
    for (int warp = 1; warp < threads / 32; ++warp) x = combine(x, shared[warp]);
    return x;
}

struct Add {
    template <class T>
    __device__ T operator()(T x, T y) const {
        return x + y;
    }
};

// Passes over NaN in x.
struct Largest {
    template <class T>
    __device__ T operator()(T x, T y) const {
        return x > y ? x : y;
    }
};

// A block of sum_threads: 32 columns, each summed by 32 threads.
constexpr int sum_cols = 32, sum_rows = 32, sum_threads = sum_cols * sum_rows;

template <class T>
struct ColumnSums {
    T v[sum_rows][sum_cols + 1];
};

// The sum of column `col` of x, which is the thread's number modulo 32 in the block's columns.
template <class T>
LW_DEVICE T column_sum(const Operand<T>& x, int64_t col, ColumnSums<T>& shared) {
    const int r = static_cast<int>(threadIdx.x) / sum_cols;
    const int c = static_cast<int>(threadIdx.x) % sum_cols;
    T sum = 0;
    if (col < operand_cols(x))
        for (int64_t i = r; i < operand_rows(x); i += sum_rows) sum += element(x, i, col);
    shared.v[r][c] = sum;
    __syncthreads();
    for (int half = sum_rows / 2; half > 0; half /= 2) {
        if (r < half) shared.v[r][c] += shared.v[r + half][c];
        __syncthreads();
    }
    sum = shared.v[0][c];
    __syncthreads();
    return sum;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
