// What the methods share: one signal's problem, a thread's scratch, the pass over all correlations
// and the duality gap. Include from *_cpu.cpp files only.
#pragma once

#include "core/parallel.h"
#include "core/simd.h"
#include "lasso/lasso.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Vectors of a block of correlations: their sums stay in registers while rows of G go by.
constexpr int block_vectors = 8;
template <class T>
constexpr int64_t block_width = block_vectors * lanes<T>;

// What all signals of a call share.
template <class T>
struct LassoModel {
    const T* gram;          // (atoms, padded) of row stride ld; zeros from column `atoms` on
    int64_t atoms, padded;  // padded: a multiple of block_width
    int64_t ld;             // off the powers of two, so that rows do not share cache sets
    int64_t capacity;       // of the active set
    T alpha, tolerance;
    bool nonnegative;
    int64_t max_iterations;
};

// One signal. penalty and ridge are null where alpha alone decides.
template <class T>
struct LassoSignal {
    const T* c;                // (padded,)
    const T* penalty;          // (padded,): alpha weight_j
    const T* inverse_penalty;  // (padded,): 1 / penalty, or the scale of r_j where alpha = 0
    const T* ridge;            // (padded,)
    T energy;                  // ||x||^2
};

// Scratch of one thread, and the codes that a method leaves there: `size` pairs of atom and code.
template <class T>
struct LassoScratch {
    T *r, *dense, *peaks;
    T* inverse;  // columns of stride inverse_ld
    int64_t inverse_ld;
    T *sign, *gradient, *row, *step, *column;
    T* code;
    int32_t* atom;
    int64_t size, iterations;
    T gap;  // relative
};

template <class T>
LW_INLINE T penalty_of(const LassoModel<T>& model, const LassoSignal<T>& signal, int64_t j) {
    return signal.penalty ? signal.penalty[j] : model.alpha;
}

template <class T>
LW_INLINE T ridge_of(const LassoSignal<T>& signal, int64_t j) {
    return signal.ridge ? signal.ridge[j] : T(0);
}

template <class T>
LW_INLINE T max_lanes(Vec<T> v) {
    T x[lanes<T>];
    store(x, v);
    for (int64_t half = lanes<T> / 2; half > 0; half /= 2)
        for (int64_t i = 0; i < half; ++i) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
    return x[0];
}

// The size of r that counts: all bits but the sign's, or all.
template <class T>
LW_INLINE UintVec<T> magnitude_mask(bool nonnegative) {
    using U = typename IntOf<T>::Unsigned;
    return UintVec<T>{} + (nonnegative ? ~U(0) : static_cast<U>(~U(0)) >> 1);
}

template <class T>
LW_INLINE Vec<T> magnitude(Vec<T> r, UintVec<T> mask) {
    return bit_cast<Vec<T>>(bit_cast<UintVec<T>>(r) & mask);
}

// r = c - sum_i code_i G_i - ridge code over the atoms listed; the largest |r_j| (r_j with its sign
// for non-negative codes), relative to penalty_j where `general`: the signal has penalties and
// ridges of its own.
template <class T, bool general>
LW_INLINE T refresh(const LassoModel<T>& model, const LassoSignal<T>& signal, LassoScratch<T>& s) {
    const UintVec<T> mask = magnitude_mask<T>(model.nonnegative);
    const int64_t size = s.size, ld = model.ld;
    Vec<T> best = {};
    if (general)
        for (int64_t i = 0; i < size; ++i) s.dense[s.atom[i]] = signal.ridge[s.atom[i]] * s.code[i];
    for (int64_t b = 0; b < model.padded; b += block_width<T>) {
        Vec<T> sum[block_vectors];
#pragma GCC unroll 8
        for (int v = 0; v < block_vectors; ++v) sum[v] = load(signal.c + b + v * lanes<T>);
        const T* gram = model.gram + b;
        for (int64_t i = 0; i < size; ++i) {
            const T* row = gram + s.atom[i] * ld;
            const Vec<T> code = splat(-s.code[i]);
#pragma GCC unroll 8
            for (int v = 0; v < block_vectors; ++v)
                sum[v] = fma(code, load(row + v * lanes<T>), sum[v]);
        }
        Vec<T> peak = {};
#pragma GCC unroll 8
        for (int v = 0; v < block_vectors; ++v) {
            if (general) sum[v] -= load(s.dense + b + v * lanes<T>);
            store(s.r + b + v * lanes<T>, sum[v]);
            Vec<T> ratio = magnitude<T>(sum[v], mask);
            if (general) ratio *= load(signal.inverse_penalty + b + v * lanes<T>);
            peak = select<T>(ratio > peak, ratio, peak);
        }
        store(s.peaks + b / block_vectors, peak);
        best = select<T>(peak > best, peak, best);
    }
    if (general)
        for (int64_t i = 0; i < size; ++i) s.dense[s.atom[i]] = T(0);
    return max_lanes<T>(best);
}

