// Reading an operand, whatever its encoding. Include from *_cpu.cpp and
// *_cuda.cu files only.
#pragma once

#include "core/matrix.h"
#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
LW_INLINE Operand<T> dense_operand(const Matrix<const T>& x) {
    Operand<T> operand;
    operand.dense = x;
    return operand;
}

template <class T>
LW_INLINE Operand<T> dense_operand(const Matrix<T>& x) {
    return dense_operand<T>(Matrix<const T>{x.data, x.rows, x.cols, x.row_stride, x.col_stride});
}

template <class T>
LW_INLINE Operand<T> bits_operand(const BitMatrix<uint64_t>& x) {
    Operand<T> operand;
    operand.encoding = Encoding::bits;
    operand.bits = {x.words, x.rows, x.cols, x.row_stride};
    return operand;
}

template <class T>
LW_INLINE Matrix<T> transposed(const Matrix<T>& x) {
    return {x.data, x.cols, x.rows, x.col_stride, x.row_stride};
}

template <class T>
LW_INLINE int64_t operand_rows(const Operand<T>& x) {
    return x.encoding == Encoding::dense  ? x.dense.rows
           : x.encoding == Encoding::bits ? x.bits.rows
                                          : x.csr.rows;
}

template <class T>
LW_INLINE int64_t operand_cols(const Operand<T>& x) {
    return x.encoding == Encoding::dense  ? x.dense.cols
           : x.encoding == Encoding::bits ? x.bits.cols
                                          : x.csr.cols;
}

// The given rows of an operand.
template <class T>
LW_INLINE Operand<T> row_range(Operand<T> x, int64_t begin, int64_t rows) {
    if (x.encoding == Encoding::dense) x.dense.data += begin * x.dense.row_stride;
    if (x.encoding == Encoding::bits) x.bits.words += begin * x.bits.row_stride;
    if (x.encoding == Encoding::csr) x.csr.indptr += begin;
    x.dense.rows = x.bits.rows = x.csr.rows = rows;
    return x;
}

// First entry of a CSR row whose column is >= col.
template <class T>
LW_INLINE int64_t csr_lower_bound(const CsrMatrix<T>& x, int64_t row, int64_t col) {
    int64_t low = x.indptr[row], high = x.indptr[row + 1];
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (x.indices[middle] < col)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

template <class T>
LW_INLINE T csr_value(const CsrMatrix<T>& x, int64_t entry) {
    return x.values ? x.values[entry] : T(1);
}

// visit(j, value) for the stored elements of row i in columns [j0, j1), ascending.
template <class T, class Visit>
LW_INLINE void visit_csr(const CsrMatrix<T>& x, int64_t i, int64_t j0, int64_t j1, Visit&& visit) {
    for (int64_t e = csr_lower_bound(x, i, j0); e < x.indptr[i + 1] && x.indices[e] < j1; ++e)
        visit(x.indices[e], csr_value(x, e));
}

LW_INLINE bool bit_at(const BitMatrix<const uint64_t>& x, int64_t row, int64_t col) {
    return (x.words[row * x.row_stride + col / 64] >> (col % 64)) & 1;
}

// Element (i, j) of an operand.
template <class T>
LW_INLINE T element(const Operand<T>& x, int64_t i, int64_t j) {
    if (x.encoding == Encoding::dense)
        return x.dense.data[i * x.dense.row_stride + j * x.dense.col_stride];
    if (x.encoding == Encoding::bits) return bit_at(x.bits, i, j) ? T(1) : T(0);
    const int64_t e = csr_lower_bound(x.csr, i, j);
    return e < x.csr.indptr[i + 1] && x.csr.indices[e] == j ? csr_value(x.csr, e) : T(0);
}

#ifndef __CUDACC__
// The lowest bits of word as zeros and ones, one a lane.
template <class T>
LW_INLINE Vec<T> bit_lanes(uint64_t word) {
    using Word = typename IntOf<T>::Unsigned;
    UintVec<T> lane;
    for (int64_t j = 0; j < lanes<T>; ++j) lane[j] = Word(1) << j;
    const IntVec<T> on = (splat(static_cast<Word>(word)) & lane) != UintVec<T>{};
    return select<T>(on, splat<T>(T(1)), Vec<T>{});
}

// The lowest `width`.
template <class T>
LW_INLINE void expand_bits(uint64_t word, int64_t width, T* out) {
    for (int64_t j = 0; j < width; j += lanes<T>) store(out + j, bit_lanes<T>(word >> j));
}
#endif

}  // namespace layerwise::LW_ISA_NAMESPACE
