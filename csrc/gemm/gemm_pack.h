// Packing: copies of A and B in the order the tiles read them.
//
//   B: panels of Tile::width columns, each [k][stored_width] over the whole depth.
//   A: panels of `height` rows, each [k][height] over the whole depth.
// Columns of B beyond the matrix are zeros. For matrices with many zeros see gemm_sparse.h.
#pragma once

#include "core/operand.h"
#include "gemm/gemm_strip.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Are rows contiguous and columns not? (A Hankel view has both.)
template <class T>
LW_INLINE bool has_rows_only(const Matrix<const T>& x) {
    return x.col_stride == 1 && x.row_stride != 1;
}

// --- B
// ---------------------------------------------------------------------------------------------

// Rows [k0, k1) of one panel from a dense matrix, times scale; out is the panel's row k0.
template <class T, class S>
static void pack_b_dense(const Matrix<const T>& b, int64_t k0, int64_t k1, int64_t j0, T scale,
                         S* out) {
    constexpr int64_t width = Tile<T>::width;
#ifdef LW_CORRUPT_COLUMN_TAIL
    const int64_t cols = b.cols - j0 < width ? b.cols - j0 - 1 : width;
#else
    const int64_t cols = min_of(width, b.cols - j0);
#endif
    const int64_t stored = stored_width<T>(b.cols - j0), vectors = stored / lanes<T>;
    const auto valid = [&](int v) { return lanes_of<T>(cols, v); };
    const T* at = b.data + k0 * b.row_stride + j0 * b.col_stride;
    int64_t k = k0;
    if (has_rows_only(transposed(b))) {
        const auto block = [&]<bool whole>() __attribute__((always_inline)) {
            const int64_t depth = whole ? lanes<T> : min_of(lanes<T>, k1 - k);
            for (int part = 0; part < vectors; ++part) {
                const T* const first = at + part * lanes<T> * b.col_stride;
                const int64_t there = whole ? lanes<T> : valid(part);
                Vec<T> v[lanes<T>];
                for (int64_t j = 0; j < lanes<T>; ++j)
                    v[j] = j < there ? load_lanes(first + j * b.col_stride, 1, depth) * scale
                                     : Vec<T>{};
                if (there > 0) transpose<T>(v);
                for (int64_t i = 0; i < depth; ++i) store(out + i * stored + part * lanes<T>, v[i]);
            }
            k += lanes<T>, at += lanes<T>, out += stored * lanes<T>;
        };
        while (cols == width && k + lanes<T> <= k1) block.template operator()<true>();
        while (k < k1) block.template operator()<false>();
    } else if (cols == width && b.col_stride == 1) {
        for (; k < k1; ++k, at += b.row_stride, out += stored)
            for (int part = 0; part < vectors; ++part)
                store(out + part * lanes<T>, load(at + part * lanes<T>) * scale);
    }
    for (; k < k1; ++k, at += b.row_stride, out += stored)
        for (int part = 0; part < vectors; ++part) {
            const T* const from = at + part * lanes<T> * b.col_stride;
            const int64_t there = valid(part);
            const Vec<T> v = there > 0 ? load_lanes(from, b.col_stride, there) : Vec<T>{};
            store(out + part * lanes<T>, v * scale);
        }
}

// scale is for dense matrices alone.
template <class T>
static void pack_b_panel(const Operand<T>& b, int64_t k0, int64_t k1, int64_t j0, T scale, T* out) {
    constexpr int64_t width = Tile<T>::width;
    if (b.encoding == Encoding::dense) return pack_b_dense(b.dense, k0, k1, j0, scale, out);
    const int64_t cols = min_of(width, operand_cols(b) - j0), stored = stored_width<T>(cols);
    for (int64_t k = k0; k < k1; ++k, out += stored) {
        if (b.encoding == Encoding::bits) {  // a panel never straddles words; padding bits are zero
            const uint64_t word = b.bits.words[k * b.bits.row_stride + j0 / 64];
            expand_bits(word >> (j0 % 64), stored, out);
        } else {
            for (int64_t j = 0; j < stored; ++j) out[j] = T(0);
            visit_csr(b.csr, k, j0, j0 + cols, [&](int64_t j, T value) { out[j - j0] = value; });
        }
    }
}

