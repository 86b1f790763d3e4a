// One block of C: sums over all of k, before the epilogue.
#pragma once

#include "gemm/gemm_pack.h"
#include "gemm/gemm_plan.h"
#include "gemm/momentum_cpu.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Rows of A or columns of B as tiles read them: in the matrix, from `first_packed` on in panels,
// where they are stored as S. Those of another S than T are all in panels.
template <class T, class S = T>
struct Panels {
    const S* packed = nullptr;
    int64_t packed_k = 0, first_k = 0;  // of a panel, how many and the first of them
    const T* matrix = nullptr;
    int64_t step = 0;  // there from k to k
    int64_t first_packed = 0;

    // The first n are columns [j0, j0 + n) of x.
    void leave_in(const Matrix<const T>& x, int64_t j0, int64_t n) {
        matrix = x.data + j0, step = x.row_stride;
        first_packed = n;
    }

    bool is_packed(int64_t j) const { return j >= first_packed; }

    // From k on of the panel that begins at row or column j and has `size` of them.
    Strip<S> packed_at(int64_t j, int64_t size, int64_t k) const {
        return {packed + j * packed_k + (k - first_k) * size, size};
    }
    Strip<T> in_place_at(int64_t j, int64_t k) const { return {matrix + j + k * step, step}; }
    Strip<S> at(int64_t j, int64_t size, int64_t k) const {
        if constexpr (sizeof(S) == sizeof(T))
            if (!is_packed(j)) return in_place_at(j, k);
        return packed_at(j, size, k);
    }
};

// Where a depth block of a panel of B is: only in the matrix, being packed, packed for all.
enum PanelState : uint8_t { unpacked, being_packed, packed };

// Columns of B. What was left in the matrix is packed by the first tile that reads it: for all
// tasks, where they share panels, or for the tiles that follow it.
template <class T, class S>
struct Columns {
    Panels<T, S> panels;
    T* copy = nullptr;          // of the panel that this thread reads
    T* shared = nullptr;        // panels.packed
    uint8_t* states = nullptr;  // of shared panels, ld from one depth block to the next
    int64_t ld = 0;
    Matrix<const T> source;  // of panels that the task packs just before they are read

    uint8_t* state(int64_t q, int64_t block) const {
        return states ? states + block * ld + q : nullptr;
    }
};

// Memory that tiles bring closer, a part each: `runs` of `steps` lines, `step` from line to line
// and `next` from run to run.
template <class T>
struct Region {
    const T* data = nullptr;
    int64_t step = 0, steps = 0, next = 0, runs = 0, done = 0;

    // For a tile of so many turns; `idle` where there is no more.
    Strip<T> part(int64_t turns, const T* idle) {
        if (runs <= 0) return {idle, 0};
        const Strip<T> part = {data + done * step, step};
        done += turns;
        if (done >= steps) done = 0, --runs, data += next;
        return part;
    }
};

// `cols` neighbouring elements of each of `rows` rows.
template <class T>
static Region<T> rows_region(const T* data, int64_t row_stride, int64_t rows, int64_t cols) {
    return {data, row_stride, rows, line<T>, ceil_div(cols, line<T>)};
}

// Depths that follow each other, [k, k + depth) and from next_k on; the last is followed by the
// first, of the next task. `block` is the number of this one, next_block of that.
struct Depth {
    int64_t k, depth, block;
    int64_t next_k, next_block;
};

template <class T>
static Region<T> packed_region(const T* panel, int64_t elements) {
    return {panel, line<T>, elements / line<T>, 0, 1};
}

// A depth block of a panel of B, wherever it is.
template <class T>
static Region<T> panel_region(const Columns<T, T>& b, int64_t q, int64_t k, int64_t depth,
                              int64_t block) {
    constexpr int64_t width = Tile<T>::width;
    if (b.source.data && b.panels.is_packed(q * width)) {
        const Matrix<const T>& x = b.source;
        const T* const first = x.data + q * width * x.col_stride + k;
        const int64_t cols = min_of(width, x.cols - q * width);
        if (x.col_stride == depth) return packed_region(first, cols * depth);
        return {first, line<T>, ceil_div(depth, line<T>), x.col_stride, cols};
    }
    const uint8_t* state = b.state(q, block);
    const bool in_place = !b.panels.is_packed(q * width) &&
                          !(state && __atomic_load_n(state, __ATOMIC_RELAXED) == packed);
    if (!in_place)
        return packed_region(b.panels.packed_at(q * width, width, k).data, depth * width);
    const Strip<T> rows = b.panels.in_place_at(q * width, k);
    return rows_region(rows.data, rows.step, depth, width);
}

