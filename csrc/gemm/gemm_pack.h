// Packing: copies of A and B in the order the tiles read them.
//
//   B: panels of Tile::width columns, each [k][width] over the whole depth.
//   A: panels of `height` rows, each [k][height] over the whole depth; or, for rows with many
//   zeros,
//      lists of their non-zeros.
// Columns of B beyond the matrix are zeros.
#pragma once

#include "core/operand.h"
#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// --- transposing lanes x lanes in registers
// --------------------------------------------------------

template <int... i>
struct Indices {};
template <int n, int... i>
struct MakeIndices : MakeIndices<n - 1, n - 1, i...> {};
template <int... i>
struct MakeIndices<0, i...> {
    using Type = Indices<i...>;
};

// Exchanges the blocks of `step` lanes that lie off the diagonal of the pair (x, y).
template <int step, class V, int... i>
LW_INLINE void exchange(V& x, V& y, Indices<i...>) {
    constexpr int n = sizeof...(i);
    const V low = __builtin_shufflevector(x, y, ((i & step) ? n + i - step : i)...);
    const V high = __builtin_shufflevector(x, y, ((i & step) ? n + i : i + step)...);
    x = low;
    y = high;
}

template <class T, int step>
LW_INLINE void transpose_step(Vec<T>* v) {
    constexpr int n = lanes<T>;
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i)
        if (!(i & step)) exchange<step>(v[i], v[i + step], typename MakeIndices<n>::Type{});
    if constexpr (step > 1) transpose_step<T, step / 2>(v);
}

template <class T>
LW_INLINE void transpose(Vec<T>* v) {
    transpose_step<T, static_cast<int>(lanes<T>) / 2>(v);
}

// --- B
// ---------------------------------------------------------------------------------------------

// Rows [k0, k1) of one panel from a dense matrix; out is the panel's row k0.
template <class T>
static void pack_b_dense(const Matrix<const T>& b, int64_t k0, int64_t k1, int64_t j0, T* out) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t cols = min_of(width, b.cols - j0);
    int64_t k = k0;
    if (cols == width && b.col_stride == 1) {
        for (; k < k1; ++k, out += width) {
            const T* row = b.data + k * b.row_stride + j0;
            store(out, load(row));
            store(out + lanes<T>, load(row + lanes<T>));
        }
    } else if (cols == width && b.row_stride == 1) {
        for (; k + lanes<T> <= k1; k += lanes<T>, out += width * lanes<T>) {
            for (int64_t half = 0; half < width; half += lanes<T>) {
                Vec<T> v[lanes<T>];
                for (int64_t j = 0; j < lanes<T>; ++j)
                    v[j] = load(b.data + k + (j0 + half + j) * b.col_stride);
                transpose<T>(v);
                for (int64_t i = 0; i < lanes<T>; ++i) store(out + i * width + half, v[i]);
            }
        }
    }
#ifdef LW_CORRUPT_COLUMN_TAIL
    const int64_t valid = cols == width ? width : cols - 1;
#else
    const int64_t valid = cols;
#endif
    for (; k < k1; ++k, out += width)
        for (int64_t j = 0; j < width; ++j)
            out[j] = j < valid ? b.data[k * b.row_stride + (j0 + j) * b.col_stride] : T(0);
}

template <class T>
static void pack_b_panel(const Operand<T>& b, int64_t k0, int64_t k1, int64_t j0, T* out) {
    constexpr int64_t width = Tile<T>::width;
    if (b.encoding == Encoding::dense) return pack_b_dense(b.dense, k0, k1, j0, out);
    const int64_t cols = min_of(width, operand_cols(b) - j0);
    for (int64_t k = k0; k < k1; ++k, out += width) {
        if (b.encoding == Encoding::bits) {  // a panel never straddles words; padding bits are zero
            const uint64_t word = b.bits.words[k * b.bits.row_stride + j0 / 64];
            expand_bits(word >> (j0 % 64), width, out);
        } else {
            for (int64_t j = 0; j < width; ++j) out[j] = T(0);
            for (int64_t e = csr_lower_bound(b.csr, k, j0);
                 e < b.csr.indptr[k + 1] && b.csr.indices[e] < j0 + cols; ++e)
                out[b.csr.indices[e] - j0] = csr_value(b.csr, e);
        }
    }
}

