// One block of C: sums over all of k, before the epilogue.
#pragma once

#include "gemm/gemm_pack.h"
#include "gemm/gemm_plan.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Rows of A or columns of B as tiles read them: in the matrix, from `first_packed` on in panels.
template <class T>
struct Panels {
    const T* packed = nullptr;
    int64_t packed_k = 0, first_k = 0;  // of a panel, how many and the first of them
    const T* matrix = nullptr;
    int64_t step = 0;   // there from k to k
    T* copy = nullptr;  // where the first tile that reads columns there leaves them packed
    int64_t first_packed = 0;

    // The first n are columns [j0, j0 + n) of x.
    void leave_in(const Matrix<const T>& x, int64_t j0, int64_t n, T* copy_to) {
        matrix = x.data + j0, step = x.row_stride;
        copy = copy_to;
        first_packed = n;
    }

    bool is_packed(int64_t j) const { return j >= first_packed; }

    // From k on of the panel that begins at row or column j and has `size` of them.
    Strip<T> at(int64_t j, int64_t size, int64_t k) const {
        if (is_packed(j)) return {packed + j * packed_k + (k - first_k) * size, size};
        return {matrix + j + k * step, step};
    }
};

// Depths that follow each other, [k, k + depth) and from next_k on; the last is followed by the
// first, of the next task.
struct Depth {
    int64_t k, depth, next_k;
};

// Panel q of B against all row panels of A, over one depth block. Its tiles bring the next panel of
// B, a part each, and each the q-th part of its panel of A over the next depth block: 1/7 faster at
// 2048^3 where L3 is far (Emerald Rapids). What is not packed is small, and not brought.
template <class T>
static void dense_panel(const Plan& p, const Depth& d, int64_t q, int64_t panels,
                        const Panels<T>& a, const Panels<T>& b, int64_t rows, const Sums<T>& from,
                        const Sums<T>& to) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t next_q = q + 1 < panels ? q + 1 : 0;
    const bool packed = b.is_packed(q * width), bring_b = packed && b.is_packed(next_q * width);
    const Strip<T> given = b.at(q * width, width, d.k);
    const Strip<T> columns = packed ? given : Strip<T>{b.copy, width};
    const T* const next = b.at(next_q * width, width, next_q > 0 ? d.k : d.next_k).data;
    const int64_t share = reach<T>(d.depth);
    for (int64_t r = 0, part = 0; r < rows; r += p.height, part += share) {
        const int64_t height = min_of(p.height, rows - r);
        const Strip<T> strip = a.at(r, height, d.k);
        const T* ahead_a = columns.data;
        if (a.is_packed(r) && !p.own_rows && q * share < d.depth * height)
            ahead_a = a.at(r, height, d.next_k).data + q * share;
        const T* ahead_b = bring_b && part < d.depth * width ? next + part : columns.data;
        const bool last = r + height >= rows, packs = r == 0 && !packed;
        const Source source = packs            ? Source::in_place
                              : a.is_packed(r) ? Source::packed
                                               : Source::b_packed;
        const int64_t row = last ? 0 : r + height, col = last ? width : 0;
        dense_tile_of<T>(height, d.k == 0, source)(
            d.depth, strip, packs ? given : columns, from.at(r, 0), to.at(r, 0),
            {ahead_a, ahead_b, from.at(row, col).data, to.at(row, col).data}, b.copy);
    }
}

// The sums grow in s, where those of the first `whole` columns, a multiple of the width, end in
// `result`. pack(k0, k1) is called before k from k0 to k1 is read.
template <class T, class Pack>
static void dense_block(const Plan& p, const Panels<T>& a, const Panels<T>& b, int64_t rows,
                        int64_t cols, const Sums<T>& s, int64_t whole, const Sums<T>& result,
                        const Pack& pack) {
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
        Panels<T> strips = a;
        if (p.own_rows) strips.packed_k = depth, strips.first_k = k;
        for (int64_t q = 0; q < panels; ++q) {
            const Sums<T>& to = k + depth < k_end || q * width >= whole ? s : result;
            dense_panel(p, d, q, panels, strips, b, rows, s.at(0, q * width), to.at(0, q * width));
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
