// What a row says: its square norm, its entries, which of them are there; atoms in float64. Include
// from *_cpu.cpp files only.
#pragma once

#include "core/operand.h"
#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

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

// ||x_i||^2: element k goes to chain k % 32, so that zeros, listed or not, change no bit of it.
template <class T>
LW_INLINE T energy_of(const Operand<T>& x, int64_t i) {
    constexpr int64_t chains = 32, vectors = chains / lanes<T>;
    Vec<T> sum[vectors] = {};
    if (x.encoding == Encoding::dense && x.dense.col_stride == 1) {
        const T* row = x.dense.data + i * x.dense.row_stride;
        int64_t left = x.dense.cols;
        for (; left >= chains; left -= chains, row += chains)
            for (int64_t v = 0; v < vectors; ++v) {
                const Vec<T> value = load(row + v * lanes<T>);
                sum[v] = fma(value, value, sum[v]);
            }
        for (int64_t v = 0; v < vectors && left > 0; ++v, left -= lanes<T>, row += lanes<T>) {
            const Vec<T> value = load_n(row, min_of(lanes<T>, left));
            sum[v] = fma(value, value, sum[v]);
        }
    } else {
        T chain[chains] = {};
        for_each_entry(x, i, [&](int64_t k, T value) {
            chain[k % chains] = fma(splat(value), splat(value), splat(chain[k % chains]))[0];
        });
        for (int64_t v = 0; v < vectors; ++v) sum[v] = load(chain + v * lanes<T>);
    }
    for (int64_t half = vectors / 2; half > 0; half /= 2)
        for (int64_t v = 0; v < half; ++v) sum[v] += sum[v + half];
    return sum_lanes<T>(sum[0]);
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
