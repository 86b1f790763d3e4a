// Operands packed for many tiles: B for all tasks or for one, A by blocks of rows.
#pragma once

#include "core/parallel_tasks.h"
#include "gemm/gemm.h"
#include "gemm/gemm_pack.h"
#include "gemm/gemm_plan.h"

namespace layerwise::LW_ISA_NAMESPACE {

// The second operand: [b; tail_scale tail].
template <class T>
struct Stacked {
    const Operand<T>& b;
    const Operand<T>& tail;
    T tail_scale;
};

// Rows [k0, k1) of columns [j0, j0 + n) of b into panels of k_total rows, of which b fills those
// from `first` on.
template <class T, class S>
static void pack_b_rows(const Operand<T>& b, T scale, int64_t k0, int64_t k1, int64_t j0, int64_t n,
                        int64_t first, int64_t k_total, S* out) {
    // Long runs along the memory of B: down one panel where its columns are contiguous, else across
    // panels, a few rows at a time so that they stay in L1 from panel to panel.
    constexpr int64_t width = Tile<T>::width;
    const bool columns = b.encoding == Encoding::dense && b.dense.row_stride == 1;
    const int64_t run = columns ? k1 - k0 : 16;
    for (int64_t k = k0; k < k1; k += run)
        for (int64_t j = 0; j < n; j += width)
            pack_b_panel(b, k, min_of(k + run, k1), j0 + j, scale,
                         out + j * k_total + (first + k) * stored_width<T>(n - j));
}

// The same of both operands, into panels that begin at row `origin`.
template <class T, class S>
static void pack_b_block(const Stacked<T>& s, int64_t k0, int64_t k1, int64_t j0, int64_t n, S* out,
                         int64_t origin = 0) {
    const int64_t k_b = operand_rows(s.b), k = k_b + operand_rows(s.tail), tail = k_b - origin;
    pack_b_rows(s.b, T(1), k0, min_of(k1, k_b), j0, n, -origin, k, out);
    pack_b_rows(s.tail, s.tail_scale, max_of(k0 - k_b, 0), k1 - k_b, j0, n, tail, k, out);
}

// All of columns [j0, j0 + n).
template <class T, class S>
static Status pack_b_columns(const Stacked<T>& s, int64_t j0, int64_t n, S* out,
                             const Target& target) {
    constexpr int64_t width = Tile<T>::width, rows_per_task = 256, cols_per_task = 4 * width;
    const int64_t k = operand_rows(s.b) + operand_rows(s.tail);
    const int64_t chunks = ceil_div(k, rows_per_task);
    const auto cost =
        2.0 * static_cast<double>(min_of(k, rows_per_task) * min_of(n, cols_per_task));
    return parallel(target, chunks * ceil_div(n, cols_per_task), cost, [&](int64_t task, int) {
        const int64_t k0 = task % chunks * rows_per_task, j = task / chunks * cols_per_task;
        pack_b_block(s, k0, min_of(k0 + rows_per_task, k), j0 + j, min_of(cols_per_task, n - j),
                     out + j * k);
    });
}

// Share of the elements of a few rows that are not zero.
template <class T>
static double sampled_density(const Operand<T>& x, int64_t i0, int64_t rows) {
    constexpr int64_t enough = 8192;  // elements
    const int64_t wanted = max_of(min_of(enough / max_of(operand_cols(x), 1), 8), 2);
    const int64_t step = max_of(ceil_div(rows, wanted), 1);
    int64_t found = 0, seen = 0;
    for (int64_t i = i0; i < i0 + rows; i += step, seen += operand_cols(x))
        found += count_nonzeros(x, i, 1, operand_cols(x));
    return static_cast<double>(found) / static_cast<double>(max_of(seen, 1));
}

// A few rows that are nearly full spare a dense matrix the count of all its elements.
template <class T>
static bool looks_dense(const Operand<T>& x, int64_t i0, int64_t rows) {
    return sampled_density(x, i0, rows) > 2 * sparse_threshold;
}

// Are the rows sparse enough?
template <class T>
static bool wants_sparse_a(const GemmArgs<T>& g, int64_t i0, int64_t rows) {
    const Operand<T>& a = g.a;
    if (operand_cols(g.a_tail) > 0 || operand_cols(a) == 0 || !has_dense_rows(a)) return false;
    if (a.encoding == Encoding::dense && looks_dense(a, i0, rows)) return false;
    const double threshold = a.encoding == Encoding::bits ? bits_threshold : sparse_threshold;
    const int64_t limit = most_nonzeros(threshold, rows * operand_cols(a));
    return count_nonzeros(a, i0, rows, limit) <= limit;
}

// Rows [i0, i0 + rows), columns [k0, k1) of [a, tail] into panels of that depth.
template <class T>
static void pack_a_rows(const GemmArgs<T>& g, int64_t height, int64_t i0, int64_t rows, int64_t k0,
                        int64_t k1, T* out) {
#ifdef LW_CORRUPT_SIGN
    const T scale = -g.tail_scale;
#else
    const T scale = g.tail_scale;
#endif
    // Columns that are contiguous go a few at a time through all panels, so that they stay in L1
    // from one to the next: 2 to 12% of a product.
    const int64_t k_a = operand_cols(g.a), depth = k1 - k0;
    const bool columns = has_dense_columns(g.a) && has_dense_columns(g.a_tail);
    const int64_t run = columns ? 16 : max_of(depth, 1);
    for (int64_t k = k0; k < k1; k += run) {
        const int64_t end = min_of(k + run, k1), before = max_of(min_of(end, k_a) - k, 0);
        for (int64_t r = 0; r < rows; r += height) {
            const int64_t n = min_of(height, rows - r);  // the last panel may be lower
            T* const to = out + r * depth + (k - k0) * n;
            pack_a_panel(g.a, i0 + r, n, k, min_of(end, k_a), T(1), to);
            pack_a_panel(g.a_tail, i0 + r, n, max_of(k - k_a, 0), end - k_a, scale,
                         to + before * n);
        }
    }
}

// Own rows that are not sparse are packed later, a depth block at a time.
template <class T>
static ABlock<T> pack_a_block(const GemmArgs<T>& g, const Plan& p, int64_t i0, int64_t rows,
                              void* memory) {
    if (!p.dense_a && wants_sparse_a(g, i0, rows)) {
        ABlock<T> block = {nullptr, empty_lines<T>(rows, p.k, 0, memory)};
        char* values = static_cast<char*>(memory) + sparse_bytes(rows, block.sparse.chunks);
        sparse_rows(g.a, i0, block.sparse, reinterpret_cast<T*>(values));
        return block;
    }
    T* const panels = static_cast<T*>(memory);
    if (!p.own_rows && !p.a_in_place) pack_a_rows(g, p.height, i0, rows, 0, p.k, panels);
    return {panels, {}};
}

// The blocks of rows that all tasks read, from row i0 on, into memory. Where there are few, and
// they are sure to be dense, a task packs some of a block's panels: 5% of a product of 100 rows.
template <class T>
static Status pack_shared_rows(const GemmArgs<T>& g, const Plan& p, int64_t i0, ABlock<T>* blocks,
                               char* memory, const Target& target) {
    const int64_t panels = ceil_div(p.block_rows, p.height), wanted = 2 * target.num_threads;
    const bool whole = !p.dense_a || p.a_in_place || p.shared_blocks >= target.num_threads;
    const int64_t part_rows = (whole ? panels : ceil_div(panels, wanted)) * p.height;
    const int64_t parts = ceil_div(p.block_rows, part_rows);
    const double cost = p.a_in_place ? 0 : 2 * static_cast<double>(part_rows * p.k);
    return parallel(target, p.shared_blocks * parts, cost, [&](int64_t task, int) {
        const int64_t block = task / parts, i = first_row(p, block);
        const int64_t rows = first_row(p, block + 1) - i, first = task % parts * part_rows;
        if (first >= rows) return;
        void* const at = memory + static_cast<size_t>(block) * p.a_block_bytes;
        T* const out = static_cast<T*>(at);
        if (whole) {
            blocks[block] = pack_a_block(g, p, i0 + i, rows, at);
            return;
        }
        if (first == 0) blocks[block] = {out, {}};
        pack_a_rows(g, p.height, i0 + i + first, min_of(part_rows, rows - first), 0, p.k,
                    out + first * p.k);
    });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