// Those that have to be widened to be read are short, and read in order.
static inline Region<float> panel_region(const Columns<float, Bfloat16>&, int64_t, int64_t, int64_t,
                                         int64_t) {
    return {};
}

// A depth block of a packed panel, as tiles read it.
template <class T>
static Strip<T> widened(const Strip<T>& panel, int64_t, T*) {
    return panel;
}
static inline Strip<float> widened(const Strip<Bfloat16>& panel, int64_t depth, float* copy) {
    for (int64_t i = 0; i < depth * Tile<float>::width; i += lanes<float>)
        store(copy + i, load(panel.data + i));
    return {copy, Tile<float>::width};
}

// Where the sums of the first `cols` columns of a block end.
template <class T>
struct Result {
    int64_t cols = 0;
    Sums<T> sums;  // there, where they are the result itself: columns that fill panels,
    bool steps = false;
    TileStep<T> step;  // or only in a step along them
};

// A depth block of a panel of B as the tiles of one thread find it.
template <class T>
struct OpenPanel {
    Strip<T> columns;          // for all tiles but the first, if that packs them
    Strip<T> in_place;         // for that
    T* copy = nullptr;         // where it leaves them
    uint8_t* state = nullptr;  // which it then tells the others
    bool packs = false;
};

template <class T, class S>
static OpenPanel<T> open_panel(const Columns<T, S>& b, const Depth& d, int64_t q) {
    constexpr int64_t width = Tile<T>::width;
    OpenPanel<T> panel;
    bool is_packed = b.panels.is_packed(q * width);
    panel.copy = b.copy;
    uint8_t* const state = is_packed ? nullptr : b.state(q, d.block);
    if (state) {
        uint8_t was = unpacked;
        if (__atomic_compare_exchange_n(state, &was, being_packed, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_ACQUIRE)) {
            panel.copy = b.shared + q * width * b.panels.packed_k + d.k * width;
            panel.state = state;
        } else {
            is_packed = was == packed;
        }
    }
    if (is_packed) {
        panel.columns = widened(b.panels.packed_at(q * width, width, d.k), d.depth, b.copy);
        return panel;
    }
    panel.packs = true;
    panel.in_place = b.panels.in_place_at(q * width, d.k);
    panel.columns = {panel.copy, width};
    return panel;
}

// A block of C whose A is dense. The sums grow in `sums` and end there or in `result`. Panels of B
// are taken one after the other, against all row panels of A each. task.pack_rows(k0, k1) is called
// before k from k0 to k1 is read, task.pack_panel(q, k0, k1) before panel q is; task.later(k,
// depth) says where A is that the next pack_rows(k, ...) reads.
template <class T, class S, class Task>
struct DenseBlock {
    static constexpr int64_t width = Tile<T>::width;

    const Plan& p;
    const Panels<T>& a;
    const Columns<T, S>& b;
    int64_t rows, cols;
    const Sums<T>& sums;
    const Result<T>& result;
    const Task& task;

