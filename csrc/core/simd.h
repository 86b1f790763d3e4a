// Vectors for the ISA objects: written once over the compiler's vector extensions, with intrinsics
// only where the extensions have no word for the instruction. CUDA's vectors of one lane are in
// simd_cuda.h. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#ifdef __CUDACC__
#include "core/simd_cuda.h"
#else

#include <cstddef>
#include <cstdint>

#include "core/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// LW_VECTOR_BYTES may be forced wider than the hardware's vectors to test a wide level elsewhere.
#ifndef LW_VECTOR_BYTES
#if defined(__AVX512F__)
#define LW_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define LW_VECTOR_BYTES 32
#else
#define LW_VECTOR_BYTES 16
#endif
#endif

namespace layerwise::LW_ISA_NAMESPACE {

#define LW_INLINE static inline __attribute__((always_inline))
#define LW_PRAGMA_(text) _Pragma(#text)
#define LW_UNROLL(n) LW_PRAGMA_(GCC unroll n)

template <class T, int bytes>
struct VecOf {
    typedef T Type __attribute__((vector_size(bytes)));
};
template <class T>
using Vec = typename VecOf<T, LW_VECTOR_BYTES>::Type;
template <class T>
using HalfVec = typename VecOf<T, LW_VECTOR_BYTES / 2>::Type;

// The signed and unsigned integers as wide as T, which comparisons and bit work need.
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
using IntVec = Vec<typename IntOf<T>::Signed>;
template <class T>
using UintVec = Vec<typename IntOf<T>::Unsigned>;

template <class T>
constexpr int64_t lanes = LW_VECTOR_BYTES / sizeof(T);

LW_INLINE int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
LW_INLINE int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }
LW_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
LW_INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

template <class T>
LW_INLINE Vec<T> splat(T x) {
    return x - Vec<T>{};  // x - 0 keeps the sign of a zero, x + 0 would not
}

template <class T>
LW_INLINE Vec<T> load(const T* p) {
    Vec<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class T>
LW_INLINE void store(T* p, Vec<T> v) {
    __builtin_memcpy(p, &v, sizeof v);
}

template <class To, class From>
LW_INLINE To bit_cast(From x) {
    static_assert(sizeof(To) == sizeof(From));
    To y;
    __builtin_memcpy(&y, &x, sizeof y);
    return y;
}

template <class To, class From>
LW_INLINE To convert(From x) {
    return __builtin_convertvector(x, To);
}

template <class V>
LW_INLINE auto lane(const V& v, int64_t i) {
    return v[i];
}

// first, first + 1, ...
template <class T>
LW_INLINE Vec<T> ascending(T first) {
    Vec<T> v;
    for (int64_t i = 0; i < lanes<T>; ++i) v[i] = first + static_cast<T>(i);
    return v;
}

// All bits set in the first n lanes.
template <class T>
LW_INLINE IntVec<T> first_lanes(int64_t n) {
    IntVec<T> lane;
    for (int64_t i = 0; i < lanes<T>; ++i) lane[i] = static_cast<typename IntOf<T>::Signed>(i);
    return lane < static_cast<typename IntOf<T>::Signed>(n);
}

// Is part of a vector loaded and stored by one instruction?
constexpr bool has_masks = LW_VECTOR_BYTES >= 32;

// The first n lanes, zeros after them; n in [0, lanes]. Memory past them is not touched.
template <class T>
LW_INLINE Vec<T> load_n(const T* p, int64_t n) {
#if defined(__AVX512F__) && LW_VECTOR_BYTES == 64
    const uint32_t mask = (1u << n) - 1;
    if constexpr (sizeof(T) == 4)
        return bit_cast<Vec<T>>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p));
    else
        return bit_cast<Vec<T>>(_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p));
#elif defined(__AVX2__) && LW_VECTOR_BYTES == 32
    const __m256i mask = bit_cast<__m256i>(first_lanes<T>(n));
    if constexpr (sizeof(T) == 4)
        return bit_cast<Vec<T>>(_mm256_maskload_ps(p, mask));
    else
        return bit_cast<Vec<T>>(_mm256_maskload_pd(p, mask));
#else
    Vec<T> v = {};
    __builtin_memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
    return v;
#endif
}

