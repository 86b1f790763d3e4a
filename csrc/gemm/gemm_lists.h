// Sparse matrices as lists of their non-zeros, in the order that sparse_tile reads them.
#pragma once

#include "core/operand.h"
#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A line is a row of A or a column of B. Its k is cut into chunks; the non-zeros of line r's chunk
// c are entries [start[r * chunks + c], start[r * chunks + c + 1]), ascending in k.
template <class T>
struct Lists {
    int64_t lines = 0, chunks = 0;
    int64_t* start = nullptr;
    int32_t* indices = nullptr;  // k
    T* values = nullptr;         // null: all ones
};

LW_INLINE int64_t list_chunks(int64_t k) { return ceil_div(k, sparse_depth); }

LW_INLINE int64_t start_bytes(int64_t lines, int64_t chunks) { return (lines * chunks + 1) * 8; }

template <class T>
LW_INLINE int64_t entry_bytes(int64_t count) {
    return count * static_cast<int64_t>(sizeof(T) + 4);
}

// Entries [first, ...) of an array of `capacity` are the lists' own.
template <class T>
LW_INLINE void place_entries(Lists<T>& lists, void* memory, int64_t capacity, int64_t first) {
    T* values = static_cast<T*>(memory);
    lists.indices = reinterpret_cast<int32_t*>(values + capacity) + first;
    lists.values = values + first;
}

// Are the elements of a row next to each other?
template <class T>
LW_INLINE bool has_dense_rows(const Operand<T>& x) {
    return x.encoding != Encoding::dense || x.dense.col_stride == 1 || x.dense.rows == 0;
}

// Bit b: element (i, j + b) of a dense or packed matrix is not zero, for j + b < end <= j + 64; j
// is a multiple of 64. NaN is not zero.
template <class T>
LW_INLINE uint64_t nonzero_bits(const Operand<T>& x, int64_t i, int64_t j, int64_t end) {
    if (x.encoding == Encoding::bits) {
        const uint64_t word = x.bits.words[i * x.bits.row_stride + j / 64];
        return end - j == 64 ? word : word & ((uint64_t(1) << (end - j)) - 1);
    }
    const T* p = x.dense.data + i * x.dense.row_stride + j;
    uint64_t bits = 0;
    for (int64_t b = 0; b < end - j; b += lanes<T>) {
        const int64_t n = min_of(lanes<T>, end - j - b);
        const Vec<T> v = n == lanes<T> ? load(p + b) : load_n(p + b, n);
        bits |= movemask<T>(v != Vec<T>{}) << b;
    }
    return bits;
}

// Non-zeros of rows [i0, i0 + rows); stops counting once there are more than limit.
template <class T>
static int64_t count_nonzeros(const Operand<T>& x, int64_t i0, int64_t rows, int64_t limit) {
    if (x.encoding == Encoding::csr) return x.csr.indptr[i0 + rows] - x.csr.indptr[i0];
    const int64_t cols = operand_cols(x);
    int64_t count = 0;
    for (int64_t i = i0; i < i0 + rows && count <= limit; ++i)
        for (int64_t j = 0; j < cols; j += 64)
            count += __builtin_popcountll(nonzero_bits(x, i, j, min_of(j + 64, cols)));
    return count;
}

// visit(j, value) for the non-zeros of row i in columns [j0, j1), ascending; j0 a multiple of 64.
template <class T, class Visit>
LW_INLINE void visit_nonzeros(const Operand<T>& x, int64_t i, int64_t j0, int64_t j1,
                              Visit&& visit) {
    if (x.encoding == Encoding::csr) {
        for (int64_t e = csr_lower_bound(x.csr, i, j0);
             e < x.csr.indptr[i + 1] && x.csr.indices[e] < j1; ++e)
            visit(x.csr.indices[e], csr_value(x.csr, e));
        return;
    }
    const T* row = x.encoding == Encoding::dense ? x.dense.data + i * x.dense.row_stride : nullptr;
    for (int64_t j = j0; j < j1; j += 64)
        for (uint64_t bits = nonzero_bits(x, i, j, min_of(j + 64, j1)); bits; bits &= bits - 1) {
            const int64_t at = j + __builtin_ctzll(bits);
            visit(at, row ? row[at] : T(1));
        }
}

// Fills the lists with rows [i0, i0 + lines) of x.
template <class T>
static void list_rows(const Operand<T>& x, int64_t i0, Lists<T>& lists) {
    const int64_t cols = operand_cols(x);
    T* const values = x.encoding == Encoding::bits ? nullptr : lists.values;
    int64_t* start = lists.start;
    int64_t n = 0;
    bool ones = true;
    for (int64_t i = i0; i < i0 + lists.lines; ++i) {
        for (int64_t k = 0; k < cols; k += sparse_depth) {
            *start++ = n;
            visit_nonzeros(x, i, k, min_of(k + sparse_depth, cols), [&](int64_t j, T value) {
                if (values) values[n] = value, ones &= value == T(1);
                lists.indices[n++] = static_cast<int32_t>(j);
            });
        }
    }
    *start = n;
    if (ones) lists.values = nullptr;
}

// visit(chunk, k, column - j0, value) for the non-zeros of columns [j0, j1) of [x; tail], ascending
// in k.
template <class T, class Visit>
LW_INLINE void visit_columns(const Operand<T>& x, const Operand<T>& tail, int64_t j0, int64_t j1,
                             Visit&& visit) {
    const int64_t rows[] = {operand_rows(x), operand_rows(tail)};
    int64_t first_chunk = 0, first_k = 0;
    for (int part = 0; part < 2; ++part) {
        for (int64_t i = 0; i < rows[part]; ++i)
            visit_nonzeros(part ? tail : x, i, j0, j1, [&](int64_t j, T value) {
                visit(first_chunk + i / sparse_depth, first_k + i, j - j0, value);
            });
        first_chunk += list_chunks(rows[part]);
        first_k += rows[part];
    }
}

// Fills the lists with columns [j0, j0 + lines) of [x; tail], j0 a multiple of 64. Counts first, so
// that a line's entries lie together; place(count) then gives the lists their memory for entries.
template <class T, class Place>
static void list_columns(const Operand<T>& x, const Operand<T>& tail, int64_t j0, Lists<T>& lists,
                         Place&& place) {
    const int64_t j1 = j0 + lists.lines, starts = lists.lines * lists.chunks;
    int64_t* start = lists.start;
    for (int64_t s = 0; s <= starts; ++s) start[s] = 0;
    bool ones = true;
    visit_columns(x, tail, j0, j1, [&](int64_t chunk, int64_t, int64_t line, T value) {
        ++start[line * lists.chunks + chunk + 1];
        ones &= value == T(1);
    });
    for (int64_t s = 0; s < starts; ++s) start[s + 1] += start[s];
    place(start[starts]);
    if (ones) lists.values = nullptr;
    visit_columns(x, tail, j0, j1, [&](int64_t chunk, int64_t k, int64_t line, T value) {
        const int64_t entry = start[line * lists.chunks + chunk]++;
        lists.indices[entry] = static_cast<int32_t>(k);
        if (lists.values) lists.values[entry] = value;
    });
    for (int64_t s = starts; s > 0; --s) start[s] = start[s - 1];  // from ends back to beginnings
    start[0] = 0;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
