// What gibbs_energy.h leaves to the device, on the CPU.
#pragma once

#include "core/parallel_tasks.h"
#include "gibbs/gibbs_energy.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Sum of n contiguous values: lane sums over ascending steps, then a tree over the lanes.
template <class T>
LW_INLINE T row_sum(const T* x, int64_t n) {
    Vec<T> sum = {};
    int64_t j = 0;
    for (; j + lanes<T> <= n; j += lanes<T>) sum += load(x + j);
    if (j < n) sum += load_n(x + j, n - j);
    return sum_lanes<T>(sum);
}

template <class T>
static Status subtract_row_sums(const T* units, int64_t hidden, const Vector<T>& out,
                                const Target& target) {
    return parallel(target, out.size, static_cast<double>(hidden), [&](int64_t r, int) {
        out.data[r * out.stride] -= row_sum(units + r * hidden, hidden);
    });
}

constexpr int64_t pseudo_block_rows = 16;  // rows that share a pass over the tables

template <class T>
static Status make_tables(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Target& target) {
    const int64_t hidden = args.w.rows;
    const double cost = 40.0 * static_cast<double>(hidden);
    return parallel(target, args.w.cols, cost, [&](int64_t i, int) {
        T largest = 0;
        T* w = tables.weights + i * hidden;
        for (int64_t j = 0; j < hidden; ++j) {
            w[j] = args.w.data[j * args.w.row_stride + i * args.w.col_stride];
            const T size = w[j] < 0 ? -w[j] : w[j];
            largest = size <= largest ? largest : size;  // NaN ends here, on the softplus path
        }
        tables.largest[i] = largest;
        for (int64_t j = 0; j < hidden; j += lanes<T>) {
            const int64_t n = min_of(lanes<T>, hidden - j);
            const Vec<T> x = load_n(w + j, n);
            store_n(tables.up + i * hidden + j, expm1<T>(x), n);
            store_n(tables.down + i * hidden + j, expm1<T>(-x), n);
        }
    });
}

// log of the product over j of 1 + s_j e_j. Each lane multiplies `run` factors before it takes a
// log.
template <class T>
LW_INLINE T log_product(const T* s, const T* e, int64_t n, int64_t run) {
    Vec<T> sum = {};
    const Vec<T> one = splat<T>(T(1));
    for (int64_t j = 0; j < n;) {
        Vec<T> product = one;
        const int64_t end = min_of(n, j + run * lanes<T>);
        for (; j + lanes<T> <= end; j += lanes<T>) product *= fma(load(s + j), load(e + j), one);
        if (j < end) {
            product *= fma(load_n(s + j, end - j), load_n(e + j, end - j), one);
            j = end;
        }
        sum += log<T>(product);
    }
    return sum_lanes<T>(sum);
}

// sum_j softplus(x_j + d w_j) - softplus(x_j), any d.
template <class T>
LW_INLINE T softplus_change(const T* x, const T* w, T d, int64_t n) {
    Vec<T> sum = {};
    for (int64_t j = 0; j < n; j += lanes<T>) {
        const int64_t m = min_of(lanes<T>, n - j);
        const Vec<T> before = load_n(x + j, m), change = load_n(w + j, m) * d;
        sum += softplus<T>(before + change) - softplus<T>(before);  // the lanes past m change by 0
    }
    return sum_lanes<T>(sum);
}

// Rows [r0, r0 + rows) of the chunk; x and s are the chunk's hidden inputs and their sigmoids.
template <class T>
static void pseudo_block(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                         const Operand<T>& v, int64_t r0, int64_t rows, const T* x, const T* s,
                         T* out, int64_t out_stride) {
    const int64_t hidden = args.w.rows, visible = args.w.cols;
    double total[pseudo_block_rows] = {};
    alignas(64) T margin[lanes<T>] = {};
    for (int64_t i = 0; i < visible; ++i) {
        const T largest = tables.largest[i], b = args.b.data[i * args.b.stride];
        const bool bounded = largest < T(pseudo_max_weight);
        const int64_t run = bounded ? factors_a_log(largest) : 1;
        for (int64_t r = 0; r < rows; ++r) {
            const T d = T(1) - 2 * element(v, r0 + r, i);
            const int64_t row = (r0 + r) * hidden;
            T change;
            if (bounded && (d == T(1) || d == T(-1)))
                change = log_product(s + row, (d > 0 ? tables.up : tables.down) + i * hidden,
                                     hidden, run);
            else
                change = softplus_change(x + row, tables.weights + i * hidden, d, hidden);
            margin[0] = b * d + change;  // log sigm(F' - F) = -softplus(F - F')
            total[r] -= static_cast<double>(softplus<T>(load(margin))[0]);
        }
    }
    for (int64_t r = 0; r < rows; ++r) out[(r0 + r) * out_stride] = static_cast<T>(total[r]);
}

template <class T>
static Status pseudo_rows(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Operand<T>& v, const T* x, T* s, const Vector<T>& out,
                          const Target& target) {
    const int64_t hidden = args.w.rows, block = pseudo_block_rows;
    const double cost = 3.0 * block * static_cast<double>(hidden * args.w.cols);
    return parallel(target, ceil_div(out.size, block), cost, [&](int64_t task, int) {
        const int64_t r0 = task * block, n = min_of(block, out.size - r0);
        for (int64_t j = r0 * hidden; j < (r0 + n) * hidden; j += lanes<T>) {
            const int64_t m = min_of(lanes<T>, (r0 + n) * hidden - j);
            store_n(s + j, sigmoid<T>(load_n(x + j, m)), m);
        }
        pseudo_block(args, tables, v, r0, n, x, s, out.data, out.stride);
    });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
