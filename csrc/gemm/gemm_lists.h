// Sparse matrices as words of bits that tell where their non-zeros are, as sparse_tile reads them.
#pragma once

#include "core/operand.h"
#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A line is a row of A or a column of B. Its k is cut into chunks of 64, from the beginning of A or
// B and again from that of a second block of k. Line r, chunk c: word r * chunks + c has a bit for
// every non-zero, and values[start[r * chunks + c]] is the first of them.
template <class T>
struct Lists {
    int64_t lines = 0, chunks = 0;
    int64_t chunks_before_tail = 0, k_before_tail = 0;
    uint64_t* words = nullptr;
    int64_t* start = nullptr;
    T* values = nullptr;  // null: all ones

    int64_t k_of(int64_t chunk) const {
        const int64_t in_tail = chunk - chunks_before_tail;
        return in_tail < 0 ? chunk * sparse_depth : k_before_tail + in_tail * sparse_depth;
    }
};

LW_INLINE int64_t list_chunks(int64_t k) { return ceil_div(k, sparse_depth); }

LW_INLINE int64_t word_bytes(int64_t lines, int64_t chunks) { return 2 * lines * chunks * 8; }

// Empty lists of a matrix [x; tail] with so many columns of k, words and start at `memory`.
template <class T>
LW_INLINE Lists<T> empty_lists(int64_t lines, int64_t k, int64_t k_tail, void* memory) {
    Lists<T> lists;
    lists.lines = lines;
    lists.chunks_before_tail = list_chunks(k);
    lists.k_before_tail = k;
    lists.chunks = lists.chunks_before_tail + list_chunks(k_tail);
    lists.words = static_cast<uint64_t*>(memory);
    lists.start = static_cast<int64_t*>(memory) + lines * lists.chunks;
    for (int64_t i = 0; i < lines * lists.chunks; ++i) lists.words[i] = 0;
    return lists;
}

// Are the elements of a row next to each other?
template <class T>
LW_INLINE bool has_dense_rows(const Operand<T>& x) {
    return x.encoding != Encoding::dense || x.dense.col_stride == 1 || x.dense.rows == 0;
}

// Bit b: element (i, j + b) of a dense or packed matrix is not zero, for j + b < end <= j + 64; j
// is a multiple of 64. NaN is not zero. `ones` becomes false where a non-zero is not one.
template <class T>
LW_INLINE uint64_t nonzero_bits(const Operand<T>& x, int64_t i, int64_t j, int64_t end,
                                bool& ones) {
    if (x.encoding == Encoding::bits) {
        const uint64_t word = x.bits.words[i * x.bits.row_stride + j / 64];
        return end - j == 64 ? word : word & ((uint64_t(1) << (end - j)) - 1);
    }
    const T* p = x.dense.data + i * x.dense.row_stride + j;
    const Vec<T> one = splat<T>(T(1));
    uint64_t bits = 0, others = 0;
    for (int64_t b = 0; b < end - j; b += lanes<T>) {
        const int64_t n = min_of(lanes<T>, end - j - b);
        const Vec<T> v = n == lanes<T> ? load(p + b) : load_n(p + b, n);
        bits |= movemask<T>(v != Vec<T>{}) << b;
        others |= movemask<T>((v != Vec<T>{}) & (v != one));
    }
    ones &= others == 0;
    return bits;
}

// Non-zeros of rows [i0, i0 + rows); stops counting once there are more than limit.
template <class T>
static int64_t count_nonzeros(const Operand<T>& x, int64_t i0, int64_t rows, int64_t limit) {
    if (x.encoding == Encoding::csr) return x.csr.indptr[i0 + rows] - x.csr.indptr[i0];
    const int64_t cols = operand_cols(x);
    int64_t count = 0;
    bool ones = true;
    for (int64_t i = i0; i < i0 + rows && count <= limit; ++i)
        for (int64_t j = 0; j < cols; j += 64)
            count += __builtin_popcountll(nonzero_bits(x, i, j, min_of(j + 64, cols), ones));
    return count;
}

// visit(j, value) for the stored elements of row i in columns [j0, j1), ascending.
template <class T, class Visit>
LW_INLINE void visit_csr(const CsrMatrix<T>& x, int64_t i, int64_t j0, int64_t j1, Visit&& visit) {
    for (int64_t e = csr_lower_bound(x, i, j0); e < x.indptr[i + 1] && x.indices[e] < j1; ++e)
        visit(x.indices[e], csr_value(x, e));
}

// The same of a matrix in any encoding; j0 a multiple of 64.
template <class T, class Visit>
LW_INLINE void visit_nonzeros(const Operand<T>& x, int64_t i, int64_t j0, int64_t j1,
                              Visit&& visit) {
    if (x.encoding == Encoding::csr) return visit_csr(x.csr, i, j0, j1, visit);
    const T* row = x.encoding == Encoding::dense ? x.dense.data + i * x.dense.row_stride : nullptr;
    bool ones = true;
    for (int64_t j = j0; j < j1; j += 64)
        for (uint64_t bits = nonzero_bits(x, i, j, min_of(j + 64, j1), ones); bits;
             bits &= bits - 1) {
            const int64_t at = j + __builtin_ctzll(bits);
            visit(at, row ? row[at] : T(1));
        }
}