template <class T>
LW_INLINE void store_n(T* p, Vec<T> v, int64_t n) {
#if defined(__AVX512F__) && LW_VECTOR_BYTES == 64
    const uint32_t mask = (1u << n) - 1;
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), v);
    else
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), v);
#elif defined(__AVX2__) && LW_VECTOR_BYTES == 32
    const __m256i mask = bit_cast<__m256i>(first_lanes<T>(n));
    if constexpr (sizeof(T) == 4)
        _mm256_maskstore_ps(p, mask, v);
    else
        _mm256_maskstore_pd(p, mask, v);
#else
    __builtin_memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
#endif
}

// n lanes from p, stride elements apart, zeros after them; n in [1, lanes].
template <class T>
LW_INLINE Vec<T> load_lanes(const T* p, int64_t stride, int64_t n) {
    if (stride == 1) return n == lanes<T> ? load(p) : load_n(p, n);
    Vec<T> v = {};
    for (int64_t i = 0; i < n; ++i) v[i] = p[i * stride];
    return v;
}

template <class T>
LW_INLINE void store_lanes(T* p, int64_t stride, Vec<T> v, int64_t n) {
    if (stride == 1) {
        if (n == lanes<T>)
            store(p, v);
        else
            store_n(p, v, n);
        return;
    }
    for (int64_t i = 0; i < n; ++i) p[i * stride] = v[i];
}

template <class T>
LW_INLINE Vec<T> select(IntVec<T> mask, Vec<T> yes, Vec<T> no) {
    return mask ? yes : no;
}

// Lane by lane where a NaN in x comes through.
template <class T>
LW_INLINE Vec<T> max_keep_nan(Vec<T> x, Vec<T> floor) {
    return select<T>(x < floor, floor, x);
}
template <class T>
LW_INLINE Vec<T> min_keep_nan(Vec<T> x, Vec<T> ceiling) {
    return select<T>(x > ceiling, ceiling, x);
}

// a * b + c: one rounding where the level has the instruction, two at v2. The compiler is told not
// to contract (-ffp-contract=off), so that where the roundings fall is decided here and nowhere
// else.
LW_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(__AVX512F__) && LW_VECTOR_BYTES == 64
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__) && LW_VECTOR_BYTES == 32
    return _mm256_fmadd_ps(a, b, c);
#elif defined(__FMA__) && LW_VECTOR_BYTES == 64
    __m256 x[2], y[2], z[2];
    __builtin_memcpy(x, &a, 64);
    __builtin_memcpy(y, &b, 64);
    __builtin_memcpy(z, &c, 64);
    for (int i = 0; i < 2; ++i) z[i] = _mm256_fmadd_ps(x[i], y[i], z[i]);
    Vec<float> sum;
    __builtin_memcpy(&sum, z, 64);
    return sum;
#elif defined(__aarch64__)
    return vfmaq_f32(c, a, b);
#else
    return a * b + c;
#endif
}

LW_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
#if defined(__AVX512F__) && LW_VECTOR_BYTES == 64
    return _mm512_fmadd_pd(a, b, c);
#elif defined(__FMA__) && LW_VECTOR_BYTES == 32
    return _mm256_fmadd_pd(a, b, c);
#elif defined(__FMA__) && LW_VECTOR_BYTES == 64
    __m256d x[2], y[2], z[2];
    __builtin_memcpy(x, &a, 64);
    __builtin_memcpy(y, &b, 64);
    __builtin_memcpy(z, &c, 64);
    for (int i = 0; i < 2; ++i) z[i] = _mm256_fmadd_pd(x[i], y[i], z[i]);
    Vec<double> sum;
    __builtin_memcpy(&sum, z, 64);
    return sum;
#elif defined(__aarch64__)
    return vfmaq_f64(c, a, b);
#else
    return a * b + c;
#endif
}

