// What happens to the finished sums of a block: a thread takes four neighbouring units of a row,
// which is what one Philox counter yields. Include from *_cuda.cu files only.
#pragma once

#include "core/philox.h"
#include "gemm/activation.h"
#include "gemm/gemm_tile_cuda.h"
#include "gemm/momentum_step.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int quad = 4;

template <class T>
struct alignas(16) Quad {
    T v[quad];
};

// Element j of a row that starts at p; the first `valid` of four are read or written, in one access
// where they lie side by side.
template <class T>
LW_DEVICE bool in_one_access(const T* p, int64_t stride, int valid) {
    return stride == 1 && valid == quad && reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

template <class T>
LW_DEVICE Quad<T> load_quad(const T* p, int64_t stride, int valid) {
    if (in_one_access(p, stride, valid)) return *reinterpret_cast<const Quad<T>*>(p);
    Quad<T> out = {};
#pragma unroll
    for (int i = 0; i < quad; ++i)
        if (i < valid) out.v[i] = p[i * stride];
    return out;
}

template <class T>
LW_DEVICE void store_quad(T* p, int64_t stride, int valid, const Quad<T>& values) {
    if (in_one_access(p, stride, valid)) {
        *reinterpret_cast<Quad<T>*>(p) = values;
        return;
    }
#pragma unroll
    for (int i = 0; i < quad; ++i)
        if (i < valid) p[i * stride] = values.v[i];
}

template <class T>
LW_DEVICE T* at(const Matrix<T>& x, int64_t row, int64_t col) {
    return x.data + row * x.row_stride + col * x.col_stride;
}

// z = alpha s + beta c + bias, then y = f(z) or z f'(gate).
template <class T>
LW_DEVICE void finish_quad(const Epilogue<T>& e, int64_t row, int64_t col, int valid, Quad<T>& s) {
    const Quad<T> none = {};
    const Quad<T> c = e.beta != T(0) ? load_quad(at(e.c, row, col), e.c.col_stride, valid) : none;
    const Quad<T> bias =
        e.bias.data ? load_quad(e.bias.data + col * e.bias.stride, e.bias.stride, valid) : none;
    const Quad<T> gate =
        e.gate.data ? load_quad(at(e.gate, row, col), e.gate.col_stride, valid) : none;
#pragma unroll
    for (int i = 0; i < quad; ++i) {
        if (e.alpha != T(1)) s.v[i] *= e.alpha;
        if (e.beta != T(0)) s.v[i] = fma(e.beta, c.v[i], s.v[i]);
        if (e.bias.data) s.v[i] += bias.v[i];
        if (e.gate.data)
            s.v[i] *= activation_slope<T>(e.activation, gate.v[i]);
        else
            s.v[i] = activate<T>(e.activation, s.v[i]);
    }
}

template <class T>
LW_DEVICE void step_quad(const MomentumStep<T>& step, int64_t row, int64_t col, int valid,
                         const Quad<T>& gradient) {
    Quad<T> w = load_quad<T>(at(step.w, row, col), step.w.col_stride, valid);
    Quad<T> velocity = load_quad<T>(at(step.velocity, row, col), step.velocity.col_stride, valid);
#pragma unroll
    for (int i = 0; i < quad; ++i)
        momentum_step<T>(step.rule, gradient.v[i], w.v[i], velocity.v[i]);
    store_quad(at(step.velocity, row, col), step.velocity.col_stride, valid, velocity);
    store_quad(at(step.w, row, col), step.w.col_stride, valid, w);
}

// y becomes its sample; bit i of the result is unit i of a Bernoulli sample.
template <class T>
LW_DEVICE uint32_t sample_quad(const Epilogue<T>& e, int64_t row, int64_t col, int valid,
                               Quad<T>& y) {
    alignas(8) uint32_t words[quad];
    philox_fill(e.random, row_id(e.random, row), col, quad, words);
    uint32_t bits = 0;
    if (e.noise == Noise::bernoulli) {
#pragma unroll
        for (int i = 0; i < quad; ++i) {
            // A double's uniform is read as a float's: the 24 bits are exact in both.
            const bool on = T(uniform_from_words<float>(words + i)) < y.v[i];
            y.v[i] = on ? T(1) : T(0);
            if (on && i < valid) bits |= 1u << i;
        }
    } else {
        T normals[quad];
        normals_from_words<T>(words, quad, normals);
#pragma unroll
        for (int i = 0; i < quad; ++i) y.v[i] = fma(e.noise_scale, normals[i], y.v[i]);
    }
    return bits;
}

// 16 neighbouring lanes hold 4 bits each of a word; the first of them stores it.
LW_DEVICE void store_bits(const BitMatrix<uint64_t>& out, int64_t row, int64_t col, bool valid,
                          uint32_t bits) {
    const int lane = static_cast<int>(threadIdx.x) % 16;
    uint64_t word = uint64_t{bits} << (4 * lane);
#pragma unroll
    for (int other = 8; other > 0; other /= 2) word |= __shfl_xor_sync(0xffffffffu, word, other);
    if (valid && lane == 0) out.words[row * out.row_stride + col / 64] = word;
}

// Rows [row, row + rows), columns [col, col + cols) of the result from the sums in `tile`. Whole
// warps stay together: the words of a packed sample are made of several lanes.
template <class T>
LW_DEVICE void finish_block(const GemmArgs<T>& g, int64_t row, int rows, int64_t col, int cols,
                            const T* tile) {
    constexpr int across = Blocking<T>::side / quad, down = block_threads / across;
    constexpr int ld = sums_ld<T>;
    const int thread = static_cast<int>(threadIdx.x);
    const int c = thread % across * quad, valid = max(min(cols - c, quad), 0);
    for (int r0 = 0; r0 < rows; r0 += down) {
        const int r = r0 + thread / across;
        const int64_t i = row + r, j = col + c;
        const bool inside = r < rows && valid > 0;
        uint32_t bits = 0;
        if (inside) {
            Quad<T> y = *reinterpret_cast<const Quad<T>*>(tile + r * ld + c);
            finish_quad(g.epilogue, i, j, valid, y);
            if (g.mean.data) store_quad(at(g.mean, i, j), g.mean.col_stride, valid, y);
            if (g.epilogue.step.w.data) step_quad(g.epilogue.step, i, j, valid, y);
            if (g.epilogue.noise != Noise::none) {
                bits = sample_quad(g.epilogue, i, j, valid, y);
                if (g.sample.data) store_quad(at(g.sample, i, j), g.sample.col_stride, valid, y);
            }
        }
        if (g.sample_bits.words) store_bits(g.sample_bits, i, j, inside, bits);
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
