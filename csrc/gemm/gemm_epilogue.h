// What happens to the finished sums: one row segment at a time, in passes over L1.
#pragma once

#include "core/philox.h"
#include "gemm/activation.h"
#include "gemm/gemm.h"
#include "gemm/gemm_strip.h"
#include "gemm/momentum_cpu.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A strided row segment as contiguous values; buffer is used where the row is not contiguous
// already or a whole-vector read could leave it. Returned values are readable up to round_up(n,
// lanes).
template <class T>
LW_INLINE const T* gather(const T* p, int64_t stride, int64_t n, T* buffer) {
    if (stride == 1 && n % lanes<T> == 0) return p;
    for (int64_t j = 0; j < n; j += lanes<T>)
        store(buffer + j, load_lanes(p + j * stride, stride, min_of(lanes<T>, n - j)));
    return buffer;
}

template <class T>
LW_INLINE void scatter(const T* values, int64_t n, T* p, int64_t stride) {
    for (int64_t j = 0; j < n; j += lanes<T>)
        store_lanes(p + j * stride, stride, load(values + j), min_of(lanes<T>, n - j));
}

// z = alpha s + beta c + bias, in place in s.
template <class T>
static void affine_segment(const Epilogue<T>& e, int64_t i, int64_t j0, int64_t n, T* s) {
    alignas(64) T buffer[max_segment];
    if (e.alpha != T(1))
        for (int64_t j = 0; j < n; j += lanes<T>) store(s + j, load(s + j) * e.alpha);
    if (e.beta != T(0)) {
        const T* c =
            gather(e.c.data + i * e.c.row_stride + j0 * e.c.col_stride, e.c.col_stride, n, buffer);
        const Vec<T> beta = splat(e.beta);
        for (int64_t j = 0; j < n; j += lanes<T>) store(s + j, fma(beta, load(c + j), load(s + j)));
    }
    if (e.bias.data) {
        const T* bias = gather(e.bias.data + j0 * e.bias.stride, e.bias.stride, n, buffer);
        for (int64_t j = 0; j < n; j += lanes<T>) store(s + j, load(s + j) + load(bias + j));
    }
}

template <Activation f, class T>
static void activate_segment(int64_t n, T* s) {
    for (int64_t j = 0; j < n; j += lanes<T>) store(s + j, activate<T>(f, load(s + j)));
}

template <Activation f, class T>
static void gate_segment(const T* gate, int64_t n, T* s) {
    for (int64_t j = 0; j < n; j += lanes<T>)
        store(s + j, load(s + j) * activation_slope<T>(f, load(gate + j)));
}

// y = f(z) or z f'(gate), in place in s.
template <Activation f, class T>
static void nonlinear_segment(const Epilogue<T>& e, int64_t i, int64_t j0, int64_t n, T* s) {
    if (!e.gate.data) return activate_segment<f>(n, s);
    alignas(64) T buffer[max_segment];
    const T* gate = gather(e.gate.data + i * e.gate.row_stride + j0 * e.gate.col_stride,
                           e.gate.col_stride, n, buffer);
    gate_segment<f>(gate, n, s);
}

template <class T>
static void activation_segment(const Epilogue<T>& e, int64_t i, int64_t j0, int64_t n, T* s) {
    if (e.activation == Activation::none) return;
    visit_activation(e.activation, [&]<Activation f>() { nonlinear_segment<f>(e, i, j0, n, s); });
}

// s becomes the Bernoulli sample; bits (64 units a word, null: not wanted) its packed form.
template <class T>
static void bernoulli_segment(const uint32_t* words, int64_t n, T* s, uint64_t* bits) {
    const Vec<T> one = splat<T>(T(1));
    uint64_t word = 0;
    for (int64_t j = 0; j < n; j += lanes<T>) {
        const IntVec<T> on = uniform_from_words<T>(words + j) < load(s + j);
        store(s + j, select<T>(on, one, Vec<T>{}));
        word |= movemask<T>(on) << (j % 64);
        if (bits && (j + lanes<T> >= n || (j + lanes<T>) % 64 == 0)) {
            const int64_t valid = n - j / 64 * 64;  // lanes past n compared against padding
            bits[j / 64] = valid >= 64 ? word : word & ((uint64_t(1) << valid) - 1);
            word = 0;
        }
    }
}

template <class T>
static void sample_segment(const GemmArgs<T>& g, int64_t i, int64_t j0, int64_t n, T* s) {
    const Epilogue<T>& e = g.epilogue;
    alignas(64) uint32_t words[max_segment + philox_block];
    philox_fill(e.random, row_id(e.random, i), j0, n, words);
    if (e.noise == Noise::bernoulli) {
        uint64_t* bits = g.sample_bits.words;
        if (bits) bits += i * g.sample_bits.row_stride + j0 / 64;
        bernoulli_segment(words, n, s, bits);
    } else {
        alignas(64) T normals[max_segment + 2 * lanes<T>];
        normals_from_words<T>(words, n, normals);
        const Vec<T> scale = splat(e.noise_scale);
        for (int64_t j = 0; j < n; j += lanes<T>)
            store(s + j, fma(scale, load(normals + j), load(s + j)));
    }
    if (g.sample.data)
        scatter(s, n, g.sample.data + i * g.sample.row_stride + j0 * g.sample.col_stride,
                g.sample.col_stride);
}

// Columns [j0, j0 + n) of row i of the result from the sums in s, n at most max_segment.
template <class T>
static void finish_segment(const GemmArgs<T>& g, int64_t i, int64_t j0, int64_t n, T* s) {
    affine_segment(g.epilogue, i, j0, n, s);
    activation_segment(g.epilogue, i, j0, n, s);
    if (g.mean.data)
        scatter(s, n, g.mean.data + i * g.mean.row_stride + j0 * g.mean.col_stride,
                g.mean.col_stride);
    if (g.epilogue.step.w.data) momentum_segment(g.epilogue.step, i, j0, n, s);
    if (g.epilogue.noise != Noise::none) sample_segment(g, i, j0, n, s);
}

// Rows [i0, i0 + rows), columns [j0, j0 + n) of the result from the sums in s (row stride ld,
// readable and writable up to round_up(n, lanes)); j0 is a multiple of 64 where there is noise.
template <class T>
static void finish_block(const GemmArgs<T>& g, int64_t i0, int64_t rows, int64_t j0, int64_t n,
                         T* s, int64_t ld) {
    for (int64_t j = 0; j < n; j += max_segment)
        for (int64_t r = 0; r < rows; ++r)
            finish_segment(g, i0 + r, j0 + j, min_of(max_segment, n - j), s + r * ld + j);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
