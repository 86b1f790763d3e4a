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
    T longest;  // norm of the longest atom
    T unit;     // of r_j where alpha = 0: the tolerance, or more where that is 0
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
// Behind them `atom` has places of atoms too, so that whole vectors of them may be read.
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
    constexpr int64_t at_once = 64 / lanes<T>;  // blocks whose lanes fill the bits of a word
    const UintVec<T> mask = magnitude_mask<T>(model.nonnegative);
    const Vec<T> bar = splat(least);
    const int64_t blocks = model.padded / block_width<T>;
    for (int64_t first = 0; first < blocks; first += at_once) {
        uint64_t left = 0;
        for (int64_t b = 0; b < min_of(at_once, blocks - first); ++b)
            left |= movemask<T>(load(s.peaks + (first + b) * lanes<T>) >= bar) << b * lanes<T>;
        for (; left != 0; left &= left - 1) {
            const int64_t bit = __builtin_ctzll(left), block = first + bit / lanes<T>;
            const int64_t atom = block * block_width<T> + bit % lanes<T>;
            const T peak = s.peaks[first * lanes<T> + bit];
            uint64_t equal = 0;
#pragma GCC unroll 8
            for (int v = 0; v < block_vectors; ++v) {
                const int64_t j = atom + v * lanes<T>;
                T ratio = bit_cast<T>(bit_cast<typename IntOf<T>::Unsigned>(s.r[j]) & mask[0]);
                if (general) ratio *= signal.inverse_penalty[j];
                equal |= static_cast<uint64_t>(ratio == peak) << v;
            }
            if (equal != 0) visit(atom + __builtin_ctzll(equal) * lanes<T>);  // 0: none but NaN
        }
    }
}

// How a method sees one signal's problem. refresh() makes r and its peaks and returns the largest,
// rest() is R of the gap, given the sum of share() over the codes. square() is G_jj,
// products() puts G_ji of the active atoms i into s.row. Coordinate descent's are left(), what the
// residual without the ridge makes of phi_j, and move(), between open_sweeps() and the next
// refresh(). This one works on the Gram matrix; `general`: the signal has penalties and ridges of
// its own.
template <class T, bool own_penalties>
struct GramForm {
    static constexpr bool general = own_penalties;
    const LassoModel<T>& model;
    const LassoSignal<T>& signal;

    T refresh(LassoScratch<T>& s) const {
        return layerwise::LW_ISA_NAMESPACE::refresh<T, general>(model, signal, s);
    }

    T share(const LassoScratch<T>& s, int64_t i) const {
        return s.code[i] * (signal.c[s.atom[i]] + s.r[s.atom[i]]);
    }

    T rest(const LassoScratch<T>&, T shares) const {
        return signal.energy > shares ? signal.energy - shares : T(0);
    }

    T square(int64_t j) const { return model.gram[j * model.ld + j]; }

    void products(LassoScratch<T>& s, int64_t j) const {
        const T* gram = model.gram + j * model.ld;
        for (int64_t i = 0; i < s.size; i += lanes<T>) store(s.row + i, gather(gram, s.atom + i));
    }

    // From here on r is without the ridge.
    void open_sweeps(LassoScratch<T>& s) const {
        if (general)
            for (int64_t i = 0; i < s.size; ++i)
                s.r[s.atom[i]] += signal.ridge[s.atom[i]] * s.code[i];
    }

    T left(const LassoScratch<T>& s, int64_t j) const { return s.r[j]; }

    void move(LassoScratch<T>& s, int64_t j, T change) const {
        const T* row = model.gram + j * model.ld;
        const Vec<T> factor = splat(-change);
        for (int64_t b = 0; b < model.padded; b += lanes<T>)
            store(s.r + b, fma(factor, load(row + b), load(s.r + b)));
    }
};

