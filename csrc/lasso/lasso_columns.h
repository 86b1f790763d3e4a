// The columns of a design matrix, dense or sparse, and their products with vectors of float64.
// Include from *_cpu.cpp files only.
#pragma once

#include "core/matrix.h"
#include "core/operand.h"
#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Vectors that a block of columns is multiplied by at once.
constexpr int block_columns = 8;

template <class T>
struct Columns {
    const T* dense;  // column j at dense + j * stride, its elements contiguous; or null
    int64_t stride;
    CsrMatrix<T> sparse;  // row j is column j
    int64_t length, count;
};

LW_INLINE Vec<double> load_wide(const double* p) { return load(p); }
LW_INLINE Vec<double> load_wide(const float* p) {
    HalfVec<float> v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, Vec<double>);
}
template <class T>
LW_INLINE Vec<double> load_wide_n(const T* p, int64_t n) {
    Vec<double> v = {};
    for (int64_t i = 0; i < n; ++i) v[i] = static_cast<double>(p[i]);
    return v;
}

// out[r * vectors + k] = row_r . v_k. One vector has two chains a sum, several have one: enough
// independent chains either way.
template <class T, int rows, int vectors>
static void dot_tile(const T* const* row, const double* const* v, int64_t n, double* out) {
    constexpr int chains = vectors == 1 ? 2 : 1;
    constexpr int64_t width = lanes<double>;
    Vec<double> sum[chains][rows][vectors] = {};
    int64_t i = 0;
    for (; i + chains * width <= n; i += chains * width)
#pragma GCC unroll 2
        for (int c = 0; c < chains; ++c) {
            Vec<double> right[vectors];
#pragma GCC unroll 4
            for (int k = 0; k < vectors; ++k) right[k] = load(v[k] + i + c * width);
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) {
                const Vec<double> left = load_wide(row[r] + i + c * width);
#pragma GCC unroll 4
                for (int k = 0; k < vectors; ++k) sum[c][r][k] = fma(left, right[k], sum[c][r][k]);
            }
        }
    for (; i < n; i += width)
        for (int r = 0; r < rows; ++r) {
            const int64_t rest = min_of(n - i, width);
            const Vec<double> left = load_wide_n(row[r] + i, rest);
            for (int k = 0; k < vectors; ++k)
                sum[0][r][k] = fma(left, load_n(v[k] + i, rest), sum[0][r][k]);
        }
    for (int r = 0; r < rows; ++r)
        for (int k = 0; k < vectors; ++k) {
            Vec<double> total = sum[0][r][k];
            for (int c = 1; c < chains; ++c) total += sum[c][r][k];
            out[r * vectors + k] = sum_lanes<double>(total);
        }
}

template <class T, int vectors>
static void dot_rows(const T* const* row, int64_t rows, const double* const* v, int64_t n,
                     double* out) {
    constexpr int tall = vectors == 1 ? 4 : 3;
    int64_t r = 0;
    for (; r + tall <= rows; r += tall)
        dot_tile<T, tall, vectors>(row + r, v, n, out + r * vectors);
    for (; r < rows; ++r) dot_tile<T, 1, vectors>(row + r, v, n, out + r * vectors);
}