// Only dense matrices are rounded.
static inline void pack_b_panel(const Operand<float>& b, int64_t k0, int64_t k1, int64_t j0,
                                float scale, Bfloat16* out) {
    pack_b_dense(b.dense, k0, k1, j0, scale, out);
}

// --- A, dense panels
// -------------------------------------------------------------------------------

// The first n lanes, at most all, of which more may be stored as long as `left` elements have room:
// the next store overwrites them. A masked store takes 12 cycles or more on AMD's.
template <class T>
LW_INLINE void store_ahead(T* out, Vec<T> v, int64_t n, int64_t left) {
    if (left >= lanes<T>)
        store(out, v);
    else
        store_n(out, v, n);
}

// Rows [i0, i0 + height), columns [k0, k1) of A, times scale, to out[k][height]: where rows are
// contiguous, in squares of `side`. In place of rows that are not there the last one is read again.
template <class T, int side>
static void pack_a_squares(const Matrix<const T>& a, int64_t i0, int64_t height, int64_t k0,
                           int64_t k1, T scale, T* out) {
    constexpr int parts = static_cast<int>(lanes<T>) / side;
    constexpr int chunks = parts > 1 ? 1 : (Tile<T>::max_height + side - 1) / side;
    const T* lines[chunks * side];
    for (int64_t r = 0; r < chunks * side; ++r)
        lines[r] = a.data + (i0 + min_of(r, height - 1)) * a.row_stride;
    int64_t k = k0;
    const auto read = [&](Vec<T>(&v)[chunks][side], int64_t depth) __attribute__((always_inline)) {
        for (int c = 0; c < chunks; ++c) {
            for (int r = 0; r < side; ++r)
                v[c][r] = load_lanes(lines[c * side + r] + k, 1, depth) * scale;
            transpose<T, side>(v[c]);
        }
    };
    // As long as the last column of a block has room for all that is stored of it: the next store
    // overwrites what is too much.
    const int64_t room = (lanes<T> - 1) * height + round_up(height, side);
    for (; (k1 - k) * height >= room; k += lanes<T>) {
        Vec<T> v[chunks][side];
        for (int64_t r = 0; r < height; ++r)  // of the panel below
            __builtin_prefetch(lines[r] + height * a.row_stride + k, 0, 2);
        read(v, lanes<T>);
#pragma GCC unroll 2
        for (int part = 0; part < parts; ++part)
#pragma GCC unroll 16
            for (int i = 0; i < side; ++i, out += height)
                for (int64_t c = 0; c * side < height; ++c)
                    store_part<T, side>(out + c * side, v[c][i], part);
    }
    while (k < k1) {
        const int64_t depth = min_of(lanes<T>, k1 - k);
        Vec<T> v[chunks][side];
        read(v, depth);
        T cells[chunks][side][lanes<T>];
        __builtin_memcpy(cells, v, sizeof cells);
        for (int64_t i = 0; i < depth; ++i, ++k, out += height)
            for (int64_t r = 0; r < height; ++r)
                out[r] = cells[r / side][i % side][i / side * side + r % side];
    }
}

template <class T>
static void pack_a_rows_dense(const Matrix<const T>& a, int64_t i0, int64_t height, int64_t k0,
                              int64_t k1, T scale, T* out) {
    constexpr int all = static_cast<int>(lanes<T>);
    if (2 * height <= all) return pack_a_squares<T, all / 2>(a, i0, height, k0, k1, scale, out);
    pack_a_squares<T, all>(a, i0, height, k0, k1, scale, out);
}

