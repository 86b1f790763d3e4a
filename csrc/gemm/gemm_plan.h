// How a product is cut up. Nothing here shows in the result.
#pragma once

#include "gemm/gemm_low_tile.h"
#include "gemm/gemm_sparse.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Blocks of rows of A that are sparser than this are taken as sparse, and B as a whole.
constexpr double sparse_threshold = 0.40;
// Bits need no values looked up beside them.
constexpr double bits_threshold = 0.60;

// FLOPs of a tile in the time of one of the loops for which parallel_for's limits are made: it
// wakes a second thread for more than 5e4 of these, 8 us or so. Products of fewer are one task.
constexpr double tile_rate = LW_VECTOR_BYTES / 2;
constexpr double min_team_flops = 5e4 * tile_rate;

// Rows of a block that is packed as panels: so many at most, and where it is cut for more tasks so
// many at least.
template <class T>
constexpr int64_t most_rows = LW_VECTOR_BYTES == 64 ? 256 : 20 * Tile<T>::max_height;
template <class T>
constexpr int64_t least_rows = most_rows<T> * 2 / 5;

LW_INLINE size_t padded(int64_t bytes) { return static_cast<size_t>(round_up(bytes, 64)); }

// Non-zeros of that many elements at the threshold.
LW_INLINE int64_t most_nonzeros(double threshold, int64_t elements) {
    return static_cast<int64_t>(threshold * static_cast<double>(elements));
}

LW_INLINE int64_t sparse_capacity(int64_t lines, int64_t k) {
    return most_nonzeros(sparse_threshold, lines * k) + 64;
}

template <class T>
static size_t packed_b_bytes(int64_t k, int64_t n, Storage storage = Storage::full) {
    const int64_t size = storage == Storage::full ? sizeof(T) : sizeof(Bfloat16);
    const int64_t last = n % Tile<T>::width;
    // Sparse tiles read two vectors at a time, where the last panel may have an odd number.
    return padded((n - last + stored_width<T>(last)) * k * size) + 64;
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
    int64_t block_rows;  // rows of a task at most, a multiple of height: see first_row
    int64_t block_cols;  // columns of a task at most, a multiple of 64: see first_column
    int64_t shares;      // of rows, in which blocks become lower
    int64_t row_blocks, col_blocks;
    int64_t shared_blocks;  // of rows, that are packed first, for all tasks
    int64_t ld;             // row stride of a block's sums, off the powers of two
    int64_t depth;          // k of one pass over a block
    bool own_rows;          // each task packs the rows of A that it reads, a depth at a time
    bool own_columns;       // each task packs the columns of B that it reads
    bool a_in_place;        // A is not packed
    bool b_in_place;        // nor B, but columns that fill no panel where A may be sparse
    bool b_later;           // a panel of B is packed for all by the first task that reads it
    bool dense_a;           // A is taken as dense without a look at its blocks
    size_t table_bytes, a_block_bytes;
    size_t b_bytes;  // of all of B packed, where this call packs it, with the states of its panels
    size_t state_bytes;  // 0 where each task copies for itself what it reads in place
    // Of one thread: its sums, its own rows or columns, a copy of a panel of B.
    size_t sums_bytes, copy_bytes, scratch_bytes;
    size_t bytes;
};

// With an epilogue, which costs an element what some 32 k do.
LW_INLINE double flops_of(int64_t m, int64_t n, int64_t k) {
    return 2 * static_cast<double>(m) * static_cast<double>(n) * (static_cast<double>(k) + 32);
}

struct Cuts {
    int64_t rows, cols;
};

// Blocks of all rows against all columns, or against as many as keep a task short.
template <class T>
static Cuts own_row_cuts(int64_t m, int64_t n, int64_t k, int threads) {
    int64_t rows = round_up(ceil_div(m, most_rows<T>), threads);
    const int64_t enough = threads > 1 ? 4 * threads : 1;
    while (rows < enough && m / (rows + threads) >= least_rows<T>) rows += threads;
    const int64_t most = max_of((int64_t(1) << 24) / max_of(k, 1), max_segment);
    return {rows, max_of(ceil_div(n, min_of(most, 2048)), 1)};
}

LW_INLINE int64_t words_of(int64_t cols) { return ceil_div(cols, 64); }

// Of so many panels in n blocks that become lower from first to last, 5 : 1, those before the i-th.
LW_INLINE int64_t lowering(int64_t panels, int64_t i, int64_t n) {
    return panels * i * (5 * n - 2 * i) / (3 * n * n);
}

