// What lasso_path keeps: the problem's own vectors and what it knows of every feature. Include from
// *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_path.h"
#include "lasso/lasso_support.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t most_in_set = 4096, most_active_codes = 2048;
constexpr int64_t features_a_task = 64, rows_a_task = 512;

// A problem of lasso_path. All that has a known size lies in the workspace.
template <class T>
struct PathState {
    Columns<T> x;
    T* copy;  // of a dense X without contiguous columns
    // (N,): y centred, y - X w - b, the same times s, the residual of the last pass, s (or null)
    double *y, *e, *v, *last, *s;
    // (P,): means, ||x_j||, X' s y, correlations and the way at which they were computed, weights
    double *mean, *norm, *target, *correlation, *at, *weight;
    int32_t *slot, *list;  // (P,): where a feature is in the set, or -1; candidates
    double* value;         // (P,)
    double* block;         // block_columns columns
    WorkingSet set;
    double total, energy, y_mean;  // sum s, sum s y^2 (centred), mean
    double way;                    // that the residual has gone, in the norm of s
    double offset;                 // without a Gram matrix: v is s (e + offset)
    bool finite;
};

struct PathTaker {
    char* base;
    size_t at;
};
template <class U>
LW_INLINE U* take(PathTaker& taker, int64_t elements) {
    U* start = reinterpret_cast<U*>(taker.base + taker.at);
    taker.at += (static_cast<size_t>(elements) * sizeof(U) + 63) / 64 * 64;
    return start;
}

// Places the state in the workspace (null to learn its size).
template <class T>
static size_t place_state(PathState<T>& p, const LassoPathShape& shape, void* workspace) {
    const int64_t n = shape.samples, f = shape.features, line = 8;
    PathTaker taker{static_cast<char*>(workspace), 0};
    WorkingSet& set = p.set;
    double** const of_samples[] = {&p.y, &p.e, &p.v, &p.last, &p.s};
    double** const of_features[] = {&p.mean,   &p.norm,     &p.target,    &p.correlation,
                                    &p.at,     &p.weight,   &p.value,     &set.code,
                                    &set.left, &set.target, &set.penalty, &set.change};
    int32_t** const indices[] = {&p.slot, &p.list, &set.feature, &set.active, &set.place};
    for (double** vector : of_samples) *vector = take<double>(taker, n);
    for (double** vector : of_features) *vector = take<double>(taker, f);
    for (int32_t** vector : indices) *vector = take<int32_t>(taker, f);
    p.block = take<double>(taker, block_columns * n);
    set.capacity = min_of(f, most_in_set);
    set.active_capacity = min_of(min_of(f, n), most_active_codes);
    set.ld = round_up(set.capacity, line) + line;
    set.inverse_ld = round_up(max_of(set.active_capacity, set.capacity), line) + line;
    set.product = take<double>(taker, set.inverse_ld * block_columns);
    set.u = take<double>(taker, set.inverse_ld * block_columns);
    set.w = take<double>(taker, set.inverse_ld * block_columns);
    set.gram = take<double>(taker, set.capacity * set.ld);
    set.inverse = take<double>(taker, set.active_capacity * set.inverse_ld);
    p.copy = shape.copied ? take<T>(taker, n * f) : nullptr;
    return taker.at;
}

// Columns as runs of elements, in tiles that fit the cache.
template <class T>
static Status copy_columns(const Target& target, const Matrix<const T>& columns, T* copy) {
    constexpr int64_t side = 32;
    const int64_t n = columns.cols, f = columns.rows;
    return parallel(target, ceil_div(f, side), static_cast<double>(side * n),
                    [&](int64_t task, int) {
                        const int64_t first = task * side, end = min_of(f, first + side);
                        for (int64_t i = 0; i < n; i += side)
                            for (int64_t j = first; j < end; ++j) {
                                const T* from = columns.data + j * columns.row_stride;
                                const int64_t stop = min_of(n, i + side);
                                for (int64_t r = i; r < stop; ++r)
                                    copy[j * n + r] = from[r * columns.col_stride];
                            }
                    });
}

