// simd.h for CUDA: a thread is a vector of one lane, so that simd_math.h, philox.h and the formulas
// over Vec<T> are one text for the CPU's levels and for the GPU (LW_ISA is cuda there). Contraction
// is off (-fmad=false): a fused multiply-add is where the source says fma.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "core/isa.h"

namespace layerwise::LW_ISA_NAMESPACE {

#define LW_INLINE static __host__ __device__ __forceinline__
#define LW_DEVICE static __device__ __forceinline__
#define LW_PRAGMA_(text) _Pragma(#text)
#define LW_UNROLL(n) LW_PRAGMA_(unroll n)

template <class T>
using Vec = T;
template <class T>
using HalfVec = T;

template <class T>
struct IntOf;
template <>
struct IntOf<float> {
    using Signed = int32_t;
    using Unsigned = uint32_t;
};
template <>
struct IntOf<double> {
    using Signed = int64_t;
    using Unsigned = uint64_t;
};
template <class T>
using IntVec = typename IntOf<T>::Signed;
template <class T>
using UintVec = typename IntOf<T>::Unsigned;

template <class T>
constexpr int64_t lanes = 1;

LW_INLINE int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
LW_INLINE int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }
LW_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
LW_INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

template <class T>
LW_INLINE T splat(T x) {
    return x;
}

template <class T>
LW_INLINE T load(const T* p) {
    return *p;
}

template <class T>
LW_INLINE void store(T* p, T v) {
    *p = v;
}

template <class T>
LW_INLINE void store_pairs(T* p, T a, T b) {
    p[0] = a;
    p[1] = b;
}

template <class To, class From>
LW_INLINE To bit_cast(From x) {
    static_assert(sizeof(To) == sizeof(From));
    To y;
    memcpy(&y, &x, sizeof y);
    return y;
}

template <class To, class From>
LW_INLINE To convert(From x) {
    return static_cast<To>(x);
}

template <class T>
LW_INLINE T lane(T v, int64_t) {
    return v;
}

template <class T>
LW_INLINE T ascending(T first) {
    return first;
}

template <class T>
LW_INLINE T select(IntVec<T> mask, T yes, T no) {
    return mask ? yes : no;
}

template <class T>
LW_INLINE T max_keep_nan(T x, T floor) {
    return x < floor ? floor : x;
}
template <class T>
LW_INLINE T min_keep_nan(T x, T ceiling) {
    return x > ceiling ? ceiling : x;
}

LW_INLINE float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
LW_INLINE double fma(double a, double b, double c) { return ::fma(a, b, c); }
LW_INLINE float sqrt(float x) { return ::sqrtf(x); }
LW_INLINE double sqrt(double x) { return ::sqrt(x); }

LW_INLINE uint64_t multiply_low_halves(uint64_t a, uint64_t b) {
    return (a & 0xffffffffu) * (b & 0xffffffffu);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
