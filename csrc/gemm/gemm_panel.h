// Where tiles find the panels of B, and how panels come to be packed.
#pragma once

#include "gemm/gemm_pack.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Rows of A or columns of B as tiles read them: in the matrix, from `first_packed` on in panels,
// where they are stored as S. Those of another S than T are all in panels.
template <class T, class S = T>
struct Panels {
    const S* packed = nullptr;
    int64_t packed_k = 0, first_k = 0;  // of a panel, how many and the first of them
    const T* matrix = nullptr;
    int64_t step = 0, across = 0;  // there from k to k, and from one row or column to the next
    int64_t first_packed = 0;

    // The first n are columns [j0, j0 + n) of x.
    void leave_in(const Matrix<const T>& x, int64_t j0, int64_t n) {
        matrix = x.data + j0 * x.col_stride, step = x.row_stride, across = x.col_stride;
        first_packed = n;
    }

    bool is_packed(int64_t j) const { return j >= first_packed; }

    // From a panel of that size at j to the next.
    int64_t apart(int64_t j, int64_t size) const {
        return size * (is_packed(j) ? packed_k : across);
    }

    // From k on of the panel that begins at row or column j and has `size` of them.
    Strip<S> packed_at(int64_t j, int64_t size, int64_t k) const {
        return {packed + j * packed_k + (k - first_k) * size, size};
    }
    Strip<T> in_place_at(int64_t j, int64_t k) const {
        return {matrix + j * across + k * step, step, across};
    }
    Strip<S> at(int64_t j, int64_t size, int64_t k) const {
        if constexpr (sizeof(S) == sizeof(T))
            if (!is_packed(j)) return in_place_at(j, k);
        return packed_at(j, size, k);
    }
};

// Where a depth block of a panel of B is: only in the operand, being packed, packed for all.
enum PanelState : uint8_t { unpacked, being_packed, packed };

// A depth block of a panel: `cols` columns from q * width on, `depth` k from `k` on, the
// `block`-th.
struct PanelPart {
    int64_t q, cols, k, depth, block;
};

// Columns of B. What is left to pack is packed just before it is read, or from the matrix while it
// is read for the first time: for all tasks, where they share panels, or for the tiles that follow.
template <class T, class S>
struct Columns {
    Panels<T, S> panels;
    T* copy = nullptr;          // of the panel that this thread reads
    T* shared = nullptr;        // panels.packed
    uint8_t* states = nullptr;  // of shared panels, ld from one depth block to the next
    int64_t ld = 0;
    Matrix<const T> source;  // of panels that the task packs just before: columns that lie in a row

    uint8_t* state(const PanelPart& x) const {
        return states ? states + x.block * ld + x.q : nullptr;
    }
    bool is_packed(const PanelPart& x) const { return panels.is_packed(x.q * Tile<T>::width); }
    Strip<S> packed_at(const PanelPart& x) const {
        return panels.packed_at(x.q * Tile<T>::width, stored_width<T>(x.cols), x.k);
    }
    Strip<T> in_place_at(const PanelPart& x) const {
        return panels.in_place_at(x.q * Tile<T>::width, x.k);
    }
    T* shared_at(const PanelPart& x) const {
        return shared + x.q * Tile<T>::width * panels.packed_k + x.k * stored_width<T>(x.cols);
    }
};

// Memory that tiles bring closer, a part each: `runs` of `steps` lines, `step` from line to line
// and `next` from run to run.
template <class T>
struct Region {
    const T* data = nullptr;
    int64_t step = 0, steps = 0, next = 0, runs = 0, done = 0;

    // Tiles of so many turns that find their parts one after the other. The last of a run may leave
    // a few lines: another would waste most of its turns on them.
    int64_t tiles(int64_t turns) const {
        return runs > 0 && turns > 0 ? max_of((steps - done + turns - 1 - turns / 8) / turns, 1)
                                     : INT64_MAX;
    }

    // For tiles of so many turns together; null where there is no more.
    Strip<T> part(int64_t turns) {
        if (runs <= 0) return {};
        const Strip<T> part = {data + done * step, step};
        done += turns;
        if (done + turns / 8 >= steps) done = 0, --runs, data += next;
        return part;
    }
};

// `cols` neighbouring elements of each of `rows` rows: all lines, also where they begin inside one.
template <class T>
static Region<T> rows_region(const T* data, int64_t row_stride, int64_t rows, int64_t cols) {
    const auto element = static_cast<int64_t>(reinterpret_cast<uintptr_t>(data) / sizeof(T));
    const int64_t before = row_stride % line<T> == 0 ? element % line<T> : line<T> - 1;
    return {data, row_stride, rows, line<T>, ceil_div(before + cols, line<T>)};
}