// The same where columns are contiguous. Whole vectors where the column goes on (masked loads of
// columns far apart took up to twice the time on Zen 3), from columns that earlier calls asked for.
template <class T>
static void pack_a_columns_dense(const Matrix<const T>& a, int64_t i0, int64_t height, int64_t k0,
                                 int64_t k1, T scale, T* out) {
    constexpr int64_t columns_ahead = 16;
    const int64_t whole = height / lanes<T> * lanes<T>, rest = height - whole;
    const int64_t there = i0 + whole + lanes<T> <= a.rows ? lanes<T> : rest;
    const auto column_at = [&](int64_t k) __attribute__((always_inline)) {
        const T* const column = a.data + k * a.col_stride + i0;
        __builtin_prefetch(column + columns_ahead * a.col_stride, 0, 2);
        return column;
    };
    int64_t k = k0;
    // Half vectors where they do: fewer of their stores lie across two lines.
    using Half = HalfVec<T>;
    if (height <= lanes<T> / 2 && i0 + lanes<T> / 2 <= a.rows)
        for (; (k1 - k) * height >= lanes<T> / 2; ++k, out += height) {
            Half half;
            __builtin_memcpy(&half, column_at(k), sizeof half);
            half *= scale;
            __builtin_memcpy(out, &half, sizeof half);
        }
    for (; k < k1; ++k, out += height) {
        const T* const column = column_at(k);
        for (int64_t r = 0; r < whole; r += lanes<T>) store(out + r, load(column + r) * scale);
        if (rest > 0)
            store_ahead(out + whole, load_lanes(column + whole, 1, there) * scale, rest,
                        (k1 - k) * height - whole);
    }
}

template <class T>
static void pack_a_dense(const Matrix<const T>& a, int64_t i0, int64_t height, int64_t k0,
                         int64_t k1, T scale, T* out) {
    if (a.col_stride == 1) return pack_a_rows_dense(a, i0, height, k0, k1, scale, out);
    if (a.row_stride == 1) return pack_a_columns_dense(a, i0, height, k0, k1, scale, out);
    for (int64_t k = k0; k < k1; ++k, out += height)
        for (int64_t r = 0; r < height; ++r)
            out[r] = a.data[(i0 + r) * a.row_stride + k * a.col_stride] * scale;
}

// The same from bits: a word of every row at a time becomes a small dense matrix.
template <class T>
static void pack_a_bits(const BitMatrix<const uint64_t>& a, int64_t i0, int64_t height, int64_t k0,
                        int64_t k1, T scale, T* out) {
    constexpr int64_t whole_vectors = (Tile<T>::max_height + lanes<T> - 1) / lanes<T> * lanes<T>;
    alignas(64) T cells[whole_vectors * 64];
    for (int64_t k = k0; k < k1;) {
        const int64_t word = k / 64 * 64, end = min_of(word + 64, k1);
        for (int64_t r = 0; r < height; ++r)
            expand_bits(a.words[(i0 + r) * a.row_stride + word / 64], 64, cells + r * 64);
        const Matrix<const T> expanded = {cells, height, 64, 64, 1};
        pack_a_dense(expanded, 0, height, k - word, end - word, scale, out);
        out += height * (end - k);
        k = end;
    }
}

// Are columns of A contiguous and rows not, or are there none?
template <class T>
LW_INLINE bool has_dense_columns(const Operand<T>& x) {
    if (x.encoding != Encoding::dense) return false;
    return x.dense.cols == 0 || has_rows_only(transposed(x.dense));
}

template <class T>
static void pack_a_panel(const Operand<T>& a, int64_t i0, int64_t height, int64_t k0, int64_t k1,
                         T scale, T* out) {
    if (a.encoding == Encoding::dense) return pack_a_dense(a.dense, i0, height, k0, k1, scale, out);
    if (a.encoding == Encoding::bits) return pack_a_bits(a.bits, i0, height, k0, k1, scale, out);
    for (int64_t i = 0; i < (k1 - k0) * height; ++i) out[i] = T(0);
    for (int64_t r = 0; r < height; ++r)
        visit_csr(a.csr, i0 + r, k0, k1,
                  [&](int64_t k, T value) { out[(k - k0) * height + r] = value * scale; });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
