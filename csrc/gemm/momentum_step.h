// The formula of momentum.h on vectors. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#include "core/simd.h"
#include "gemm/momentum.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
LW_INLINE void momentum_step(const Momentum<T>& rule, Vec<T> gradient, Vec<T>& w,
                             Vec<T>& velocity) {
    const Vec<T> direction = fma(splat(-rule.weight_decay), w, gradient);
    velocity = fma(splat(rule.rate), direction, rule.momentum * velocity);
    w += velocity;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
