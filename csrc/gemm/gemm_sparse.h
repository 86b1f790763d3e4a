// Sparse operands as words of bits that tell where their non-zeros are, as sparse_tile reads them.
#pragma once

#include "core/operand.h"
#include "gemm/gemm_sparse_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Lines are rows of A or columns of B. Their k is cut into chunks of a word, from its beginning and
// again from that of a second block of k. Bit i of words[c * lines + r]: element i of chunk c of
// line r is not zero; values[start[c * lines + r]] is the first of these.
template <class T>
struct SparseLines {
    int64_t lines = 0, chunks = 0;
    int64_t chunks_before_tail = 0, k_before_tail = 0;
    uint64_t* words = nullptr;
    int64_t* start = nullptr;
    const T* values = nullptr;  // null: all ones

    int64_t k_of(int64_t chunk) const {
        const int64_t in_tail = chunk - chunks_before_tail;
        return in_tail < 0 ? chunk * word_bits : k_before_tail + in_tail * word_bits;
    }

    SparseChunk<T> chunk(int64_t c) const {
        return {words + c * lines, start + c * lines, values, lines};
    }

    // Numbers the values, line by line in ascending k; returns how many there are.
    int64_t number_values() {
        int64_t n = 0;
        for (int64_t r = 0; r < lines; ++r)
            for (int64_t c = 0; c < chunks; ++c) {
                start[c * lines + r] = n;
                n += __builtin_popcountll(words[c * lines + r]);
            }
        return n;
    }
};

LW_INLINE int64_t chunks_of(int64_t k) { return ceil_div(k, word_bits); }

// Of words and start.
LW_INLINE int64_t sparse_bytes(int64_t lines, int64_t chunks) { return 2 * lines * chunks * 8; }

// Lines without a non-zero yet, of k and then k_tail elements, their words and start at `memory`.
template <class T>
LW_INLINE SparseLines<T> empty_lines(int64_t lines, int64_t k, int64_t k_tail, void* memory) {
    SparseLines<T> s;
    s.lines = lines;
    s.chunks_before_tail = chunks_of(k);
    s.k_before_tail = k;
    s.chunks = s.chunks_before_tail + chunks_of(k_tail);
    s.words = static_cast<uint64_t*>(memory);
    s.start = static_cast<int64_t*>(memory) + lines * s.chunks;
    for (int64_t i = 0; i < lines * s.chunks; ++i) s.words[i] = 0;
    return s;
}

// Are the elements of a row next to each other?
template <class T>
LW_INLINE bool has_dense_rows(const Operand<T>& x) {
    return x.encoding != Encoding::dense || x.dense.col_stride == 1 || x.dense.rows == 0;
}

// What a word of a row holds.
struct RowWord {
    uint64_t nonzero;  // NaN is not zero
    bool ones;         // the non-zeros are ones
};

// Elements [j, end) of row i of a dense or packed matrix, end <= j + 64; j is a multiple of 64.
template <class T>
LW_INLINE RowWord row_word(const Operand<T>& x, int64_t i, int64_t j, int64_t end) {
    if (x.encoding == Encoding::bits) {
        const uint64_t word = x.bits.words[i * x.bits.row_stride + j / 64];
        return {end - j == 64 ? word : word & ((uint64_t(1) << (end - j)) - 1), true};
    }
    const T* p = x.dense.data + i * x.dense.row_stride + j;
    const Vec<T> one = splat<T>(T(1));
    uint64_t nonzero = 0, others = 0;
    for (int64_t b = 0; b < end - j; b += lanes<T>) {
        const int64_t n = min_of(lanes<T>, end - j - b);
        const Vec<T> v = n == lanes<T> ? load(p + b) : load_n(p + b, n);
        nonzero |= movemask<T>(v != Vec<T>{}) << b;
        others |= movemask<T>((v != Vec<T>{}) & (v != one));
    }
    return {nonzero, others == 0};
}

// Non-zeros of rows [i0, i0 + rows); stops counting once there are more than limit.
template <class T>
static int64_t count_nonzeros(const Operand<T>& x, int64_t i0, int64_t rows, int64_t limit) {
    if (x.encoding == Encoding::csr) return x.csr.indptr[i0 + rows] - x.csr.indptr[i0];
    const int64_t cols = operand_cols(x);
    int64_t count = 0;
    for (int64_t i = i0; i < i0 + rows && count <= limit; ++i)
        for (int64_t j = 0; j < cols; j += 64)
            count += __builtin_popcountll(row_word(x, i, j, min_of(j + 64, cols)).nonzero);
    return count;
}

