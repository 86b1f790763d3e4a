// Coordinate descent on the Gram matrix: any start, any number of non-zeros, dependent atoms.
#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int sweeps_per_pass = 5;  // r is made afresh after so many: no rounding builds up

template <class T>
LW_INLINE T soft_threshold(T z, T penalty, bool nonnegative) {
    if (z > penalty) return z - penalty;
    return z < -penalty && !nonnegative ? z + penalty : T(0);
}

// r -= change G_j
template <class T>
LW_INLINE void subtract_row(const LassoModel<T>& model, T* r, int64_t j, T change) {
    const T* row = model.gram + j * model.ld;
    const Vec<T> factor = splat(-change);
    for (int64_t b = 0; b < model.padded; b += lanes<T>)
        store(r + b, fma(factor, load(row + b), load(r + b)));
}

// One update of every atom listed; whether any of them moved. codes lie in s.dense.
template <class T>
LW_INLINE bool sweep(const LassoModel<T>& model, const LassoSignal<T>& signal, LassoScratch<T>& s) {
    bool moved = false;
    for (int64_t i = 0; i < s.size; ++i) {
        const int64_t j = s.atom[i];
        const T square = model.gram[j * model.ld + j];
        const T curvature = square + ridge_of(signal, j);
        if (!(curvature > T(0))) s.dense[j] = T(0);  // a zero atom
        if (!(curvature > T(0))) continue;
        const T target = s.r[j] + square * s.dense[j];
        const T code = soft_threshold(target, penalty_of(model, signal, j), model.nonnegative);
        const T change = code / curvature - s.dense[j];
        if (change == T(0)) continue;
        s.dense[j] += change;
        subtract_row(model, s.r, j, change);
        moved = true;
    }
    return moved;
}

// The atoms that are active or violate, in ascending order.
template <class T>
LW_INLINE void list_atoms(const LassoModel<T>& model, const LassoSignal<T>& signal,
                          LassoScratch<T>& s) {
    s.size = 0;
    for (int64_t j = 0; j < model.atoms; ++j) {
        const T size = model.nonnegative || s.r[j] > T(0) ? s.r[j] : -s.r[j];
        if (s.dense[j] == T(0) && !(size > penalty_of(model, signal, j))) continue;
        s.atom[s.size++] = static_cast<int32_t>(j);
    }
}

// From the dense codes to the pairs that are not zero, and back.
template <class T>
LW_INLINE void list_codes(const LassoModel<T>& model, LassoScratch<T>& s) {
    s.size = 0;
    for (int64_t j = 0; j < model.atoms; ++j) {
        if (s.dense[j] == T(0)) continue;
        s.atom[s.size] = static_cast<int32_t>(j);
        s.code[s.size++] = s.dense[j];
        s.dense[j] = T(0);  // refresh() works there
    }
}

template <class T>
LW_INLINE void spread_codes(LassoScratch<T>& s) {
    for (int64_t i = 0; i < s.size; ++i) s.dense[s.atom[i]] = s.code[i];
}

template <class T, bool general>
static void descend(const LassoModel<T>& model, const LassoSignal<T>& signal, LassoScratch<T>& s) {
    bool moved = true;
    for (int64_t pass = 1;; ++pass) {
        const T top = refresh<T, general>(model, signal, s);
        s.gap = relative_gap(model, signal, s, top);
        if (s.gap <= model.tolerance || !moved || s.iterations >= model.max_iterations) return;
        if (pass % 16 == 0 && stop_requested()) return;
        spread_codes(s);
        if (general)  // from here on r is without the ridge
            for (int64_t i = 0; i < s.size; ++i)
                s.r[s.atom[i]] += signal.ridge[s.atom[i]] * s.code[i];
        list_atoms(model, signal, s);
        moved = false;
        for (int i = 0; i < sweeps_per_pass && s.iterations < model.max_iterations; ++i) {
            ++s.iterations;
            if (!sweep(model, signal, s)) break;
            moved = true;
        }
        list_codes(model, s);
    }
}

template <class T>
void solve_coordinate_descent(const LassoModel<T>& model, const LassoSignal<T>& signal,
                              LassoScratch<T>& s) {
    if (signal.penalty)
        descend<T, true>(model, signal, s);
    else
        descend<T, false>(model, signal, s);
}

template void solve_coordinate_descent(const LassoModel<float>&, const LassoSignal<float>&,
                                       LassoScratch<float>&);
template void solve_coordinate_descent(const LassoModel<double>&, const LassoSignal<double>&,
                                       LassoScratch<double>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