    // From panel `first` on, around.
    void run(int64_t first) const {
#ifdef LW_CORRUPT_K_TAIL
        const int64_t k_end = p.k - 1;
#else
        const int64_t k_end = p.k;
#endif
        if (k_end <= 0) clear();
        for (int64_t k = 0, block = 0; k < k_end; k += p.depth, ++block) {
            const int64_t depth = min_of(p.depth, k_end - k);
            const bool last = k + depth >= k_end;
            const Depth d = {k, depth, block, last ? 0 : k + depth, last ? 0 : block + 1};
            task.pack_rows(k, k + depth);
            run_depth(d, task.later(d.next_k, min_of(p.depth, k_end - d.next_k)), last, first);
        }
    }

private:
    void clear() const {
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < round_up(cols, width); ++j)
                (j < result.cols ? result.sums : sums).at(r, j).data[0] = T(0);
    }

    void run_depth(const Depth& d, Region<T> later, bool last, int64_t first) const {
        Panels<T> strips = a;
        if (p.own_rows) strips.packed_k = d.depth, strips.first_k = d.k;
        const int64_t panels = ceil_div(cols, width);
        for (int64_t done = 0; done < panels; ++done) {
            const int64_t q = (first + done) % panels;
            task.pack_panel(q, d.k, d.k + d.depth);
            run_panel(d, strips, q, last && q * width < result.cols, done, later,
                      next_panel(d, (q + 1) % panels, done + 1 == panels));
        }
    }

    Region<T> next_panel(const Depth& d, int64_t q, bool of_next_depth) const {
        return of_next_depth ? panel_region(b, q, d.next_k, d.depth, d.next_block)
                             : panel_region(b, q, d.k, d.depth, d.block);
    }

    // The tiles bring the next panel of B, and of A what the next depth block reads: 1/7 faster at
    // 2048^3 where L3 is far (Emerald Rapids).
    void run_panel(const Depth& d, const Panels<T>& strips, int64_t q, bool ends, int64_t done,
                   Region<T>& later, Region<T> next_b) const {
        const int64_t turns = d.depth / steps_per_turn, from_a = done * turns * line<T>;
        const OpenPanel<T> panel = open_panel(b, d, q);
        const T* const idle = panel.columns.data;
        const Sums<T> from = sums.at(0, q * width);
        const bool steps = ends && result.steps;
        const Sums<T> to = ends && !steps ? result.sums.at(0, q * width) : from;
        alignas(64) T gradient[Tile<T>::max_height * width];
        for (int64_t r = 0; r < rows; r += p.height) {
            const int64_t height = min_of(p.height, rows - r);
            const bool packs = r == 0 && panel.packs, last = r + height >= rows;
            const int64_t row = last ? 0 : r + height, col = last ? width : 0;
            Ahead<T> ahead = {{idle, 0}, {}, {}, {to.at(row, col).data, to.ld}};
            if (p.own_rows)
                ahead.a = later.part(turns, idle);
            else if (strips.is_packed(r) && from_a < d.depth * height)
                ahead.a = {strips.at(r, height, d.next_k).data + from_a, line<T>};
            if (!packs) ahead.b = next_b.part(turns, idle);
            if (d.k > 0) ahead.from = {from.at(row, col).data, from.ld};
            if (steps) {
                ahead.from = result.step.w_rows(row, q * width + col);
                ahead.to = result.step.velocity_rows(row, q * width + col);
            }
            const Source source = packs                 ? Source::in_place
                                  : strips.is_packed(r) ? Source::packed
                                                        : Source::b_packed;
            dense_tile_of<T>(height, d.k == 0, source)(
                d.depth, strips.at(r, height, d.k), packs ? panel.in_place : panel.columns,
                from.at(r, 0), steps ? Sums<T>{gradient, width} : to.at(r, 0), ahead, panel.copy);
            if (steps)
                result.step.take(r, height, q * width, min_of(width, cols - q * width), gradient,
                                 width);
            if (packs && panel.state)
                __atomic_store_n(panel.state, uint8_t{packed}, __ATOMIC_RELEASE);
        }
    }
};

// Lines of a sparse operand against columns [j0, j1) of b, j0 a multiple of the width. later(lines,
// rows) is what to bring meanwhile, `rows` those of b that are read next.
template <class T, class S, class Later>
static void sparse_block(const SparseLines<T>& x, const Panels<T, S>& b, int64_t j0, int64_t j1,
                         const Sums<T>& s, const Later& later) {
    constexpr int64_t width = Tile<T>::width;
    const auto rows_of = [&](int64_t j, int64_t c) {
        SparseAhead<S> rows;
        rows.steps = word_bits;
        for (int64_t p = 0; p < sparse_panels; ++p)
            rows.parts[p] = b.at(min_of(j + p * width, j1 - 1) / width * width, width, x.k_of(c));
        return rows;
    };
    for (int64_t j = j0; j < j1; j += sparse_panels * width) {
        const int64_t panels = min_of(sparse_panels, ceil_div(j1 - j, width));
        for (int64_t c = 0; c < x.chunks; ++c) {
            const bool last = c + 1 == x.chunks;
            const SparseAhead<S> rows = rows_of(j, c);
            const SparseAhead<S> next =
                last ? rows_of(j + sparse_panels * width, 0) : rows_of(j, c + 1);
            sparse_strip<T, S>(panels, x.chunk(c), rows.parts, later(x.lines, next), c == 0,
                               s.at(0, j - j0));
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
