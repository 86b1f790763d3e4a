// How the dense kernels go through memory: vectors along a row of any stride, matrices cut into
// tasks, and the tree that fixes the order of a long sum. Include from *_cpu.cpp files only.
#pragma once

#include "core/operand.h"
#include "dense/straighten.h"

namespace layerwise::LW_ISA_NAMESPACE {

// v with `fill` from lane n on.
template <class T>
LW_INLINE Vec<T> pad_lanes(Vec<T> v, int64_t n, T fill) {
    return select<T>(first_lanes<T>(n), v, splat(fill));
}

// visit(first, n) for each vector of `size` elements; all but the last have n == lanes<T>.
template <class T, class Visit>
LW_INLINE void for_each_vector(int64_t size, Visit visit) {
    int64_t i = 0;
    for (; i + lanes<T> <= size; i += lanes<T>) visit(i, lanes<T>);
    if (i < size) visit(i, size - i);
}

// A matrix cut into tasks of about 16 Ki elements. Tiles start at multiples of a power of
// two, so a counter of four random words never straddles two of them.
struct Tiling {
    int64_t rows = 0, cols = 0;
    int64_t tile_rows = 1, tile_cols = 1;
    int64_t across = 0, tasks = 0;
};

struct Tile2d {
    int64_t row, row_end, col, cols;
};

LW_INLINE Tiling tiling_of(int64_t rows, int64_t cols) {
    constexpr int64_t elements = 16384;
    Tiling t{rows, cols};
    t.tile_cols = elements;
    t.across = ceil_div(cols, t.tile_cols);
    t.tile_rows = max_of(1, elements / max_of(1, min_of(cols, elements)));
    t.tasks = ceil_div(rows, t.tile_rows) * t.across;
    return t;
}

LW_INLINE Tile2d tile_at(const Tiling& t, int64_t task) {
    const int64_t row = task / t.across * t.tile_rows, col = task % t.across * t.tile_cols;
    return {row, min_of(row + t.tile_rows, t.rows), col, min_of(t.tile_cols, t.cols - col)};
}

LW_INLINE double elements_per_task(const Tiling& t) {
    return static_cast<double>(t.tile_rows) * static_cast<double>(min_of(t.tile_cols, t.cols));
}

// Sums of `width` vectors over many blocks, as the binary tree that a counter of blocks draws:
// level i holds the sum of 2^i neighbouring blocks. The order depends on the number of blocks
// alone.
template <class T, int width>
struct TreeSum {
    Vec<T> level[58][width];
    uint64_t blocks = 0;
};

template <class T, int width>
LW_INLINE void add_block(TreeSum<T, width>& tree, Vec<T>* block) {
    int i = 0;
    for (; tree.blocks >> i & 1; ++i)
        for (int j = 0; j < width; ++j) block[j] = tree.level[i][j] + block[j];
    for (int j = 0; j < width; ++j) tree.level[i][j] = block[j];
    ++tree.blocks;
}

// The whole sum into out: the unpaired levels from the smallest up; zero where there was no block.
template <class T, int width>
LW_INLINE void finish(const TreeSum<T, width>& tree, Vec<T>* out) {
    for (int j = 0; j < width; ++j) out[j] = Vec<T>{};
    bool any = false;
    for (int i = 0; tree.blocks >> i; ++i) {
        if (!(tree.blocks >> i & 1)) continue;
        for (int j = 0; j < width; ++j) out[j] = any ? tree.level[i][j] + out[j] : tree.level[i][j];
        any = true;
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