// visit(atom) for the atoms where what refresh() compares is at least `least`, one of those that
// share a lane of a block.
template <class T, bool general, class Visit>
LW_INLINE void for_each_peak(const LassoModel<T>& model, const LassoSignal<T>& signal,
                             const LassoScratch<T>& s, T least, Visit visit) {
    const UintVec<T> mask = magnitude_mask<T>(model.nonnegative);
    const Vec<T> bar = splat(least);
    for (int64_t b = 0; b < model.padded; b += block_width<T>) {
        const Vec<T> peak = load(s.peaks + b / block_vectors);
        for (uint64_t left = movemask<T>(peak >= bar); left != 0; left &= left - 1) {
            const int lane = __builtin_ctzll(left);
            int64_t j = b;
            for (;; j += lanes<T>) {
                Vec<T> ratio = magnitude<T>(load(s.r + j), mask);
                if (general) ratio *= load(signal.inverse_penalty + j);
                if (movemask<T>(ratio == peak) >> lane & 1) break;
            }
            visit(j + lane);
        }
    }
}

// The relative gap of the codes listed, r being theirs and `top` what refresh() gave.
template <class T>
LW_INLINE T relative_gap(const LassoModel<T>& model, const LassoSignal<T>& signal,
                         const LassoScratch<T>& s, T top) {
    T ratio = signal.penalty ? top : top / model.alpha;
    if (model.alpha == T(0)) {
        for (int64_t i = 0; i < s.size; ++i) {
            const T rest = s.r[s.atom[i]] * signal.inverse_penalty[s.atom[i]];
            ratio = rest > ratio ? rest : (-rest > ratio ? -rest : ratio);
        }
        return ratio * model.tolerance;
    }
    const T kappa = ratio > T(1) ? T(1) / ratio : T(1);
    T gap = 0, explained = 0;
    for (int64_t i = 0; i < s.size; ++i) {
        const int32_t j = s.atom[i];
        const T penalty = penalty_of(model, signal, j);
        const T size = s.code[i] < T(0) ? -s.code[i] : s.code[i];
        gap += penalty * size - kappa * s.code[i] * s.r[j];
        explained += s.code[i] * (signal.c[j] + s.r[j]);
    }
    const T rest = signal.energy - explained;
    gap += T(0.5) * (T(1) - kappa) * (T(1) - kappa) * (rest > T(0) ? rest : T(0));
    return gap / (T(0.5) * signal.energy);
}

// Each leaves the codes in the scratch and returns; the first is false where the second must go on.
template <class T>
bool solve_active_set(const LassoModel<T>&, const LassoSignal<T>&, LassoScratch<T>&);
template <class T>
void solve_coordinate_descent(const LassoModel<T>&, const LassoSignal<T>&, LassoScratch<T>&);
// inverse_penalty holds 1 / ||phi_j|| and ridge zeros; gap becomes the square residual.
template <class T>
void solve_matching_pursuit(const LassoModel<T>&, const LassoSignal<T>&, LassoScratch<T>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