// sum = fma(a, b, sum) in the register that holds sum. In a loop that needs every register a
// compiler that is free to put the result in place of a factor runs out of them, and spills.
template <class T>
LW_INLINE void accumulate(Vec<T>& sum, Vec<T> a, Vec<T> b) {
#if defined(__FMA__) && (LW_VECTOR_BYTES == 32 || defined(__AVX512F__))
    if constexpr (sizeof(T) == 4)
        asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    else
        asm("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
#else
    sum = fma(a, b, sum);
#endif
}

// x, of which the compiler no longer knows how it came about. It would keep what it can compute
// ahead, the addresses of all vectors of a tile for one, in registers that the loop needs.
template <class T>
LW_INLINE T opaque(T x) {
    asm("" : "+r"(x));
    return x;
}

// The condition of a loop that needs every register, as likely as not: in loops that are said to
// repeat, GCC 12 copies sums from register to register, 6 of 150 instructions or 12 of 45.
#define LW_REPEAT_WHILE(condition) __builtin_expect_with_probability(condition, 1, 0.5)

LW_INLINE Vec<float> sqrt(Vec<float> x) {
    for (int i = 0; i < lanes<float>; ++i) x[i] = __builtin_sqrtf(x[i]);
    return x;
}
LW_INLINE Vec<double> sqrt(Vec<double> x) {
    for (int i = 0; i < lanes<double>; ++i) x[i] = __builtin_sqrt(x[i]);
    return x;
}

// Products of the low 32 bits of each 64-bit lane.
LW_INLINE Vec<uint64_t> multiply_low_halves(Vec<uint64_t> a, Vec<uint64_t> b) {
#if defined(__AVX512F__) && LW_VECTOR_BYTES == 64
    return bit_cast<Vec<uint64_t>>(_mm512_mul_epu32(bit_cast<__m512i>(a), bit_cast<__m512i>(b)));
#elif defined(__AVX2__) && LW_VECTOR_BYTES == 32
    return bit_cast<Vec<uint64_t>>(_mm256_mul_epu32(bit_cast<__m256i>(a), bit_cast<__m256i>(b)));
#elif defined(__SSE2__) && LW_VECTOR_BYTES == 16
    return bit_cast<Vec<uint64_t>>(_mm_mul_epu32(bit_cast<__m128i>(a), bit_cast<__m128i>(b)));
#else
    return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// Bit i is lane i's sign (a comparison's result).
template <class T>
LW_INLINE uint64_t movemask(IntVec<T> mask) {
#if defined(__AVX512DQ__) && LW_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4)
        return _mm512_movepi32_mask(bit_cast<__m512i>(mask));
    else
        return _mm512_movepi64_mask(bit_cast<__m512i>(mask));
#elif defined(__AVX2__) && LW_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4)
        return static_cast<uint32_t>(_mm256_movemask_ps(bit_cast<__m256>(mask)));
    else
        return static_cast<uint32_t>(_mm256_movemask_pd(bit_cast<__m256d>(mask)));
#elif defined(__SSE2__) && LW_VECTOR_BYTES == 16
    if constexpr (sizeof(T) == 4)
        return static_cast<uint32_t>(_mm_movemask_ps(bit_cast<__m128>(mask)));
    else
        return static_cast<uint32_t>(_mm_movemask_pd(bit_cast<__m128d>(mask)));
#else
    uint64_t bits = 0;
    for (int i = 0; i < lanes<T>; ++i) bits |= static_cast<uint64_t>(mask[i] < 0) << i;
    return bits;
#endif
}

// base[index[0]], base[index[1]], ...
template <class T>
LW_INLINE Vec<T> gather(const T* base, const int32_t* index) {
#if defined(__AVX512F__) && LW_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4)
        return bit_cast<Vec<T>>(_mm512_i32gather_ps(_mm512_loadu_si512(index), base, 4));
    else
        return bit_cast<Vec<T>>(_mm512_i32gather_pd(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), base, 8));
#elif defined(__AVX2__) && LW_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4)
        return bit_cast<Vec<T>>(_mm256_i32gather_ps(
            base, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), 4));
    else
        return bit_cast<Vec<T>>(
            _mm256_i32gather_pd(base, _mm_loadu_si128(reinterpret_cast<const __m128i*>(index)), 8));
#else
    Vec<T> v;
    for (int64_t i = 0; i < lanes<T>; ++i) v[i] = base[index[i]];
    return v;
#endif
}

// 0, 1, ..., n - 1 as a pack of arguments, for shuffles.
template <int... i>
struct Indices {};
template <int n, int... i>
struct MakeIndices : MakeIndices<n - 1, n - 1, i...> {};
template <int... i>
struct MakeIndices<0, i...> {
    using Type = Indices<i...>;
};

template <class V, int... i>
LW_INLINE void interleave(V a, V b, V& low, V& high, Indices<i...>) {
    constexpr int n = sizeof...(i);
    low = __builtin_shufflevector(a, b, (i / 2 + (i % 2) * n)...);
    high = __builtin_shufflevector(a, b, (n / 2 + i / 2 + (i % 2) * n)...);
}

