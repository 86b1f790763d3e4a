// The working set of lasso_path: some features, their Gram matrix, and coordinate descent on it.
// Include from *_cpu.cpp files only.
#pragma once

#include "core/parallel_tasks.h"
#include "lasso/lasso_columns.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int32_t not_active = -1, dependent = -2;

// Slots hold features. The inverse H belongs to the active slots, in the order of `active`.
struct WorkingSet {
    int64_t size, capacity;  // with a Gram matrix; without one there is a slot for every feature
    bool has_gram;
    int32_t* feature;
    double *code, *left, *target;  // w, X'(s e), X'(s y)
    double* penalty;
    double* change;
    double* product;
    double* gram;  // (capacity, ld)
    int64_t ld;
    double ridge;

    int64_t active_size, active_capacity;
    int32_t *active, *place;  // slot of an active place; place of a slot, or not_active, dependent
    double* inverse;          // (active_capacity, inverse_ld)
    int64_t inverse_ld;
    double inverse_ridge;
    double *u, *w;  // block_columns vectors of length inverse_ld
    bool nonnegative;
};

LW_INLINE double size_of(double x) { return x < 0 ? -x : x; }

LW_INLINE double soft_threshold(double z, double penalty, bool nonnegative) {
    if (z > penalty) return z - penalty;
    return z < -penalty && !nonnegative ? z + penalty : 0.0;
}

// y += factor x over n elements
LW_INLINE void add_scaled(double* y, const double* x, double factor, int64_t n) {
    const Vec<double> f = splat(factor);
    int64_t i = 0;
    for (; i + 4 * lanes<double> <= n; i += 4 * lanes<double>)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            double* at = y + i + v * lanes<double>;
            store(at, fma(f, load(x + i + v * lanes<double>), load(at)));
        }
    for (; i < n; ++i) y[i] += factor * x[i];
}

// One epoch of coordinate descent on the Gram matrix; whether anything moved.
static bool gram_epoch(WorkingSet& set) {
    bool moved = false;
    for (int64_t s = 0; s < set.size; ++s) {
        const double* row = set.gram + s * set.ld;
        const double square = row[s], curvature = square + set.ridge;
        if (!(curvature > 0)) continue;
        const double target = set.left[s] + square * set.code[s];
        const double code = soft_threshold(target, set.penalty[s], set.nonnegative) / curvature;
        const double change = code - set.code[s];
        if (change == 0) continue;
        set.code[s] = code;
        add_scaled(set.left, row, -change, set.size);
        moved = true;
    }
    return moved;
}

// The duality gap over the features of the set; `energy` is that of y.
static double set_gap(const WorkingSet& set, double energy) {
    double top = 1.0, gap = 0.0, rest = energy, penalties = 0.0;
    for (int64_t s = 0; s < set.size; ++s) {
        const double r = set.left[s] - set.ridge * set.code[s];
        const double size = set.nonnegative ? r : size_of(r);
        if (size > top * set.penalty[s]) top = size / set.penalty[s];
        rest -= set.code[s] * (set.target[s] + r);
    }
    const double kappa = 1.0 / top;
    for (int64_t s = 0; s < set.size; ++s) {
        const double r = set.left[s] - set.ridge * set.code[s];
        gap -= kappa * set.code[s] * r;
        if (set.code[s] != 0) penalties += set.penalty[s] * size_of(set.code[s]);
    }
    return gap + penalties + 0.5 * (1 - kappa) * (1 - kappa) * (rest > 0 ? rest : 0.0);
}

// Without a penalty: the largest correlation that is left, of columns scaled to norm 1.
static double set_correlation(const WorkingSet& set) {
    double top = 0;
    for (int64_t s = 0; s < set.size; ++s) {
        const double size = set.left[s] - set.ridge * set.code[s];
        const double norm = __builtin_sqrt(set.gram[s * set.ld + s]);
        const double own = set.nonnegative && set.code[s] == 0 ? size : size_of(size);
        if (own > top * norm) top = own / norm;
    }
    return top;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
