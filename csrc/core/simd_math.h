// Elementary functions over whole vectors, float and double from one text. Errors, measured against
// float64 / long double over the whole range: exp, log, sigmoid, softplus, tanh under 3 ulp.
// NaN in gives NaN out; no table, no branch, no errno. Include from *_cpu.cpp and *_cuda.cu
// files only.
#pragma once

#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
struct FloatTraits;
template <>
struct FloatTraits<float> {
    static constexpr int mantissa_bits = 23, exponent_bias = 127;
    static constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    static constexpr float exp_min = -104.0f, exp_max = 89.0f;  // beyond: 0 and infinity
    static constexpr int exp_terms = 7, sin_terms = 5, cos_terms = 6;
};
template <>
struct FloatTraits<double> {
    static constexpr int mantissa_bits = 52, exponent_bias = 1023;
    static constexpr double round_magic = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    static constexpr double exp_min = -746.0, exp_max = 710.0;
    static constexpr int exp_terms = 13, sin_terms = 9, cos_terms = 10;
};

// 1/0!, 1/1!, ... 1/19!
template <class T>
constexpr T inverse_factorial(int n) {
    double f = 1;
    for (int i = 2; i <= n; ++i) f *= i;
    return static_cast<T>(1 / f);
}

template <class T>
LW_INLINE Vec<T> absolute(Vec<T> x) {
    using U = typename IntOf<T>::Unsigned;
    constexpr U magnitude = static_cast<U>(-1) >> 1;
    return bit_cast<Vec<T>>(bit_cast<UintVec<T>>(x) & magnitude);
}

// 2^n for n from an integer vector, where the result is a normal number.
template <class T>
LW_INLINE Vec<T> power_of_two(IntVec<T> n) {
    return bit_cast<Vec<T>>((n + FloatTraits<T>::exponent_bias) << FloatTraits<T>::mantissa_bits);
}

// x = n ln2 + r, |r| <= ln2 / 2; n as integers.
template <class T>
LW_INLINE Vec<T> reduce_by_ln2(Vec<T> x, IntVec<T>& n) {
    using F = FloatTraits<T>;
    const Vec<T> shifted = fma(x, splat<T>(T(1.4426950408889634)), splat<T>(F::round_magic));
    n = bit_cast<IntVec<T>>(shifted) - bit_cast<IntVec<T>>(splat<T>(F::round_magic));
    const Vec<T> whole = shifted - F::round_magic;
    const Vec<T> high = fma(whole, splat<T>(-F::ln2_high), x);
    return fma(whole, splat<T>(-F::ln2_low), high);
}

// e^r - 1 for |r| <= ln2 / 2 by its Taylor series, r + r^2 (1/2! + r/3! + r^2 (1/4! + r/5! + ...)):
// in pairs, which wait for each other half as long as single terms would.
template <class T>
LW_INLINE Vec<T> exp_minus_one_polynomial(Vec<T> r) {
    constexpr int terms = FloatTraits<T>::exp_terms;  // odd
    const Vec<T> square = r * r;
    Vec<T> p = Vec<T>{};
    LW_UNROLL(16)
    for (int i = terms; i >= 3; i -= 2) {
        const Vec<T> pair =
            fma(splat(inverse_factorial<T>(i)), r, splat(inverse_factorial<T>(i - 1)));
        p = i == terms ? pair : fma(p, square, pair);
    }
    return fma(p, square, r);
}

template <class T>
LW_INLINE Vec<T> exp(Vec<T> x) {
    using F = FloatTraits<T>;
    x = min_keep_nan<T>(max_keep_nan<T>(x, splat<T>(F::exp_min)), splat<T>(F::exp_max));
    IntVec<T> n;
    const Vec<T> y = exp_minus_one_polynomial<T>(reduce_by_ln2<T>(x, n)) + T(1);
    const IntVec<T> half = n >> 1;  // in two steps, so that subnormal results round once
    return y * power_of_two<T>(half) * power_of_two<T>(n - half);
}

// e^x - 1 for x <= 0.
template <class T>
LW_INLINE Vec<T> expm1_negative(Vec<T> x) {
    x = max_keep_nan<T>(x, splat<T>(T(-80)));
    IntVec<T> n;
    const Vec<T> p = exp_minus_one_polynomial<T>(reduce_by_ln2<T>(x, n));
    const Vec<T> scale = power_of_two<T>(n);
    return fma(scale, p, scale - T(1));
}