// Means, norms and correlations with y, from one pass over X.
template <class T>
static void measure_column(PathState<T>& p, int64_t j, bool intercept) {
    const Columns<T>& x = p.x;
    double sum = 0, square = 0, product = 0;
    const auto add = [&](double value, int64_t i) {
        const double weighted = p.s ? p.s[i] * value : value;
        sum += weighted;
        square += weighted * value;
    };
    if (x.dense) {
        const T* column = x.dense + j * x.stride;
        Vec<double> total[2] = {}, squares[2] = {}, products[2] = {};
        int64_t i = 0;
        for (; i + 2 * lanes<double> <= x.length; i += 2 * lanes<double>)
            for (int c = 0; c < 2; ++c) {
                const int64_t at = i + c * lanes<double>;
                const Vec<double> value = load_wide(column + at);
                const Vec<double> weighted = p.s ? value * load(p.s + at) : value;
                total[c] += weighted;
                squares[c] = fma(weighted, value, squares[c]);
                products[c] = fma(value, load(p.v + at), products[c]);
            }
        for (; i < x.length; ++i) {
            add(static_cast<double>(column[i]), i);
            product += static_cast<double>(column[i]) * p.v[i];
        }
        sum += sum_lanes<double>(total[0] + total[1]);
        square += sum_lanes<double>(squares[0] + squares[1]);
        product += sum_lanes<double>(products[0] + products[1]);
    } else {
        for (int64_t e = x.sparse.indptr[j]; e < x.sparse.indptr[j + 1]; ++e)
            add(static_cast<double>(csr_value(x.sparse, e)), x.sparse.indices[e]);
        product = sparse_dot(x.sparse, j, p.v);
    }
    const double raw = square;
    p.mean[j] = intercept && p.total > 0 ? sum / p.total : 0.0;
    square -= p.total * p.mean[j] * p.mean[j];
    // What rounding leaves of a constant column is no column; infinity and NaN stay.
    p.norm[j] = square <= 1e-13 * raw ? 0.0 : __builtin_sqrt(square);
    p.target[j] = p.correlation[j] = p.norm[j] == 0 ? 0.0 : product;
    p.at[j] = 0;
}

// y centred and its energy; what is known of the features at w = 0.
template <class T>
static Status start_state(const Target& target, PathState<T>& p, const LassoPathArgs<T>& args) {
    const int64_t n = p.x.length, f = p.x.count;
    if (!args.sample_weights.data) p.s = nullptr;
    p.total = p.s ? 0 : static_cast<double>(n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (p.s)
            p.s[i] = static_cast<double>(args.sample_weights.data[i * args.sample_weights.stride]);
        if (p.s) p.total += p.s[i];
        p.y[i] = static_cast<double>(args.y.data[i * args.y.stride]);
        sum += p.s ? p.s[i] * p.y[i] : p.y[i];
    }
    p.y_mean = args.intercept && p.total > 0 ? sum / p.total : 0.0;
    p.energy = 0;
    for (int64_t i = 0; i < n; ++i) {
        p.e[i] = p.last[i] = p.y[i] -= p.y_mean;
        p.v[i] = p.s ? p.s[i] * p.y[i] : p.y[i];
        p.energy += p.y[i] * p.v[i];
    }
    p.way = p.offset = 0;
    p.set.size = p.set.active_size = 0;
    p.set.has_gram = true;
    p.set.inverse_ridge = p.set.ridge = 0;
    p.set.nonnegative = args.nonnegative;
    const Status status =
        parallel(target, ceil_div(f, features_a_task),
                 4.0 * features_a_task * static_cast<double>(n), [&](int64_t task, int) {
                     const int64_t first = task * features_a_task;
                     for (int64_t j = first; j < min_of(f, first + features_a_task); ++j)
                         measure_column(p, j, args.intercept);
                 });
    p.finite = p.energy - p.energy == 0;
    for (int64_t j = 0; j < f; ++j) {
        p.finite = p.finite && p.norm[j] - p.norm[j] == 0 && p.target[j] - p.target[j] == 0;
        p.weight[j] = args.weights.data
                          ? static_cast<double>(args.weights.data[j * args.weights.stride])
                          : 1.0;
        p.slot[j] = -1;
    }
    return status;
}

// e = y - X w and v = s e afresh, and how far that is from the last pass.
template <class T>
static Status refresh_residual(const Target& target, PathState<T>& p) {
    const int64_t n = p.x.length;
    double* e = p.e;
    int64_t used = 0;
    double offset = 0;
    for (int64_t s = 0; s < p.set.size; ++s) {
        if (p.set.code[s] == 0) continue;
        p.list[used] = p.set.feature[s];
        p.value[used++] = -p.set.code[s];
        offset += p.set.code[s] * p.mean[p.set.feature[s]];
    }
    Status status = Status::ok;
    if (p.x.dense) {
        status = parallel(
            target, ceil_div(n, rows_a_task), 2.0 * rows_a_task * static_cast<double>(used + 1),
            [&](int64_t task, int) {
                const int64_t first = task * rows_a_task, rows = min_of(rows_a_task, n - first);
                for (int64_t i = first; i < first + rows; ++i) e[i] = p.y[i] + offset;
                Columns<T> part = p.x;
                part.dense += first;
                part.length = rows;
                for (int64_t k = 0; k < used; ++k)
                    add_column(part, p.list[k], p.value[k], e + first);
            });
    } else {
        for (int64_t i = 0; i < n; ++i) e[i] = p.y[i] + offset;
        for (int64_t k = 0; k < used; ++k) add_column(p.x, p.list[k], p.value[k], e);
    }
    double square = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double s = p.s ? p.s[i] : 1.0, moved = e[i] - p.last[i];
        square += s * moved * moved;
        p.v[i] = s * e[i];
        p.last[i] = e[i];
    }
    // A little more than it has gone, for what rounding does to correlations.
    p.way += __builtin_sqrt(square) * (1 + 1e-6) + 1e-13 * __builtin_sqrt(p.energy);
    p.offset = 0;
    return status;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