// --- A, dense panels
// -------------------------------------------------------------------------------

// Rows [i0, i0 + height) of A, times scale, to out[k][height]. May write up to lanes - 1 elements
// past the end; panels are packed in ascending order and the last is followed by padding.
template <class T>
static void pack_a_dense(const Matrix<const T>& a, int64_t i0, int64_t height, T scale, T* out) {
    constexpr int64_t chunks = (Tile<T>::max_height + lanes<T> - 1) / lanes<T>;
    int64_t k = 0;
    if (a.col_stride == 1) {
        for (; k + lanes<T> <= a.cols; k += lanes<T>, out += height * lanes<T>) {
            Vec<T> v[chunks][lanes<T>];
            for (int64_t c = 0; c < chunks; ++c) {
                for (int64_t r = 0; r < lanes<T>; ++r) {
                    const int64_t row = c * lanes<T> + r;
                    v[c][r] = row < height ? load(a.data + (i0 + row) * a.row_stride + k) * scale
                                           : Vec<T>{};
                }
                transpose<T>(v[c]);
            }
            for (int64_t i = 0; i < lanes<T>; ++i)
                for (int64_t c = 0; c * lanes<T> < height; ++c)
                    store(out + i * height + c * lanes<T>, v[c][i]);
        }
    } else if (a.row_stride == 1 && i0 + round_up(height, lanes<T>) <= a.rows) {
        for (; k < a.cols; ++k, out += height) {
            const T* column = a.data + k * a.col_stride + i0;
            for (int64_t r = 0; r < height; r += lanes<T>) store(out + r, load(column + r) * scale);
        }
    }
    for (; k < a.cols; ++k, out += height)
        for (int64_t r = 0; r < height; ++r)
            out[r] = a.data[(i0 + r) * a.row_stride + k * a.col_stride] * scale;
}

// The same from bits: a word of every row at a time becomes a small dense matrix.
template <class T>
static void pack_a_bits(const BitMatrix<const uint64_t>& a, int64_t i0, int64_t height, T scale,
                        T* out) {
    constexpr int64_t whole_vectors = (Tile<T>::max_height + lanes<T> - 1) / lanes<T> * lanes<T>;
    alignas(64) T cells[whole_vectors * 64];
    for (int64_t k = 0; k < a.cols; k += 64) {
        for (int64_t r = 0; r < height; ++r)
            expand_bits(a.words[(i0 + r) * a.row_stride + k / 64], 64, cells + r * 64);
        const Matrix<const T> word = {cells, height, min_of(64, a.cols - k), 64, 1};
        pack_a_dense(word, 0, height, scale, out + k * height);
    }
}

template <class T>
static void pack_a_panel(const Operand<T>& a, int64_t i0, int64_t height, T scale, T* out) {
    if (a.encoding == Encoding::dense) return pack_a_dense(a.dense, i0, height, scale, out);
    if (a.encoding == Encoding::bits) return pack_a_bits(a.bits, i0, height, scale, out);
    for (int64_t i = 0; i < a.csr.cols * height; ++i) out[i] = T(0);
    for (int64_t r = 0; r < height; ++r)
        for (int64_t e = a.csr.indptr[i0 + r]; e < a.csr.indptr[i0 + r + 1]; ++e)
            out[a.csr.indices[e] * height + r] = csr_value(a.csr, e) * scale;
}

// --- A, lists of non-zeros
// -------------------------------------------------------------------------

// Rows as index lists, cut at every `depth` columns into `chunks`: the non-zeros of row r's chunk c
// are entries [start[r * chunks + c], start[r * chunks + c + 1]).
template <class T>
struct RowLists {
    int64_t* start;
    int32_t* indices;
    T* values;  // null: all ones
};

