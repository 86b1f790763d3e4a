// The step of momentum.h along rows. Include from *_cpu.cpp files only.
#pragma once

#include "gemm/gemm_strip.h"
#include "gemm/momentum_step.h"

namespace layerwise::LW_ISA_NAMESPACE {

// n elements, ws and vs apart, along `scale` times the sums, readable up to round_up(n, lanes). The
// rule comes by value: what is stored might be a reference's numbers, which cost 1 to 3% of a step.
template <class T>
LW_INLINE void momentum_run(const Momentum<T> rule, T* w, int64_t ws, T* velocity, int64_t vs,
                            int64_t n, const T* sums, T scale) {
    for (int64_t j = 0; j < n; j += lanes<T>) {
        const int64_t valid = min_of(lanes<T>, n - j);
        Vec<T> x = load_lanes(w + j * ws, ws, valid), v = load_lanes(velocity + j * vs, vs, valid);
        momentum_step<T>(rule, load(sums + j) * scale, x, v);
        store_lanes(w + j * ws, ws, x, valid);
        store_lanes(velocity + j * vs, vs, v, valid);
    }
}

// Columns [j0, j0 + n) of row i; the gradient is readable up to round_up(n, lanes). The rows that
// follow are on their way meanwhile: the hardware does not foresee the end of a segment.
template <class T>
static void momentum_segment(const MomentumStep<T>& step, int64_t i, int64_t j0, int64_t n,
                             const T* gradient) {
    const int64_t ws = step.w.col_stride, vs = step.velocity.col_stride;
    T* w = step.w.data + i * step.w.row_stride + j0 * ws;
    T* velocity = step.velocity.data + i * step.velocity.row_stride + j0 * vs;
    constexpr int64_t rows_ahead = 4;
    for (int64_t j = 0; j < n; j += line<T>) {
        __builtin_prefetch(w + rows_ahead * step.w.row_stride + j * ws, 1);
        __builtin_prefetch(velocity + rows_ahead * step.velocity.row_stride + j * vs, 1);
    }
    momentum_run(step.rule, w, ws, velocity, vs, n, gradient, T(1));
}

}  // namespace layerwise::LW_ISA_NAMESPACE
