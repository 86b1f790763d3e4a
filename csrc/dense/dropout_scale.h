// The two numbers of a dropout rate. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Rounded up to a multiple of 2^-24, as uniforms are: the same mask in both dtypes.
template <class T>
LW_INLINE T dropout_threshold(double rate) {
    return static_cast<T>(__builtin_ceil(rate * 0x1p24) * 0x1p-24);
}

template <class T>
LW_INLINE T dropout_scale(double rate) {
    return static_cast<T>(1 / (1 - rate));
}

}  // namespace layerwise::LW_ISA_NAMESPACE