// a[0], b[0], a[1], b[1], ... at p.
template <class T>
LW_INLINE void store_pairs(T* p, Vec<T> a, Vec<T> b) {
    Vec<T> low, high;
    interleave(a, b, low, high, typename MakeIndices<lanes<T>>::Type{});
    store(p, low);
    store(p + lanes<T>, high);
}

// Exchanges the blocks of `step` lanes that lie off the diagonal of the pair (x, y).
template <int step, class V, int... i>
LW_INLINE void exchange(V& x, V& y, Indices<i...>) {
    constexpr int n = sizeof...(i);
    const V low = __builtin_shufflevector(x, y, ((i & step) ? n + i - step : i)...);
    const V high = __builtin_shufflevector(x, y, ((i & step) ? n + i : i + step)...);
    x = low;
    y = high;
}

// Which lane of x, or of y from n on, comes to lane i where lower halves of quads are interleaved.
template <int quad, int size>
constexpr int lane_of_quads(int i, int n) {
    return i / quad * quad + i % quad / (2 * size) * size + i % size + i / size % 2 * n;
}

// x and y become the lower and the upper halves of their quads (16 bytes), in turn `size` lanes of
// x and of y: one instruction each, where exchange() takes a table in a register.
template <int quad, int size, class V, int... i>
LW_INLINE void interleave_quads(V& x, V& y, Indices<i...>) {
    constexpr int n = sizeof...(i);
    const V low = __builtin_shufflevector(x, y, lane_of_quads<quad, size>(i, n)...);
    y = __builtin_shufflevector(x, y, (lane_of_quads<quad, size>(i, n) + quad / 2)...);
    x = low;
}

// Each quad by as many rows.
template <class T>
LW_INLINE void transpose_quads(Vec<T>* v) {
    constexpr int quad = 16 / sizeof(T);
    constexpr typename MakeIndices<static_cast<int>(lanes<T>)>::Type all;
    interleave_quads<quad, 1>(v[0], v[1], all);
    if constexpr (quad == 4) {
        interleave_quads<quad, 1>(v[2], v[3], all);
        interleave_quads<quad, 2>(v[0], v[2], all);
        interleave_quads<quad, 2>(v[1], v[3], all);
        const Vec<T> second = v[2];
        v[2] = v[1], v[1] = second;
    }
}

template <class T, int rows, int step>
LW_INLINE void transpose_step(Vec<T>* v) {
    constexpr int quad = 16 / sizeof(T);
    if constexpr (step >= quad || rows < quad) {
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
            if (!(i & step))
                exchange<step>(v[i], v[i + step],
                               typename MakeIndices<static_cast<int>(lanes<T>)>::Type{});
        if constexpr (step > 1) transpose_step<T, rows, step / 2>(v);
    } else {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i += quad) transpose_quads<T>(v + i);
    }
}

// Each block of rows x rows, lanes / rows of them side by side.
template <class T, int rows = static_cast<int>(lanes<T>)>
LW_INLINE void transpose(Vec<T>* v) {
    transpose_step<T, rows, rows / 2>(v);
}

template <int n, class T, class V, int... i>
LW_INLINE void store_part(T* p, V v, int part, Indices<i...>) {
    if (part == 0) {
        const auto low = __builtin_shufflevector(v, v, i...);
        __builtin_memcpy(p, &low, sizeof low);
    } else {
        const auto high = __builtin_shufflevector(v, v, (n + i)...);
        __builtin_memcpy(p, &high, sizeof high);
    }
}

// The n lanes from part * n on, n all lanes or half of them.
template <class T, int n>
LW_INLINE void store_part(T* p, Vec<T> v, int part) {
    if constexpr (n == lanes<T>)
        store(p, v);
    else
        store_part<n>(p, v, part, typename MakeIndices<n>::Type{});
}

// A tree over the lanes, halves first: fixed by the width alone.
template <class T>
LW_INLINE T sum_lanes(Vec<T> v) {
    T x[lanes<T>];
    store(x, v);
    for (int64_t half = lanes<T> / 2; half > 0; half /= 2)
        for (int64_t i = 0; i < half; ++i) x[i] += x[i + half];
    return x[0];
}

}  // namespace layerwise::LW_ISA_NAMESPACE

#endif