LW_INLINE int64_t list_bits(uint64_t bits, int64_t first, int32_t* indices) {
    int64_t n = 0;
    for (; bits; bits &= bits - 1)
        indices[n++] = static_cast<int32_t>(first + __builtin_ctzll(bits));
    return n;
}

// Bit i: element i of the vector at p (n of it) is not zero; NaN counts as not zero.
template <class T>
LW_INLINE uint64_t nonzero_bits(const T* p, int64_t n) {
    const Vec<T> x = n == lanes<T> ? load(p) : load_n(p, n);
    return movemask<T>(x != Vec<T>{});
}

// Non-zeros of rows [i0, i0 + rows); stops counting once there are more than limit.
template <class T>
static int64_t count_nonzeros(const Operand<T>& a, int64_t i0, int64_t rows, int64_t limit) {
    if (a.encoding == Encoding::csr) return a.csr.indptr[i0 + rows] - a.csr.indptr[i0];
    int64_t count = 0;
    for (int64_t i = i0; i < i0 + rows && count <= limit; ++i) {
        if (a.encoding == Encoding::bits) {
            const uint64_t* words = a.bits.words + i * a.bits.row_stride;
            for (int64_t w = 0; w < ceil_div(a.bits.cols, 64); ++w)
                count += __builtin_popcountll(words[w]);
        } else {
            const T* row = a.dense.data + i * a.dense.row_stride;
            for (int64_t k = 0; k < a.dense.cols; k += lanes<T>)
                count +=
                    __builtin_popcountll(nonzero_bits(row + k, min_of(lanes<T>, a.dense.cols - k)));
        }
    }
    return count;
}

// Where the chunks of CSR rows begin.
template <class T>
static void list_csr_rows(const CsrMatrix<T>& a, int64_t i0, int64_t rows, int64_t depth,
                          RowLists<T>& lists) {
    int64_t* start = lists.start;
    for (int64_t i = i0; i < i0 + rows; ++i)
        for (int64_t k = 0; k < a.cols; k += depth) *start++ = csr_lower_bound(a, i, k);
    *start = a.indptr[i0 + rows];
    lists.indices = const_cast<int32_t*>(a.indices);
    lists.values = const_cast<T*>(a.values);
}

// Columns [k0, k1) of one row, k0 a multiple of 64; returns how many non-zeros were listed.
template <class T>
static int64_t list_range(const Operand<T>& a, int64_t i, int64_t k0, int64_t k1,
                          int32_t* indices) {
    int64_t n = 0;
    if (a.encoding == Encoding::bits) {
        const uint64_t* words = a.bits.words + i * a.bits.row_stride;
        for (int64_t k = k0; k < k1; k += 64) n += list_bits(words[k / 64], k, indices + n);
    } else {
        const T* row = a.dense.data + i * a.dense.row_stride;
        for (int64_t k = k0; k < k1; k += lanes<T>)
            n += list_bits(nonzero_bits(row + k, min_of(lanes<T>, k1 - k)), k, indices + n);
    }
    return n;
}

// Fills the lists of rows [i0, i0 + rows); depth is a multiple of 64. A dense matrix has unit
// column stride here; its values are gathered, and dropped again where they are all ones.
template <class T>
static void list_rows(const Operand<T>& a, int64_t i0, int64_t rows, int64_t depth,
                      RowLists<T>& lists) {
    if (a.encoding == Encoding::csr) return list_csr_rows(a.csr, i0, rows, depth, lists);
    const int64_t cols = operand_cols(a);
    int64_t* start = lists.start;
    int64_t n = 0;
    bool ones = true;
    for (int64_t i = i0; i < i0 + rows; ++i) {
        const int64_t begin = n;
        for (int64_t k = 0; k < cols; k += depth) {
            *start++ = n;
            n += list_range(a, i, k, min_of(k + depth, cols), lists.indices + n);
        }
        if (a.encoding == Encoding::dense) {
            for (int64_t e = begin; e < n; ++e) {
                lists.values[e] = a.dense.data[i * a.dense.row_stride + lists.indices[e]];
                ones &= lists.values[e] == T(1);
            }
        }
    }
    *start = n;
    if (ones) lists.values = nullptr;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