// Every other line of twice as many rows, from line `odd` on: as long a run as a tile has time for.
// The other lines of the first half have been brought with the panel before.
template <class T>
static Region<T> every_other_line(Region<T> x, int64_t odd) {
    return {x.data + odd * x.next, x.step, 2 * x.steps, 2 * x.next, ceil_div(x.runs, 2)};
}

template <class T>
static Region<T> packed_region(const T* panel, int64_t elements) {
    return {panel, line<T>, elements / line<T>, 0, 1};
}

// A part, wherever it is.
template <class T>
static Region<T> panel_region(const Columns<T, T>& b, const PanelPart& x) {
    constexpr int64_t width = Tile<T>::width;
    const uint8_t* state = b.state(x);
    const bool left =
        !b.is_packed(x) && !(state && __atomic_load_n(state, __ATOMIC_RELAXED) == packed);
    if (b.source.data && (left || !state)) {
        const Matrix<const T>& m = b.source;
        const T* const first = m.data + x.q * width * m.col_stride + x.k;
        if (m.col_stride == x.depth) return packed_region(first, x.cols * x.depth);
        return every_other_line(rows_region(first, m.col_stride, x.cols, x.depth), x.q % 2);
    }
    if (!left) return packed_region(b.packed_at(x).data, x.depth * stored_width<T>(x.cols));
    if (!b.panels.matrix) return {};
    const Strip<T> rows = b.in_place_at(x);
    return rows_region(rows.data, rows.step, x.depth, x.cols);
}

// Where the first tile leaves a part for all tasks, unless one has begun to. Room for a copy of its
// own is never far away.
template <class T, class S>
static Region<T> room_region(const Columns<T, S>& b, const PanelPart& x) {
    const uint8_t* state = b.state(x);
    if (b.is_packed(x) || !state || __atomic_load_n(state, __ATOMIC_RELAXED) != unpacked) return {};
    return packed_region<T>(b.shared_at(x), x.depth * stored_width<T>(x.cols));
}

// Those that have to be widened to be read are short, and read in order.
static inline Region<float> panel_region(const Columns<float, Bfloat16>&, const PanelPart&) {
    return {};
}

// A depth block of a packed panel, as tiles read it.
template <class T>
static Strip<T> widened(const Strip<T>& panel, int64_t, T*) {
    return panel;
}
static inline Strip<float> widened(const Strip<Bfloat16>& panel, int64_t depth, float* copy) {
    for (int64_t i = 0; i < depth * panel.step; i += lanes<float>)
        store(copy + i, load(panel.data + i));
    return {copy, panel.step};
}

// Where this thread may leave a copy of a part that is only in the matrix.
template <class T>
struct CopyRoom {
    T* data = nullptr;         // null: the part is packed
    uint8_t* state = nullptr;  // to tell the others when the copy is for all

    void publish() const {
        if (state) __atomic_store_n(state, uint8_t{packed}, __ATOMIC_RELEASE);
    }
};

// For all tasks, if no other has begun to copy it; nobody waits for one that has.
template <class T, class S>
static CopyRoom<T> copy_room(const Columns<T, S>& b, const PanelPart& x) {
    if (b.is_packed(x)) return {};
    const CopyRoom<T> own = {b.copy, nullptr};
    uint8_t* const state = b.state(x);
    if (!state) return own;
    uint8_t was = unpacked;
    if (__atomic_compare_exchange_n(state, &was, being_packed, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE))
        return {b.shared_at(x), state};
    return was == packed ? CopyRoom<T>{} : own;
}

// A part as the tiles of one thread find it.
template <class T>
struct OpenPanel {
    Strip<T> columns;   // for all tiles but the first, if that packs them
    Strip<T> in_place;  // for that
    CopyRoom<T> room;   // where it leaves them; data null: they are packed
};

template <class T, class S>
static OpenPanel<T> open_panel(const Columns<T, S>& b, const PanelPart& x) {
    const CopyRoom<T> room = copy_room(b, x);
    if (!room.data) return {widened(b.packed_at(x), x.depth, b.copy), {}, {}};
    return {{room.data, stored_width<T>(x.cols)}, b.in_place_at(x), room};
}

}  // namespace layerwise::LW_ISA_NAMESPACE