// Where a block of rows begins: they are whole panels, but for the last; some may be empty.
LW_INLINE int64_t first_row(const Plan& p, int64_t block) {
    const int64_t each = p.row_blocks / p.shares, share = block / each;
    const int64_t panels = ceil_div(p.m, p.height), first = panels * share / p.shares;
    const int64_t end = panels * (share + 1) / p.shares;
    return min_of((first + lowering(end - first, block % each, each)) * p.height, p.m);
}

// Where a block of columns begins: they are whole words, as many in each as can be.
LW_INLINE int64_t first_column(const Plan& p, int64_t block) {
    return min_of(words_of(p.n) * block / p.col_blocks * 64, p.n);
}

// The time that tasks of that size take, in elements of C. A block of rows that packs the columns
// it reads needs that of ten rows more, a block of columns that of a few columns.
template <class T>
static int64_t time_of(const Cuts& cuts, int64_t m, int64_t n, bool packed_b, int threads) {
    constexpr int64_t beside = lanes<T> / 4;
    const int64_t rows = ceil_div(m, cuts.rows) + (packed_b ? 0 : 10);
    const int64_t words = words_of(n), blocks = min_of(cuts.cols, words), each = words / blocks;
    const int64_t tasks = cuts.rows * blocks, large = cuts.rows * (words - blocks * each);
    const auto time = [&](int64_t cols) { return rows * (min_of(cols, n) + beside); };
    const int64_t all = cuts.rows * rows * (round_up(n, lanes<T>) + blocks * beside);
    return max_of(max_of(ceil_div(tasks, threads) * time(each * 64), ceil_div(all, threads)),
                  ceil_div(large, threads) * time(each * 64 + 64));
}

// Columns of a segment each; where that is few tasks, more of them, until they are small. Then
// they may be uneven, or too many for little work: other cuts, if they end sooner.
template <class T>
static Cuts shared_cuts(int64_t m, int64_t n, int64_t k, bool packed_b, int threads) {
    Cuts cuts = {max_of(ceil_div(m, most_rows<T>), 1), max_of(ceil_div(n, max_segment), 1)};
    if (cuts.rows * cuts.cols >= 4 * threads || flops_of(m, n, k) < min_team_flops) return cuts;
    const bool little = flops_of(m, n, k) < 16 * min_team_flops;
    const Cuts least = cuts;
    while (cuts.rows * cuts.cols < 4 * threads) {
        if (n / cuts.cols > 128)
            ++cuts.cols;
        else if (m / cuts.rows > least_rows<T>)
            ++cuts.rows;
        else
            break;
    }
    int64_t soonest = time_of<T>(cuts, m, n, packed_b, threads);
    for (int64_t tasks = threads; tasks <= 2 * threads; tasks += threads)
        for (int64_t cols = least.cols; cols <= tasks; cols *= 2) {
            const Cuts other = {max_of(least.rows, tasks / cols), cols};
            const int64_t time = time_of<T>(other, m, n, packed_b, threads);
            const bool simpler = other.rows * other.cols < cuts.rows * cuts.cols && little;
            if (20 * time < (simpler ? 20 : 19) * soonest) soonest = time, cuts = other;
        }
    return cuts;
}

// Blocks of up to 256 lines, for which the rows of B that a strip of columns reads are copied once;
// of few rows, so many strips that there are tasks enough.
template <class T>
static Cuts sparse_cuts(int64_t m, int64_t n, int threads) {
    constexpr int64_t strip = strip_width<T>, most_lines = 256, least_lines = 64;
    Cuts cuts = {max_of(ceil_div(m, most_lines), 1), max_of(ceil_div(n, max_segment), 1)};
    while (cuts.rows * cuts.cols < 2 * threads) {
        if (n / cuts.cols > strip)
            ++cuts.cols;
        else if (m / cuts.rows > least_lines)
            ++cuts.rows;
        else
            break;
    }
    return cuts;
}