template <class Visit>
LW_INLINE void visit_bits(uint64_t word, Visit&& visit) {
    for (; word; word &= word - 1) visit(int64_t(__builtin_ctzll(word)));
}

// Fills empty lines with rows [i0, i0 + lines) of x; `memory` is for values that are not at hand.
template <class T>
static void sparse_rows(const Operand<T>& x, int64_t i0, SparseLines<T>& s, T* memory) {
    const int64_t cols = operand_cols(x);
    const bool csr = x.encoding == Encoding::csr;
    bool ones = true;
    for (int64_t r = 0; r < s.lines; ++r) {
        uint64_t* words = s.words + r;
        if (csr)
            visit_csr(x.csr, i0 + r, 0, cols, [&](int64_t j, T value) {
                words[j / 64 * s.lines] |= uint64_t(1) << (j % 64);
                ones &= value == T(1);
            });
        else
            for (int64_t c = 0; c < s.chunks; ++c) {
                const RowWord found = row_word(x, i0 + r, c * 64, min_of(c * 64 + 64, cols));
                words[c * s.lines] = found.nonzero;
                ones &= found.ones;
            }
    }
    if (ones) return;
    s.number_values();
    s.values = csr ? x.csr.values + x.csr.indptr[i0] : memory;
    if (csr) return;
    for (int64_t r = 0; r < s.lines; ++r)
        for (int64_t c = 0; c < s.chunks; ++c) {
            const T* row = x.dense.data + (i0 + r) * x.dense.row_stride + c * 64;
            visit_bits(s.words[c * s.lines + r], [&](int64_t b) { *memory++ = row[b]; });
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

// The words of columns [j0, j0 + lines) of x, whose rows are chunks `chunk` and up. Are all ones?
template <class T>
static bool column_words(const Operand<T>& x, int64_t j0, int64_t chunk, SparseLines<T>& s) {
    const int64_t j1 = j0 + s.lines, rows = operand_rows(x);
    bool ones = true;
    for (int64_t i0 = 0; i0 < rows; i0 += 64, ++chunk) {
        const int64_t n = min_of(64, rows - i0);
        uint64_t* words = s.words + chunk * s.lines;
        if (x.encoding == Encoding::csr) {
            for (int64_t i = 0; i < n; ++i)
                visit_csr(x.csr, i0 + i, j0, j1, [&](int64_t j, T value) {
                    words[j - j0] |= uint64_t(1) << i;
                    ones &= value == T(1);
                });
            continue;
        }
        for (int64_t j = j0; j < j1; j += 64) {
            uint64_t block[64] = {};
            for (int64_t i = 0; i < n; ++i) {
                const RowWord found = row_word(x, i0 + i, j, min_of(j + 64, j1));
                block[i] = found.nonzero;
                ones &= found.ones;
            }
            transpose_bits(block);
            for (int64_t l = 0; l < min_of(64, j1 - j); ++l) words[j - j0 + l] = block[l];
        }
    }
    return ones;
}

// The values that the words tell of, each at its number.
template <class T>
static void column_values(const Operand<T>& x, int64_t j0, int64_t chunk, const SparseLines<T>& s,
                          T* values) {
    const int64_t j1 = j0 + s.lines;
    for (int64_t i = 0; i < operand_rows(x); ++i) {
        const uint64_t before = (uint64_t(1) << (i % 64)) - 1;
        const int64_t first = (chunk + i / 64) * s.lines - j0;
        auto put = [&](int64_t j, T value) {
            values[s.start[first + j] + __builtin_popcountll(s.words[first + j] & before)] = value;
        };
        if (x.encoding == Encoding::csr) {
            visit_csr(x.csr, i, j0, j1, put);
            continue;
        }
        for (int64_t j = j0; j < j1; j += 64)
            visit_bits(row_word(x, i, j, min_of(j + 64, j1)).nonzero, [&](int64_t b) {
                const bool bits = x.encoding == Encoding::bits;
                put(j + b, bits ? T(1) : x.dense.data[i * x.dense.row_stride + j + b]);
            });
    }
}

// Fills empty lines with columns [j0, j0 + lines) of [x; tail], j0 a multiple of 64. Where there
// are values, place(count) gives them memory.
template <class T, class Place>
static void sparse_columns(const Operand<T>& x, const Operand<T>& tail, int64_t j0,
                           SparseLines<T>& s, Place&& place) {
    const bool ones = column_words(x, j0, 0, s);
    if (column_words(tail, j0, s.chunks_before_tail, s) && ones) return;
    T* const values = place(s.number_values());
    column_values(x, j0, 0, s, values);
    column_values(tail, j0, s.chunks_before_tail, s, values);
    s.values = values;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
