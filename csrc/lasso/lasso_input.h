// What a row says: its square norm, its entries, which of them are there; atoms in float64. Include
// from *_cpu.cpp files only.
#pragma once

#include "core/operand.h"
#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

// ||x_i||^2: element k goes to chain k % 32, so that zeros, listed or not, change no bit of it.
template <class T>
LW_INLINE T energy_of(const Operand<T>& x, int64_t i) {
    constexpr int64_t chains = 32, vectors = chains / lanes<T>;
    T sum[chains] = {};
    Vec<T> total[vectors] = {};
    const auto add = [&](int64_t k, T value) {
        sum[k % chains] = fma(splat(value), splat(value), splat(sum[k % chains]))[0];
    };
    int64_t at = 0;  // features before it are in `total`
    if (x.encoding == Encoding::csr) {
        for (int64_t e = x.csr.indptr[i]; e < x.csr.indptr[i + 1]; ++e)
            add(x.csr.indices[e], csr_value(x.csr, e));
    } else if (x.encoding == Encoding::bits) {
        for (int64_t k = 0; k < x.bits.cols; ++k) sum[k % chains] += bit_at(x.bits, i, k) ? 1 : 0;
    } else {
        const T* row = x.dense.data + i * x.dense.row_stride;
        const int64_t cols = x.dense.cols, stride = x.dense.col_stride;
        for (; stride == 1 && at + chains <= cols; at += chains)
            for (int64_t v = 0; v < vectors; ++v) {
                const Vec<T> value = load(row + at + v * lanes<T>);
                total[v] = fma(value, value, total[v]);
            }
        if (at < cols)
            for (int64_t v = 0; v < vectors; ++v) store(sum + v * lanes<T>, total[v]);
        for (int64_t k = at; k < cols; ++k) add(k, row[k * stride]);
        if (at < cols) at = 0;
    }
    if (at == 0)
        for (int64_t v = 0; v < vectors; ++v) total[v] = load(sum + v * lanes<T>);
    for (int64_t half = vectors / 2; half > 0; half /= 2)
        for (int64_t v = 0; v < half; ++v) total[v] += total[v + half];
    return sum_lanes<T>(total[0]);
}

template <class T>
constexpr T max_finite = sizeof(T) == 4 ? T(__FLT_MAX__) : T(__DBL_MAX__);

template <class T>
LW_INLINE bool is_finite(T x) {
    return x - x == T(0);
}

template <class T>
LW_INLINE T dense_entry(const Operand<T>& x, int64_t i, int64_t k) {
    return x.dense.data[i * x.dense.row_stride + k * x.dense.col_stride];
}

// visit(j, value) for what row i lists, or holds where it is dense.
template <class T, class Visit>
LW_INLINE void for_each_entry(const Operand<T>& x, int64_t i, Visit visit) {
    if (x.encoding == Encoding::csr) {
        for (int64_t e = x.csr.indptr[i]; e < x.csr.indptr[i + 1]; ++e)
            visit(x.csr.indices[e], csr_value(x.csr, e));
    } else if (x.encoding == Encoding::bits) {
        for (int64_t j = 0; j < x.bits.cols; ++j) visit(j, T(bit_at(x.bits, i, j)));
    } else if (x.dense.col_stride == 1) {
        const T* row = x.dense.data + i * x.dense.row_stride;
        for (int64_t j = 0; j < x.dense.cols; ++j) visit(j, row[j]);
    } else {
        for (int64_t j = 0; j < x.dense.cols; ++j) visit(j, dense_entry(x, i, j));
    }
}

// The features that row i of dense x is not missing, ascending; how many.
template <class T>
LW_INLINE int64_t list_observed(const LassoArgs<T>& args, int64_t i, int64_t* features) {
    const Matrix<const uint8_t>& missing = args.missing;
    int64_t count = 0;
    for (int64_t k = 0; k < args.x.dense.cols; ++k) {
        const T value = dense_entry(args.x, i, k);
        if (args.nan_missing && value != value) continue;
        if (missing.data && missing.data[i * missing.row_stride + k * missing.col_stride]) continue;
        features[count++] = k;
    }
    return count;
}

// Atoms over `count` features, feature(e) being the e-th, with zeros up to `rows` atoms and a whole
// number of vectors.
template <class T, class Feature>
LW_INLINE void copy_atoms(const Matrix<const T>& phi, int64_t rows, int64_t count, Feature feature,
                          double* out) {
    const int64_t width = round_up(count, lanes<double>);
    for (int64_t j = 0; j < rows; ++j, out += width) {
        const int64_t inside = j < phi.rows ? count : 0;
        const T* row = phi.data + j * phi.row_stride;
        for (int64_t e = 0; e < inside; ++e) out[e] = row[feature(e) * phi.col_stride];
        for (int64_t e = inside; e < width; ++e) out[e] = 0;
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
