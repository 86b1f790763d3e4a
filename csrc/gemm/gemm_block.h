// One block of C from packed operands: sums over all of k, before the epilogue.
#pragma once

#include "gemm/gemm_pack.h"
#include "gemm/gemm_plan.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A depth block of a panel, and what is read after it.
template <class T>
struct Slice {
    const T* now;
    const T* next;
};

// The part of what follows a slice that a tile brings near, or what is near.
template <class T>
LW_INLINE const T* part_ahead(const Slice<T>& s, int64_t size, int64_t offset) {
    return offset < size ? s.next + offset : s.now;
}

// Depths that follow each other, [k, k + depth) and from next_k on; the last is followed by the
// first, of the next task.
struct Depth {
    int64_t k, depth, next_k;
};

// Panel q of B against all row panels of A, over one depth block. Its tiles bring the next panel of
// B, a part each, and each the q-th part of its panel of A over the next depth block: 1/7 faster at
// 2048^3 where L3 is far (Emerald Rapids).
template <class T>
static void dense_panel(const Plan& p, const Depth& d, int64_t q, const T* a, const Slice<T>& b,
                        int64_t rows, const Sums<T>& from, const Sums<T>& to) {
    const bool first = d.k == 0;
    // Own rows are packed for one depth block at a time.
    const int64_t packed = p.own_rows ? d.depth : p.k;
    const int64_t now = p.own_rows ? 0 : d.k, next = p.own_rows ? 0 : d.next_k;
    const int64_t step = reach<T>(d.depth);
    int64_t ahead = 0;
    for (int64_t r = 0; r < rows; r += p.height, ahead += step) {
        const int64_t height = min_of(p.height, rows - r);
        const T* panel = a + r * packed;
        const Slice<T> slice = {panel + now * height, panel + next * height};
        const bool last = r + height >= rows;
        const int64_t row = last ? 0 : r + height, col = last ? Tile<T>::width : 0;
        dense_tile_of<T>(height, first)(d.depth, slice.now, b.now, from.at(r, 0), to.at(r, 0),
                                        {part_ahead(slice, d.depth * height, q * step),
                                         part_ahead(b, d.depth * Tile<T>::width, ahead),
                                         from.at(row, col).data, to.at(row, col).data});
    }
}

// The sums grow in s, where those of the first `whole` columns, a multiple of the width, end in
// `result`. pack(k0, k1) is called before k from k0 to k1 is read.
template <class T, class Pack>
static void dense_block(const Plan& p, const T* a, const T* b, int64_t rows, int64_t cols,
                        const Sums<T>& s, int64_t whole, const Sums<T>& result, const Pack& pack) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t panels = ceil_div(cols, width);
#ifdef LW_CORRUPT_K_TAIL
    const int64_t k_end = p.k - 1;
#else
    const int64_t k_end = p.k;
#endif
    if (k_end <= 0)
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < panels * width; ++j)
                (j < whole ? result : s).at(r, j).data[0] = T(0);
    for (int64_t k = 0; k < k_end; k += p.depth) {
        const int64_t depth = min_of(p.depth, k_end - k);
        const Depth d = {k, depth, k + depth < k_end ? k + depth : 0};
        pack(k, k + depth);
        for (int64_t q = 0; q < panels; ++q) {
            const T* panel = b + (q * p.k + k) * width;
            const T* next = q + 1 < panels ? panel + p.k * width : b + d.next_k * width;
            const Sums<T>& to = k + depth < k_end || q * width >= whole ? s : result;
            dense_panel(p, d, q, a, {panel, next}, rows, s.at(0, q * width), to.at(0, q * width));
        }
    }
}

// Lines of a sparse operand against `cols` columns of a packed one, b their first panel.
template <class T>
static void sparse_block(const SparseLines<T>& x, const T* b, int64_t k, int64_t cols,
                         const Sums<T>& s) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t panels = ceil_div(cols, width), stride = k * width;
    for (int64_t q = 0; q < panels; q += sparse_panels) {
        const SparseTile<T> tile =
            sparse_tile_of<T>(min_of(sparse_panels, panels - q), x.values != nullptr);
        for (int64_t c = 0; c < x.chunks; ++c) {
            const T* rows = b + q * stride + x.k_of(c) * width;
            for (int64_t r = 0; r < x.lines; ++r) {
                const int64_t at = c * x.lines + r;
                if (c > 0 && x.words[at] == 0) continue;
                const T* values = x.values ? x.values + x.start[at] : nullptr;
                tile(x.words[at], values, rows, stride, c == 0, s.data + r * s.ld + q * width);
            }
        }
    }
}

// out (cols, rows) is s (rows, cols) transposed. Whole vectors are read and written: both have room
// up to the next multiple of lanes in either direction.
template <class T>
static void transpose_block(const Sums<T>& s, int64_t rows, int64_t cols, const Sums<T>& out) {
    for (int64_t r = 0; r < rows; r += lanes<T>) {
        for (int64_t c = 0; c < cols; c += lanes<T>) {
            Vec<T> v[lanes<T>];
            for (int64_t i = 0; i < lanes<T>; ++i) v[i] = load(s.data + (r + i) * s.ld + c);
            transpose<T>(v);
            for (int64_t i = 0; i < lanes<T>; ++i) store(out.data + (c + i) * out.ld + r, v[i]);
        }
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