// Fills empty lists with rows [i0, i0 + lines) of x; values go to `values` where they are needed.
template <class T>
static void list_rows(const Operand<T>& x, int64_t i0, Lists<T>& lists, T* values) {
    const int64_t cols = operand_cols(x);
    bool ones = true;
    for (int64_t r = 0; r < lists.lines; ++r) {
        uint64_t* words = lists.words + r * lists.chunks;
        if (x.encoding == Encoding::csr)
            visit_csr(x.csr, i0 + r, 0, cols, [&](int64_t j, T value) {
                words[j / 64] |= uint64_t(1) << (j % 64);
                ones &= value == T(1);
            });
        else
            for (int64_t c = 0; c < lists.chunks; ++c)
                words[c] = nonzero_bits(x, i0 + r, c * 64, min_of(c * 64 + 64, cols), ones);
    }
    if (ones) return;
    lists.values = values;
    int64_t n = 0;
    for (int64_t r = 0; r < lists.lines; ++r) {
        for (int64_t c = 0; c < lists.chunks; ++c) {
            lists.start[r * lists.chunks + c] = n;
            visit_nonzeros(x, i0 + r, c * 64, min_of(c * 64 + 64, cols),
                           [&](int64_t, T value) { values[n++] = value; });
        }
    }
}

// Bit j of word i becomes bit i of word j.
LW_INLINE void transpose_bits(uint64_t (&words)[64]) {
    uint64_t low = 0xffffffff;
    for (int step = 32; step; step >>= 1, low ^= low << step)
        for (int i = 0; i < 64; i = ((i | step) + 1) & ~step) {
            const uint64_t moved = (words[i] >> step ^ words[i | step]) & low;
            words[i] ^= moved << step;
            words[i | step] ^= moved;
        }
}

// The words of columns [j0, j0 + lines) of x, whose rows begin with the lists' chunk `first`.
template <class T>
static void list_column_words(const Operand<T>& x, int64_t j0, int64_t first, Lists<T>& lists,
                              bool& ones) {
    const int64_t j1 = j0 + lists.lines, rows = operand_rows(x);
    for (int64_t i0 = 0; i0 < rows; i0 += 64) {
        const int64_t n = min_of(64, rows - i0);
        uint64_t* words = lists.words + first + i0 / 64;
        if (x.encoding == Encoding::csr) {
            for (int64_t i = 0; i < n; ++i)
                visit_csr(x.csr, i0 + i, j0, j1, [&](int64_t j, T value) {
                    words[(j - j0) * lists.chunks] |= uint64_t(1) << i;
                    ones &= value == T(1);
                });
            continue;
        }
        for (int64_t j = j0; j < j1; j += 64, words += 64 * lists.chunks) {
            uint64_t block[64] = {};
            for (int64_t i = 0; i < n; ++i)
                block[i] = nonzero_bits(x, i0 + i, j, min_of(j + 64, j1), ones);
            transpose_bits(block);
            for (int64_t l = 0; l < min_of(64, j1 - j); ++l) words[l * lists.chunks] = block[l];
        }
    }
}

// Fills empty lists with columns [j0, j0 + lines) of [x; tail], j0 a multiple of 64. Where there
// are values, place(count) gives them memory.
template <class T, class Place>
static void list_columns(const Operand<T>& x, const Operand<T>& tail, int64_t j0, Lists<T>& lists,
                         Place&& place) {
    bool ones = true;
    list_column_words(x, j0, 0, lists, ones);
    list_column_words(tail, j0, lists.chunks_before_tail, lists, ones);
    if (ones) return;
    int64_t count = 0;
    for (int64_t at = 0; at < lists.lines * lists.chunks; ++at) {
        lists.start[at] = count;
        count += __builtin_popcountll(lists.words[at]);
    }
    lists.values = place(count);
    auto next = [&](int64_t chunk, int64_t j) -> int64_t& {
        return lists.start[(j - j0) * lists.chunks + chunk];
    };
    auto place_values = [&](const Operand<T>& part, int64_t first) {
        for (int64_t i = 0; i < operand_rows(part); ++i)
            visit_nonzeros(part, i, j0, j0 + lists.lines, [&](int64_t j, T value) {
                lists.values[next(first + i / 64, j)++] = value;
            });
    };
    place_values(x, 0);
    place_values(tail, lists.chunks_before_tail);
    for (int64_t at = 0; at < lists.lines * lists.chunks; ++at)  // from ends back to beginnings
        lists.start[at] -= __builtin_popcountll(lists.words[at]);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
