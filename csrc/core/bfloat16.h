// bfloat16, the upper half of a float32: its range, 8 significant bits. Include from *_cpu.cpp and
// *_cuda.cu files only.
#pragma once

#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

struct Bfloat16 {
    uint16_t bits;
};

// The nearest, ties to even; beyond the largest infinity; NaN stays NaN.
LW_INLINE Vec<float> round_to_bfloat16(Vec<float> x) {
    const UintVec<float> bits = bit_cast<UintVec<float>>(x);
    const UintVec<float> nearest = bits + 0x7fffu + (bits >> 16 & 1u), quiet = bits | 0x00400000u;
    const Vec<float> rounded =
        select<float>(x == x, bit_cast<Vec<float>>(nearest), bit_cast<Vec<float>>(quiet));
    return bit_cast<Vec<float>>(bit_cast<UintVec<float>>(rounded) & 0xffff0000u);
}

#ifndef __CUDACC__

LW_INLINE Vec<float> load(const Bfloat16* p) {
    HalfVec<uint16_t> v;
    __builtin_memcpy(&v, p, sizeof v);
    return bit_cast<Vec<float>>(convert<UintVec<float>>(v) << 16);
}

// Rounded.
LW_INLINE void store(Bfloat16* p, Vec<float> x) {
    const UintVec<float> bits = bit_cast<UintVec<float>>(round_to_bfloat16(x));
    const auto v = convert<HalfVec<uint16_t>>(bits >> 16);
    __builtin_memcpy(p, &v, sizeof v);
}

#endif

}  // namespace layerwise::LW_ISA_NAMESPACE
