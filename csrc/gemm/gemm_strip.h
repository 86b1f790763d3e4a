// Memory as register tiles see it: what they read at each k, the sums that they begin with and
// leave, and what they bring for the tiles after them.
#pragma once

#include "core/bfloat16.h"
#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A tile is `height` rows by a few vectors. Sixteen registers hold 6 x 2 sums, two vectors of B and
// a broadcast of A; thirty-two hold 6 x 4, with ten loads to a step of twelve cycles. 14 x 2 have
// more sums, but sixteen loads to fourteen cycles, and Ice Lake does 1.13 loads of 512 bits a
// cycle.
template <class T>
struct Tile {
#if LW_VECTOR_BYTES == 64
    static constexpr int max_height = 6, vectors = 4;
#elif defined(__aarch64__)
    static constexpr int max_height = 12, vectors = 2;
#else
    static constexpr int max_height = 6, vectors = 2;
#endif
    static constexpr int64_t width = vectors * lanes<T>;
    // A depth block of a B panel streams from L2 as fast as the tile eats it, and the longer the
    // block the less the start and end of a tile cost, and sums that wait for the next one. 64 KiB;
    // 32: 5% slower from 700 to 2048 a side on Zen 3; 16, which stay in L1: 9%; 128: the same.
    // Where L2 has a MiB or more, 128 for float: 2 to 6% faster than 64 (Ice Lake).
    static constexpr int64_t depth =
        (LW_VECTOR_BYTES == 64 ? 2048 : 65536 / width) / static_cast<int64_t>(sizeof(T));
};
// Rounded values, which tiles of float32 read.
template <>
struct Tile<Bfloat16> : Tile<float> {};

// Columns that a panel is stored with: whole vectors, as many as it has.
template <class T>
LW_INLINE int64_t stored_width(int64_t cols) {
    return cols < Tile<T>::width ? round_up(cols, lanes<T>) : Tile<T>::width;
}

// Columns of a task at most: what the epilogue's buffers hold of a row.
constexpr int64_t max_segment = 256;

// What a tile reads: `height` elements of A or `width` of B at each k, `step` from k to k. They
// follow each other where they are packed, else they are `across` from one to the next (of B, only
// across_tile takes them so).
template <class T>
struct Strip {
    const T* data;
    int64_t step;
    int64_t across = 1;
};

template <class T>
constexpr int64_t line = 64 / sizeof(T);

// Sums of products, and the stride of their rows.
template <class T>
struct Sums {
    T* data;
    int64_t ld;

    Sums at(int64_t row, int64_t col) const { return {data + row * ld + col, ld}; }
};

// Where sums begin that have none yet, whatever the tile.
template <class T>
alignas(64) static constexpr T zeros[16 * lanes<T>] = {};
template <class T>
LW_INLINE Sums<T> no_sums() {
    return {const_cast<T*>(zeros<T>), 0};
}

// Of the first `cols` columns those in vector v.
template <class T>
LW_INLINE int64_t lanes_of(int64_t cols, int64_t v) {
    return max_of(min_of(cols - v * lanes<T>, lanes<T>), 0);
}

// first: `from` is known to be no_sums(), and not read.
template <class T, bool first = false, int height, int vectors>
LW_INLINE void begin_sums(Vec<T> (&sum)[height][vectors], const Sums<T>& from) {
    static_assert(vectors * sizeof(Vec<T>) <= sizeof zeros<T>);
    const T* row = from.data;
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r, row = opaque(row + from.ld))
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) sum[r][v] = first ? Vec<T>{} : load(row + v * lanes<T>);
}

// Of the first `cols` columns, or of whole vectors if there are more.
template <class T, int height, int vectors>
LW_INLINE void end_sums(const Vec<T> (&sum)[height][vectors], const Sums<T>& to, int64_t cols) {
    T* row = to.data;
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r, row = opaque(row + to.ld))
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v)
            if (cols >= vectors * lanes<T>)
                store(row + v * lanes<T>, sum[r][v]);
            else
                store_n(row + v * lanes<T>, sum[r][v], lanes_of<T>(cols, v));
}

// A tile that reads B in place asks for the row that it needs so many steps later.
constexpr int64_t steps_ahead = 16;

// What later tiles use: each turn of a tile's loop brings a line of the next panel of B, or of the
// room for its copy, into L2, and now and then a row of what the next tile reads and writes at its
// ends into L1, so that never so many are under way that the tile waits: all rows at its start cost
// 2 to 4% (Emerald Rapids).
template <class T>
struct Ahead {
    Strip<T> b = {zeros<T>, 0};  // a line at each step, from tile to tile
    Strip<T> from, to;           // a row, as wide as a tile, at each step; from may be null
    bool rows_go_on = false;     // from tile to tile

    void bring_line() { __builtin_prefetch(b.data, 0, 2), b.data += b.step; }

    template <int64_t width>
    void bring_row() {
        if (from.data) bring<width>(from);
        bring<width>(to);
    }

private:
    template <int64_t width>
    static void bring(Strip<T>& row) {
#pragma GCC unroll 4
        for (int64_t j = 0; j < width; j += line<T>) __builtin_prefetch(row.data + j, 1);
        __builtin_prefetch(row.data + width - 1, 1);  // it may begin inside a line
        row.data += row.step;
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
