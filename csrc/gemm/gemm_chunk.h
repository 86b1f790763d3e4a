// A chunk of C as independent tasks, each a block of rows against a block of columns.
#pragma once

#include "gemm/gemm_block.h"
#include "gemm/gemm_epilogue.h"
#include "gemm/gemm_operands.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Of the first `cols` columns of a block, those that are not packed before. Of those that tiles
// read in place only what fills panels, where lines may be sparse or part of a vector cannot be
// read at once.
template <class T>
LW_INLINE int64_t columns_left(const Plan& p, int64_t cols) {
    if (p.b_later) return cols;
    if (!p.b_in_place) return 0;
    return p.dense_a && has_masks ? cols : cols / Tile<T>::width * Tile<T>::width;
}

// How the sums of a block end: as they are (not all of them grow there, since rows of C may be a
// power of two apart: 3% at 2048^3), tile by tile, or in a pass over the block.
enum class Ending : uint8_t { stored, tiles, block };

template <class T>
static Ending ending_of(const GemmArgs<T>& g, int64_t k) {
    const Epilogue<T>& e = g.epilogue;
    if (!has_tile_end(e, g.mean)) return Ending::block;
    if (!e.step.w.data && e.alpha == T(1) && !e.bias.data && e.activation == Activation::none)
        return Ending::stored;
    return k >= least_k_of_tile_end ? Ending::tiles : Ending::block;
}

// B packed, or room for those columns that tiles pack as they go.
template <class T, class S>
struct PackedB {
    const S* panels = nullptr;
    T* room = nullptr;
    uint8_t* states = nullptr;
};

// A block of C: its sums over all of k, then the epilogue. What tasks pack for themselves, rows or
// columns, they pack a depth block at a time before tiles read it.
template <class T, class S>
struct Task {
    static constexpr int64_t width = Tile<T>::width;

    const GemmArgs<T>& g;
    const Plan& p;
    const PackedB<T, S>& b;        // of the chunk that begins at column j0
    int64_t i, rows, j0, j, cols;  // rows from i, columns from j0 + j
    Sums<T> sums;
    T* own;      // memory for own rows or columns
    T* copy;     // and for a panel
    bool dense;  // are the rows?
    int64_t left = columns_left<T>(p, cols);
    // From one own panel to the next. Where each is packed, read and done with they share their
    // memory, which stays in L2.
    int64_t own_panel_k = dense && low_panels<T>(rows) <= 1 ? 0 : p.k;

    S* own_columns() const { return reinterpret_cast<S*>(own); }

    void pack_rows(int64_t k0, int64_t k1) const {
        if (p.own_rows && !p.a_in_place) pack_a_rows(g, p.height, i, rows, k0, k1, own);
    }

    // Of its columns [first, first + n).
    void pack_columns(int64_t first, int64_t n, int64_t k0, int64_t k1) const {
        if (p.own_columns && first >= left)
            pack_b_block(Stacked<T>{g.b, g.b_tail, T(1)}, k0, k1, j0 + j + first, n,
                         own_columns() + first * own_panel_k);
    }

    void pack_panel(int64_t q, int64_t k0, int64_t k1) const {
        pack_columns(q * width, min_of(width, cols - q * width), k0, k1);
    }

    // A part of a panel to where it is read.
    void pack_part(const PanelPart& x, T* out) const {
        pack_b_block(Stacked<T>{g.b, g.b_tail, T(1)}, x.k, x.k + x.depth, j0 + j + x.q * width,
                     x.cols, out, x.k);
    }

    Columns<T, S> columns() const {
        Columns<T, S> found;
        found.panels.packed = p.own_columns ? own_columns() : b.panels + j * p.k;
        found.panels.packed_k = p.own_columns ? own_panel_k : p.k;
        found.copy = copy;
        if (p.b_in_place)
            found.panels.leave_in(g.b.dense, j0 + j, left);
        else
            found.panels.first_packed = left;
        if (left > 0 && b.states) {
            found.shared = b.room + j * p.k;
            found.states = b.states + j / width;
            found.ld = ceil_div(p.n, width);
        }
        if ((p.own_columns || p.b_later) && g.b.encoding == Encoding::dense &&
            g.b.dense.row_stride == 1 && operand_cols(g.a_tail) == 0) {
            found.source = g.b.dense;
            found.source.data += (j0 + j) * g.b.dense.col_stride;
        }
        return found;
    }

