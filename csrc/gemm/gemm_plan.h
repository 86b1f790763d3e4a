// How a product is cut up. Nothing here shows in the result.
#pragma once

#include "gemm/gemm_sparse.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Blocks of rows of A that are sparser than this are taken as sparse, and B as a whole.
constexpr double sparse_threshold = 0.40;
// Bits need no values looked up beside them.
constexpr double bits_threshold = 0.60;

LW_INLINE size_t padded(int64_t bytes) { return static_cast<size_t>(round_up(bytes, 64)); }

// Non-zeros of that many elements at the threshold.
LW_INLINE int64_t most_nonzeros(double threshold, int64_t elements) {
    return static_cast<int64_t>(threshold * static_cast<double>(elements));
}

LW_INLINE int64_t sparse_capacity(int64_t lines, int64_t k) {
    return most_nonzeros(sparse_threshold, lines * k) + 64;
}

template <class T>
static size_t packed_b_bytes(int64_t k, int64_t n) {
    return padded(round_up(max_of(n, 1), Tile<T>::width) * k * static_cast<int64_t>(sizeof(T)));
}

// One block of rows of A: sparse where `panels` is null.
template <class T>
struct ABlock {
    const T* panels;
    SparseLines<T> sparse;
};

// One chunk of C as packed A times packed B.
struct Plan {
    int64_t m, n, k;
    int64_t height;      // rows of an A panel
    int64_t block_rows;  // rows of a task, a multiple of height
    int64_t block_cols;  // columns of a task, a multiple of 64
    int64_t row_blocks, col_blocks;
    int64_t ld;        // row stride of a block's sums, off the powers of two
    int64_t depth;     // k of one pass over a block
    bool own_columns;  // each task packs the columns of B that it reads
    size_t table_bytes, a_block_bytes;
    size_t b_bytes;                    // of all of B packed, where this call packs it
    size_t sums_bytes, scratch_bytes;  // of one thread; its own columns follow its sums
    size_t bytes;
};

// `whole`: are these all rows of C?
template <class T>
static Plan make_plan(int64_t m, int64_t n, int64_t k, bool packed_b, int threads,
                      bool whole = true) {
    Plan p{};
    p.m = m, p.n = n, p.k = k;
    constexpr int64_t max_height = Tile<T>::max_height;
    p.height = m > 0 ? ceil_div(m, ceil_div(m, max_height)) : 1;
    int64_t row_cuts = max_of(ceil_div(m, 20 * max_height), 1);
    int64_t col_cuts = max_of(ceil_div(n, max_segment), 1);
    while (row_cuts * col_cuts < 4 * threads) {  // small products: enough tasks to share out
        if (n / col_cuts > 128)
            ++col_cuts;
        else if (m / row_cuts > 8 * max_height)
            ++row_cuts;
        else if (row_cuts * col_cuts < threads && n / col_cuts > 64)
            ++col_cuts;
        else
            break;
    }
    p.block_rows = round_up(max_of(ceil_div(m, row_cuts), 1), p.height);
    p.block_cols = round_up(max_of(ceil_div(n, col_cuts), 1), 64);
    p.ld = p.block_cols + line<T>;
    p.row_blocks = ceil_div(m, p.block_rows);
    p.col_blocks = ceil_div(n, p.block_cols);
    // Columns that one task alone reads it packs just before, if there is a task for every thread.
    p.own_columns = !packed_b && whole && p.row_blocks == 1 && p.col_blocks >= threads;
    p.depth = k > 0 ? ceil_div(k, ceil_div(k, Tile<T>::depth)) : 1;
    const int64_t size = sizeof(T);
    const int64_t dense = (p.block_rows * k + lanes<T>)*size;
    const int64_t sparse =
        sparse_bytes(p.block_rows, chunks_of(k)) + sparse_capacity(p.block_rows, k) * size;
    p.a_block_bytes = padded(dense > sparse ? dense : sparse);
    p.b_bytes = packed_b || p.own_columns ? 0 : packed_b_bytes<T>(k, n);
    p.sums_bytes = padded(p.block_rows * p.ld * size);
    p.scratch_bytes =
        p.sums_bytes + (p.own_columns ? packed_b_bytes<T>(k, min_of(p.block_cols, n)) : 0);
    const int64_t team = min_of(threads, p.row_blocks * p.col_blocks);
    p.table_bytes = padded(p.row_blocks * static_cast<int64_t>(sizeof(ABlock<T>)));
    p.bytes = p.b_bytes + p.table_bytes + static_cast<size_t>(p.row_blocks) * p.a_block_bytes +
              static_cast<size_t>(team) * p.scratch_bytes;
    return p;
}

// The largest chunk of C, halving the longer side, whose workspace fits; k is never cut.
template <class T>
static Plan plan_within(int64_t m, int64_t n, int64_t k, bool packed_b, int threads, size_t bound) {
    for (const int64_t all = m;;) {
        const Plan p = make_plan<T>(m, n, k, packed_b, threads, m == all);
        const bool can_cut_n = n > 64 && !packed_b, can_cut_m = m > Tile<T>::max_height;
        if (p.bytes <= bound || (!can_cut_n && !can_cut_m)) return p;
        if (can_cut_n && (n >= m || !can_cut_m))
            n = round_up(n / 2, 64);
        else
            m = round_up(m / 2, Tile<T>::max_height);
    }
}

// C' = B' A' with B sparse: `lines` columns of B against `cols` rows of A a task.
struct SparseBPlan {
    int64_t m, n, k;
    int64_t lines, cols;  // multiples of 64, at most max_segment
    int64_t line_blocks, col_blocks;
    int64_t ld, transposed_ld;  // row strides of the sums as they grow, and transposed
    int64_t capacity;           // values of all the lines
    size_t a_bytes, table_bytes, words_bytes, values_bytes, scratch_bytes;  // words: of a block
    size_t bytes;
};

template <class T>
static SparseBPlan sparse_b_plan(int64_t m, int64_t n, int64_t k, int64_t chunks, int threads) {
    SparseBPlan p{};
    p.m = m, p.n = n, p.k = k;
    p.lines = n > 512 ? 128 : 64;
    p.cols = 128;
    p.line_blocks = ceil_div(n, p.lines), p.col_blocks = ceil_div(m, p.cols);
    const int64_t size = sizeof(T);
    p.ld = p.cols + line<T>, p.transposed_ld = p.lines + line<T>;
    p.capacity = sparse_capacity(n, k);
    p.a_bytes = packed_b_bytes<T>(k, m);
    p.table_bytes = padded(p.line_blocks * static_cast<int64_t>(sizeof(SparseLines<T>)));
    p.words_bytes = padded(sparse_bytes(p.lines, chunks));
    p.values_bytes = padded(p.capacity * size);
    p.scratch_bytes = padded((p.lines * p.ld + p.cols * p.transposed_ld) * size);
    const int64_t team = min_of(threads, p.line_blocks * p.col_blocks);
    p.bytes = p.a_bytes + p.table_bytes + static_cast<size_t>(p.line_blocks) * p.words_bytes +
              p.values_bytes + static_cast<size_t>(team) * p.scratch_bytes;
    return p;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
