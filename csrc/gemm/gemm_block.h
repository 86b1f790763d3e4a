// One block of C from packed operands: sums over all of k, before the epilogue.
#pragma once

#include "gemm/gemm_pack.h"
#include "gemm/gemm_plan.h"

namespace layerwise::LW_ISA_NAMESPACE {

// The next panel of B comes from L3 or memory while the tiles of this one run: 1/5 faster at
// 1024^3.
template <class T>
LW_INLINE void prefetch(const T* p, int64_t n) {
    for (int64_t i = 0; i < n; i += 64 / static_cast<int64_t>(sizeof(T)))
        __builtin_prefetch(p + i, 0, 2);
}

// Where a block's sums are kept while they grow.
template <class T>
struct Sums {
    T* data;
    int64_t ld;
};

// One panel of B against all row panels of A, over one depth block.
template <class T>
static void dense_panel(const Plan& p, int64_t k, int64_t depth, const T* a, const T* b,
                        const T* b_next, int64_t rows, const Sums<T>& s) {
    const bool first = k == 0;
    const int64_t share = ceil_div(depth * Tile<T>::width, ceil_div(rows, p.height));
    const DenseTile<T> tile = dense_tile_of<T>(p.height, first);
    int64_t r = 0;
    for (int64_t i = 0; r + p.height <= rows; r += p.height, i += share) {
        prefetch(b_next + i, share);
        tile(depth, a + r * p.k + k * p.height, b, s.data + r * s.ld, s.ld);
    }
    if (const int64_t height = rows - r; height > 0)
        dense_tile_of<T>(height, first)(depth, a + r * p.k + k * height, b, s.data + r * s.ld,
                                        s.ld);
}

// pack(k0, k1) is called before rows [k0, k1) of b are read.
template <class T, class Pack>
static void dense_block(const Plan& p, const T* a, const T* b, int64_t rows, int64_t cols,
                        const Sums<T>& s, const Pack& pack) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t panels = ceil_div(cols, width);
#ifdef LW_CORRUPT_K_TAIL
    const int64_t k_end = p.k - 1;
#else
    const int64_t k_end = p.k;
#endif
    if (k_end <= 0)
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < panels * width; ++j) s.data[r * s.ld + j] = T(0);
    for (int64_t k = 0; k < k_end; k += p.depth) {
        const int64_t depth = min_of(p.depth, k_end - k);
        pack(k, k + depth);
        for (int64_t q = 0; q < panels; ++q) {
            const T* panel = b + (q * p.k + k) * width;
            const T* next = panel + (q + 1 < panels ? p.k * width : 0);
            const Sums<T> columns = {s.data + q * width, s.ld};
            dense_panel(p, k, depth, a, panel, next, rows, columns);
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