    // Sums that need no pass over the block end as soon as a tile has them.
    Result<T> result(Ending ending, const TileEnd<T>& tiles) const {
        Result<T> found = {0, sums};
        if (ending == Ending::stored) {
            const Matrix<T>& x = g.mean;
            found.cols = dense ? cols : cols / width * width;  // sparse tiles write whole panels
            found.sums = {x.data + i * x.row_stride + j0 + j, x.row_stride};
        } else if (ending == Ending::tiles) {
            found.cols = cols;
            found.tiles = &tiles;
        }
        return found;
    }

    // Panels of B are shared by packing them where they are left in place: each of the team begins
    // elsewhere.
    void run(const ABlock<T>& a, Ending ending, int64_t thread, int64_t team) const {
        const TileEnd<T> tiles = {g.epilogue, g.mean, i, j0 + j};
        Result<T> end = result(ending, tiles);
        const Columns<T, S> across = columns();
        if (a.panels) {
            Panels<T> lines = {.packed = a.panels, .packed_k = p.k};
            if (p.a_in_place) lines.leave_in(transposed(g.a.dense), i, rows);
            const int64_t first = across.states ? ceil_div(cols, width) * thread / team : 0;
            DenseBlock<T, S, Task>{p, lines, across, rows, cols, sums, end, *this}.run(first);
        } else {
            if (end.tiles) end.cols = 0;
            pack_columns(left, cols - left, 0, p.k);
            const auto next = [](int64_t, const SparseAhead<S>& ahead) { return ahead; };
            sparse_block(a.sparse, across.panels, 0, end.cols, end.sums, next);
            sparse_block(a.sparse, across.panels, end.cols, cols, sums.at(0, end.cols), next);
        }
        finish_block(g, i, rows, j0 + j + end.cols, cols - end.cols, sums.data + end.cols, sums.ld);
    }
};

// Rows [i0, i0 + p.m), columns [j0, j0 + p.n) of C.
template <class T, class S>
static Status run_chunk(const GemmArgs<T>& g, const Plan& p, int64_t i0, int64_t j0,
                        const PackedB<T, S>& b, char* memory, const Target& target) {
    auto* blocks = reinterpret_cast<ABlock<T>*>(memory);
    char* a_memory = memory + p.table_bytes;
    char* scratch = a_memory + static_cast<size_t>(p.shared_blocks) * p.a_block_bytes;
    const Status packed = pack_shared_rows(g, p, i0, blocks, a_memory, target);
    if (packed != Status::ok) return packed;
    const Ending ending = ending_of(g, p.k);
    const int64_t team = min_of(target.num_threads, p.row_blocks * p.col_blocks);
    const double cost = flops_of(p.block_rows + p.own_columns, p.block_cols, p.k) / tile_rate;
    return parallel(target, p.row_blocks * p.col_blocks, cost, [&](int64_t index, int thread) {
        const int64_t block = index % p.row_blocks, column_block = index / p.row_blocks;
        const int64_t first = first_row(p, block), rows = first_row(p, block + 1) - first;
        const int64_t i = i0 + first;
        if (rows == 0) return;
        const int64_t j = first_column(p, column_block);
        char* const own = scratch + static_cast<size_t>(thread) * p.scratch_bytes;
        const auto at = [&](size_t offset) { return reinterpret_cast<T*>(own + offset); };
        T* const memory_for_own = at(p.sums_bytes);
        const ABlock<T> a =
            p.own_rows ? pack_a_block(g, p, i, rows, memory_for_own) : blocks[block];
        const Task<T, S> task = {.g = g,
                                 .p = p,
                                 .b = b,
                                 .i = i,
                                 .rows = rows,
                                 .j0 = j0,
                                 .j = j,
                                 .cols = first_column(p, column_block + 1) - j,
                                 .sums = {at(0), p.ld},
                                 .own = memory_for_own,
                                 .copy = at(p.scratch_bytes - p.copy_bytes),
                                 .dense = a.panels != nullptr};
        task.run(a, ending, thread, team);
    });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