// The relative gap of the codes listed, r being theirs and `top` what refresh() gave.
template <class T, class Form>
LW_INLINE T relative_gap(const Form& form, const LassoScratch<T>& s, T top) {
    const LassoModel<T>& model = form.model;
    const LassoSignal<T>& signal = form.signal;
    T ratio = signal.penalty ? top : top / model.alpha;
    if (model.alpha == T(0)) {
        for (int64_t i = 0; i < s.size; ++i) {
            const T rest = s.r[s.atom[i]] * signal.inverse_penalty[s.atom[i]];
            ratio = rest > ratio ? rest : (-rest > ratio ? -rest : ratio);
        }
        return ratio * model.unit;
    }
    const T kappa = ratio > T(1) ? T(1) / ratio : T(1);
    T gap = 0, shares = 0;
    for (int64_t i = 0; i < s.size; ++i) {
        const int32_t j = s.atom[i];
        const T size = s.code[i] < T(0) ? -s.code[i] : s.code[i];
        gap += penalty_of(model, signal, j) * size - kappa * s.code[i] * s.r[j];
        shares += form.share(s, i);
    }
    gap += T(0.5) * (T(1) - kappa) * (T(1) - kappa) * form.rest(s, shares);
    return gap / (T(0.5) * signal.energy);
}

// What rounding may do to a float32 gap: about eps sum_j |a_j| ||phi_j|| / ||x||. 0 in float64,
// which has nothing to be handed on to, and where alpha is 0.
template <class T>
LW_INLINE T gap_rounding(const LassoModel<T>& model, const LassoSignal<T>& signal,
                         const LassoScratch<T>& s) {
    if (sizeof(T) == 8 || model.alpha == T(0) || s.gap == T(0)) return T(0);
    T size = 0;
    for (int64_t i = 0; i < s.size; ++i) size += s.code[i] < T(0) ? -s.code[i] : s.code[i];
    const T relative = size * model.longest / T(__builtin_sqrt(signal.energy));
    return T(4 * __FLT_EPSILON__) * (T(1) + relative);
}

// Whether the gap is within the tolerance whatever its rounding.
template <class T>
LW_INLINE bool is_done(const LassoModel<T>& model, const LassoSignal<T>& signal,
                       const LassoScratch<T>& s) {
    return s.gap <= model.tolerance && s.gap + gap_rounding(model, signal, s) <= model.tolerance;
}

// How the active set ends: at the tolerance or the last pass, where rounding allows no step, or
// where the atoms are too many or too nearly dependent for it.
enum class Outcome : uint8_t { ended, rounded, unable };

// Each leaves the codes in the scratch.
template <class T>
Outcome solve_active_set(const LassoModel<T>&, const LassoSignal<T>&, LassoScratch<T>&);
template <class T>
void solve_coordinate_descent(const LassoModel<T>&, const LassoSignal<T>&, LassoScratch<T>&);
// inverse_penalty holds 1 / ||phi_j|| and ridge zeros; gap becomes the square residual.
template <class T>
void solve_matching_pursuit(const LassoModel<T>&, const LassoSignal<T>&, LassoScratch<T>&);

// One signal in residual form, in float64: nothing of size (atoms, atoms).
struct ResidualSignal {
    const double* atoms;  // (padded, width), zeros around (atoms, features)
    int64_t width;
    const double* x;       // (width,)
    double* residual;      // (width,)
    double* correlations;  // (padded,)
};

// Goes on from the codes in the scratch, where `descend` by coordinate descent. Where `single` they
// are rounded to float32 in the end, and the gap is that of the rounded ones.
void solve_residual(const ResidualSignal&, const LassoModel<double>&, const LassoSignal<double>&,
                    LassoScratch<double>&, bool descend, bool single);

// A float64 signal in float32: what the scratch holds is off by rounding.
struct NarrowSignal {
    const LassoModel<float>& model;
    const LassoSignal<float>& signal;
    LassoScratch<float>& scratch;
    const double* norms;  // (atoms,): of the atoms
    int64_t features;
};

// The codes in float64, into the scratch, with their gap: of the correlations that float32 has made
// only those are made again that may be the largest.
void certify_narrow(const NarrowSignal&, const ResidualSignal&, const LassoModel<double>&,
                    const LassoSignal<double>&, LassoScratch<double>&);

// float32, whose atoms are of norm one, leaves few of them to choose from.
void solve_narrow_pursuit(const NarrowSignal&, const ResidualSignal&, const LassoModel<double>&,
                          const LassoSignal<double>&, LassoScratch<double>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