// `dense_a`: A is likely to be packed as panels; `whole`: are these all rows of C?
template <class T>
static Plan make_plan(int64_t m, int64_t n, int64_t k, bool packed_b, bool dense_a, int threads,
                      bool whole = true) {
    Plan p{};
    p.m = m, p.n = n, p.k = k;
    constexpr int64_t max_height = Tile<T>::max_height;
    // A block of rows that stays in L2 while B and C pass by: its copy is never read from further
    // away. 2 to 5% at 1024^3 and 2048^3, 11% at (10000,500,784); where blocks are lower they read
    // B too often: 2% slower at v3. One block for one thread is as well packed before.
    p.own_rows = dense_a && LW_VECTOR_BYTES == 64 && m >= 2 * threads * least_rows<T> &&
                 (threads > 1 || m > most_rows<T>);
    const Cuts cuts = p.own_rows ? own_row_cuts<T>(m, n, k, threads)
                      : dense_a  ? shared_cuts<T>(m, n, k, packed_b, threads)
                                 : sparse_cuts<T>(m, n, threads);
    const int64_t rows = max_of(ceil_div(m, cuts.rows), 1);
    p.height = ceil_div(rows, ceil_div(rows, max_height));
    p.block_rows = round_up(rows, p.height);
    p.col_blocks = max_of(min_of(cuts.cols, words_of(n)), 1);
    p.block_cols = max_of(ceil_div(words_of(n), p.col_blocks), 1) * 64;
    p.ld = p.block_cols + line<T>;
    p.row_blocks = p.shares = max_of(ceil_div(m, p.block_rows), 1);
    // A thread that is done sooner takes blocks of another's share: low ones, for which that one
    // waits less, 1 to 3% from 1000 to 2048 a side (cores that others use too). Many are low
    // enough.
    constexpr int64_t many = 16;  // of a thread
    if (p.own_rows && p.col_blocks == 1 && threads > 1 && p.row_blocks <= many * threads) {
        const int64_t panels = ceil_div(ceil_div(m, p.height), threads);
        const int64_t most = most_rows<T> / p.height;
        int64_t each = max_of(ceil_div(p.row_blocks, threads), panels * 5 / (3 * most));
        while (lowering(panels, 1, each) >= most) ++each;
        p.shares = threads, p.row_blocks = each * threads;
        p.block_rows = (lowering(panels, 1, each) + 1) * p.height;
    }
    // Columns that one task alone reads it packs just before, if there is a task for every thread
    // or few rows, which need no packing as a rule. It has memory for rows or for columns.
    p.own_columns = !p.own_rows && !packed_b && whole && p.row_blocks == 1 &&
                    (p.col_blocks >= threads || m <= max_low<T>);
    p.depth = k > 0 ? ceil_div(k, ceil_div(k, Tile<T>::depth)) : 1;
    const int64_t size = sizeof(T);
    const int64_t dense = p.block_rows * (p.own_rows ? p.depth : k) * size;
    const int64_t sparse =
        sparse_bytes(p.block_rows, chunks_of(k)) + sparse_capacity(p.block_rows, k) * size;
    p.a_block_bytes = padded(dense > sparse ? dense : sparse);
    if (!packed_b && !p.own_columns) {
        // One block that is cut for more tasks would wait longer for panels that another core
        // packed: 15% at 128^3. Of several, 4% at 512^3, at v3 up to 12% from 200 rows on.
        if (m > most_rows<T>)
            p.state_bytes = padded(ceil_div(k, p.depth) * ceil_div(n, Tile<T>::width));
        p.b_bytes = packed_b_bytes<T>(k, n) + p.state_bytes;
    }
    p.sums_bytes = padded(p.block_rows * p.ld * size);
    p.scratch_bytes = p.sums_bytes;
    if (p.own_rows) p.scratch_bytes += p.a_block_bytes;
    if (p.own_columns) p.scratch_bytes += packed_b_bytes<T>(k, min_of(p.block_cols, n));
    p.copy_bytes = padded(p.depth * Tile<T>::width * size);
    p.scratch_bytes += p.copy_bytes;
    const int64_t team = min_of(threads, p.row_blocks * p.col_blocks);
    p.table_bytes = padded(p.row_blocks * static_cast<int64_t>(sizeof(ABlock<T>)));
    p.shared_blocks = p.own_rows ? 0 : p.row_blocks;
    p.bytes = p.b_bytes + p.table_bytes + static_cast<size_t>(p.shared_blocks) * p.a_block_bytes +
              static_cast<size_t>(team) * p.scratch_bytes;
    return p;
}

// The largest chunk of C, halving the longer side, whose workspace fits; k is never cut.
template <class T>
static Plan plan_within(int64_t m, int64_t n, int64_t k, bool packed_b, bool dense_a, int threads,
                        size_t bound) {
    for (const int64_t all = m;;) {
        const bool can_cut_n = n > 64 && !packed_b, can_cut_m = m > Tile<T>::max_height;
        if (bound > 0 || (!can_cut_n && !can_cut_m)) {
            const Plan p = make_plan<T>(m, n, k, packed_b, dense_a, threads, m == all);
            if (p.bytes <= bound || (!can_cut_n && !can_cut_m)) return p;
        }
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