template <class T>
LW_INLINE double sparse_dot(const CsrMatrix<T>& x, int64_t j, const double* v) {
    double sum[4] = {};
    int64_t e = x.indptr[j];
    const int64_t end = x.indptr[j + 1];
    for (; e + 4 <= end; e += 4)
        for (int c = 0; c < 4; ++c)
            sum[c] += static_cast<double>(csr_value(x, e + c)) * v[x.indices[e + c]];
    for (; e < end; ++e) sum[0] += static_cast<double>(csr_value(x, e)) * v[x.indices[e]];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// out[r] = column index[r] . v
template <class T>
static void multiply_columns(const Columns<T>& x, const int32_t* index, int64_t count,
                             const double* v, double* out) {
    if (!x.dense) {
        for (int64_t r = 0; r < count; ++r) out[r] = sparse_dot(x.sparse, index[r], v);
        return;
    }
    const T* row[4];
    for (int64_t first = 0; first < count; first += 4) {
        const int64_t rows = min_of(4, count - first);
        for (int64_t r = 0; r < rows; ++r) row[r] = x.dense + index[first + r] * x.stride;
        dot_rows<T, 1>(row, rows, &v, x.length, out + first);
    }
}

// y += scale column j
template <class T>
LW_INLINE void add_column(const Columns<T>& x, int64_t j, double scale, double* y) {
    if (!x.dense) {
        for (int64_t e = x.sparse.indptr[j]; e < x.sparse.indptr[j + 1]; ++e)
            y[x.sparse.indices[e]] += scale * static_cast<double>(csr_value(x.sparse, e));
        return;
    }
    const T* column = x.dense + j * x.stride;
    const Vec<double> factor = splat(scale);
    int64_t i = 0;
    for (; i + lanes<double> <= x.length; i += lanes<double>)
        store(y + i, fma(factor, load_wide(column + i), load(y + i)));
    for (; i < x.length; ++i) y[i] += scale * static_cast<double>(column[i]);
}

// Up to block_columns columns, centred and weighted, as vectors to multiply others by: one after
// the other for a dense matrix, interleaved for a sparse one, whose elements then meet all at once.
template <class T>
static void make_block(const Columns<T>& x, const int32_t* index, int64_t count, const double* mean,
                       const double* sample_weight, double* block) {
    const int64_t n = x.length;
    const int64_t step = x.dense ? 1 : block_columns, ahead = x.dense ? n : 1;
    for (int64_t k = 0; k < block_columns; ++k) {
        double* column = block + k * ahead;
        const double centre = k < count ? -mean[index[k]] : 0.0;
        for (int64_t i = 0; i < n; ++i) column[i * step] = centre;
        if (k < count) {
            if (x.dense) {
                add_column(x, index[k], 1.0, column);
            } else {
                for (int64_t e = x.sparse.indptr[index[k]]; e < x.sparse.indptr[index[k] + 1]; ++e)
                    column[x.sparse.indices[e] * step] +=
                        static_cast<double>(csr_value(x.sparse, e));
            }
        }
        if (sample_weight)
            for (int64_t i = 0; i < n; ++i) column[i * step] *= sample_weight[i];
    }
}

// out[r * block_columns + k] = column index[r] . block_k
template <class T>
static void multiply_block(const Columns<T>& x, const int32_t* index, int64_t count,
                           const double* block, double* out) {
    if (x.dense) {
        const double* v[block_columns];
        for (int k = 0; k < block_columns; ++k) v[k] = block + k * x.length;
        for (int64_t first = 0; first < count; first += 3) {
            const int64_t rows = min_of(3, count - first);
            const T* row[3];
            for (int64_t r = 0; r < rows; ++r) row[r] = x.dense + index[first + r] * x.stride;
            for (int half = 0; half < block_columns; half += 4) {
                double part[3 * 4];
                dot_rows<T, 4>(row, rows, v + half, x.length, part);
                for (int64_t r = 0; r < rows; ++r)
                    for (int k = 0; k < 4; ++k)
                        out[(first + r) * block_columns + half + k] = part[r * 4 + k];
            }
        }
        return;
    }
    constexpr int vectors = block_columns / lanes<double>;
    for (int64_t r = 0; r < count; ++r) {
        Vec<double> sum[vectors] = {};
        for (int64_t e = x.sparse.indptr[index[r]]; e < x.sparse.indptr[index[r] + 1]; ++e) {
            const Vec<double> value = splat(static_cast<double>(csr_value(x.sparse, e)));
            const double* row = block + static_cast<int64_t>(x.sparse.indices[e]) * block_columns;
            for (int k = 0; k < vectors; ++k)
                sum[k] = fma(value, load(row + k * lanes<double>), sum[k]);
        }
        for (int k = 0; k < vectors; ++k)
            store(out + r * block_columns + k * lanes<double>, sum[k]);
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