// log of positive normal numbers; NaN and infinity give NaN. Coefficients: fdlibm's e_log.c and
// e_logf.c (Sun Microsystems).
template <class T>
LW_INLINE Vec<T> log_polynomial(Vec<T> z) {
    if constexpr (sizeof(T) == 4) {
        Vec<T> p = splat<T>(0.24279078841f);
        p = fma(p, z, splat<T>(0.28498786688f));
        p = fma(p, z, splat<T>(0.40000972152f));
        return fma(p, z, splat<T>(0.66666662693f)) * z;
    } else {
        Vec<T> p = splat<T>(1.479819860511658591e-01);
        p = fma(p, z, splat<T>(1.531383769920937332e-01));
        p = fma(p, z, splat<T>(1.818357216161805012e-01));
        p = fma(p, z, splat<T>(2.222219843214978396e-01));
        p = fma(p, z, splat<T>(2.857142874366239149e-01));
        p = fma(p, z, splat<T>(3.999999999940941908e-01));
        return fma(p, z, splat<T>(6.666666666666735130e-01)) * z;
    }
}

template <class T>
LW_INLINE Vec<T> log(Vec<T> x) {
    using F = FloatTraits<T>;
    // x = 2^n m with m in [sqrt(1/2), sqrt(2)): shift the exponent field by sqrt(1/2)'s bits.
    const IntVec<T> root_half = bit_cast<IntVec<T>>(splat<T>(T(0.70710678118654752440)));
    const IntVec<T> n = (bit_cast<IntVec<T>>(x) - root_half) >> F::mantissa_bits;
    const Vec<T> m = bit_cast<Vec<T>>(bit_cast<IntVec<T>>(x) - (n << F::mantissa_bits));
    const Vec<T> f = m - T(1);
    const Vec<T> s = f / (f + T(2));
    const Vec<T> r = log_polynomial<T>(s * s);
    const Vec<T> half_square = f * f * T(0.5);
    const Vec<T> k = convert<Vec<T>>(n) + (x - x);
    const Vec<T> low = fma(k, splat<T>(F::ln2_low), s * (half_square + r));
    return fma(k, splat<T>(F::ln2_high), f - (half_square - low));
}

// log(1 + e) for e in [0, 1]: the rounding error of 1 + e is put back to first order.
template <class T>
LW_INLINE Vec<T> log1p_unit(Vec<T> e) {
    const Vec<T> u = e + T(1);
    return log<T>(u) + (e - (u - T(1))) / u;
}

template <class T>
LW_INLINE Vec<T> sigmoid(Vec<T> x) {
    const Vec<T> e = exp<T>(-absolute<T>(x));
    return select<T>(x < T(0), e, splat<T>(T(1))) / (e + T(1));
}

template <class T>
LW_INLINE Vec<T> softplus(Vec<T> x) {
    const Vec<T> tail = log1p_unit<T>(exp<T>(-absolute<T>(x)));
    return max_keep_nan<T>(x, Vec<T>{}) + tail;
}

template <class T>
LW_INLINE Vec<T> tanh(Vec<T> x) {
    using U = typename IntOf<T>::Unsigned;
    constexpr U sign_bit = static_cast<U>(1) << (8 * sizeof(T) - 1);
    const Vec<T> m = expm1_negative<T>(absolute<T>(x) * T(-2));  // e^(-2|x|) - 1
    const Vec<T> y = -m / (m + T(2));
    return bit_cast<Vec<T>>(bit_cast<UintVec<T>>(y) | (bit_cast<UintVec<T>>(x) & sign_bit));
}

// sin and cos of 2 pi u for u in [0, 1]: quarter turns are exact, the rest |angle| <= pi / 4.
template <class T>
LW_INLINE void sincos_turns(Vec<T> u, Vec<T>& sine, Vec<T>& cosine) {
    using F = FloatTraits<T>;
    const Vec<T> shifted = u * T(4) + F::round_magic;
    const IntVec<T> quarter =
        bit_cast<IntVec<T>>(shifted) - bit_cast<IntVec<T>>(splat<T>(F::round_magic));
    const Vec<T> x = (u - (shifted - F::round_magic) * T(0.25)) * T(6.283185307179586476925);
    const Vec<T> z = -(x * x);
    Vec<T> s = splat<T>(inverse_factorial<T>(2 * F::sin_terms + 1));
    LW_UNROLL(16)
    for (int i = F::sin_terms - 1; i >= 1; --i)
        s = fma(s, z, splat<T>(inverse_factorial<T>(2 * i + 1)));
    s = fma(s * z, x, x);
    Vec<T> c = splat<T>(inverse_factorial<T>(2 * F::cos_terms));
    LW_UNROLL(16)
    for (int i = F::cos_terms - 1; i >= 0; --i)
        c = fma(c, z, splat<T>(inverse_factorial<T>(2 * i)));
    const IntVec<T> swap = -(quarter & 1);
    const Vec<T> a = select<T>(swap, c, s), b = select<T>(swap, s, c);
    sine = select<T>(-((quarter >> 1) & 1), -a, a);
    cosine = select<T>(-(((quarter + 1) >> 1) & 1), -b, b);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
