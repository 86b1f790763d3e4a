// Coordinate descent: any start, any number of non-zeros, dependent atoms. Include from *_cpu.cpp
// files only.
#pragma once

#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int sweeps_per_pass = 5;  // r is made afresh after so many: no rounding builds up

template <class T>
LW_INLINE T soft_threshold(T z, T penalty, bool nonnegative) {
    if (z > penalty) return z - penalty;
    return z < -penalty && !nonnegative ? z + penalty : T(0);
}

// One update of every atom listed; whether any of them moved. codes lie in s.dense.
template <class T, class Form>
LW_INLINE bool sweep(const Form& form, LassoScratch<T>& s) {
    bool moved = false;
    for (int64_t i = 0; i < s.size; ++i) {
        const int64_t j = s.atom[i];
        const T square = form.square(j), curvature = square + ridge_of(form.signal, j);
        if (!(curvature > T(0))) s.dense[j] = T(0);  // a zero atom
        if (!(curvature > T(0))) continue;
        const T target = form.left(s, j) + square * s.dense[j];
        const T penalty = penalty_of(form.model, form.signal, j);
        const T code = soft_threshold(target, penalty, form.model.nonnegative);
        const T change = code / curvature - s.dense[j];
        if (change == T(0)) continue;
        s.dense[j] += change;
        form.move(s, j, change);
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

template <class T, class Form>
static void solve_coordinate_descent(const Form& form, LassoScratch<T>& s) {
    const LassoModel<T>& model = form.model;
    bool moved = true;
    for (int64_t pass = 1;; ++pass) {
        const T top = form.refresh(s);
        s.gap = relative_gap(form, s, top);
        if (s.gap <= model.tolerance || s.gap <= gap_rounding(model, form.signal, s)) return;
        if (!moved || s.iterations >= model.max_iterations) return;
        if (pass % 16 == 0 && stop_requested()) return;
        spread_codes(s);
        form.open_sweeps(s);
        list_atoms(model, form.signal, s);
        moved = false;
        for (int i = 0; i < sweeps_per_pass && s.iterations < model.max_iterations; ++i) {
            ++s.iterations;
            if (!sweep(form, s)) break;
            moved = true;
        }
        list_codes(model, s);
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
