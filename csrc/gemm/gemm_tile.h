// Register tiles: the innermost loops of gemm. Every accumulator is one chain over ascending k,
// kept in scratch from one depth block to the next, so the blocking never shows in the result.
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

// visit<n>() for the n from 1 to `most` that is wanted.
template <int most, class Visit>
LW_INLINE auto visit_count(int64_t wanted, const Visit& visit) {
    if constexpr (most > 1)
        if (wanted != most) return visit_count<most - 1>(wanted, visit);
    return visit.template operator()<most>();
}

// What a tile reads: `height` elements of A or `width` of B at each k, `step` from k to k. They
// follow each other where they are packed; those of A may be `across` from one to the next.
template <class T>
struct Strip {
    const T* data;
    int64_t step;
    int64_t across = 1;
};

// What later tiles use: each turn of a tile's loop brings a line of b into L2, and now and then a
// row of what the next tile reads and writes at its ends into L1, so that never so many are under
// way that the tile waits: all rows at its start cost 2 to 4% (Emerald Rapids).
template <class T>
struct Ahead {
    Strip<T> b;               // a line at each step, or a row that is copied; from tile to tile
    Strip<T> from, to;        // a row, as wide as a tile, at each step; from may be null
    bool rows_go_on = false;  // from tile to tile
};

constexpr int64_t steps_per_turn = 4;
// A tile that reads B in place asks for the row that it needs so many steps later.
constexpr int64_t steps_ahead = 16;
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
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v)
            sum[r][v] = first ? Vec<T>{} : load(from.data + r * from.ld + v * lanes<T>);
}

// Of the first `cols` columns, or of whole vectors if there are more.
template <class T, int height, int vectors>
LW_INLINE void end_sums(const Vec<T> (&sum)[height][vectors], const Sums<T>& to, int64_t cols) {
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) {
            T* const at = to.data + r * to.ld + v * lanes<T>;
            if (cols >= vectors * lanes<T>)
                store(at, sum[r][v]);
            else
                store_n(at, sum[r][v], lanes_of<T>(cols, v));
        }
}

// Tiles one below the other: to (height, width) = from + a b over one depth block; depth > 0. One
// call for all that are alike: to begin and end a call takes a twelfth of a tile of 100 steps.
template <class T>
struct Tiles {
    int64_t count, depth;
    Strip<T> a, b;
    int64_t next_a;  // from a tile's rows of A to those of the next
    int64_t apart;   // from a panel of B to the next, of a tile that reads several
    int64_t cols;    // of all its panels
    Sums<T> from, to;
    int64_t ending;  // columns that are written, of whole vectors unless they are fewer
    Ahead<T> ahead;  // rows ahead.from and ahead.to are for what follows the last tile, since
                     // each brings those of the one below
    T* copy;
};

template <class T>
using RunTiles = void (*)(const Tiles<T>&);

// Where a tile's operands lie.
enum class Source : uint8_t {
    packed,         // both; constant steps: 4 to 10% faster where tiles are low (v3)
    b_packed,       // a where it is
    in_place,       // both where they are; b is left packed at `copy`
    in_place_part,  // the same of a panel that is not full
    copying,  // packed both; a row of the next b is brought and left packed at `copy` each turn
};

// A row of a panel.
template <class T>
LW_INLINE void copy_vectors(const T* from, T* to) {
    Vec<T> v[Tile<T>::vectors];
#pragma GCC unroll 4
    for (int i = 0; i < Tile<T>::vectors; ++i) v[i] = load(from + i * lanes<T>);
#pragma GCC unroll 4
    for (int i = 0; i < Tile<T>::vectors; ++i) store(to + i * lanes<T>, v[i]);
}

template <class T, int height, int vectors, Source source, bool first = false>
static void dense_tiles(const Tiles<T>& tiles) {
    constexpr bool part = source == Source::in_place_part, copies = source == Source::copying;
    constexpr bool packs = part || source == Source::in_place;
    constexpr bool a_packed = source == Source::packed || copies;
    constexpr int64_t width = vectors * lanes<T>;
    const int64_t depth = tiles.depth;
    const int64_t a_step = a_packed ? height : tiles.a.step, across = a_packed ? 1 : tiles.a.across;
    const int64_t b_step = packs ? tiles.b.step : width;
    const int64_t in_last = lanes_of<T>(tiles.cols, vectors - 1);  // of a part
    const T* a = tiles.a.data;
    Sums<T> from = tiles.from, to = tiles.to;
    Ahead<T> ahead = tiles.ahead;
    T* copy = tiles.copy;
    for (int64_t count = tiles.count; count > 0; --count) {
        Vec<T> sum[height][vectors];
        begin_sums<T, first>(sum, from);
        const T *x = a, *y = tiles.b.data;
        const auto step = [&]() __attribute__((always_inline)) {
            Vec<T> row[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                row[v] = part && v == vectors - 1 ? load_n(y + v * lanes<T>, in_last)
                                                  : load(y + v * lanes<T>);
#pragma GCC unroll 16
            for (int r = 0; r < height; ++r) {
                const Vec<T> value = splat(x[r * across]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) accumulate<T>(sum[r][v], value, row[v]);
            }
            x += a_step;
            if (packs) {
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) store(copy + v * lanes<T>, row[v]);
                copy += width;
                const T* const soon = y + steps_ahead * b_step;
#pragma GCC unroll 4
                for (int64_t j = 0; j < width; j += line<T>) __builtin_prefetch(soon + j);
                __builtin_prefetch(soon + width - 1);
            }
            y += b_step;
        };
        const auto copy_row = [&]() __attribute__((always_inline)) {
            copy_vectors<T>(ahead.b.data, copy);
            copy += Tile<T>::width;
            // Earlier tiles have brought the row, but for the line that it ends in if it begins
            // inside one.
            const T* const soon = ahead.b.data + steps_ahead * ahead.b.step;
            __builtin_prefetch(soon + Tile<T>::width - 1, 0, 2);
            ahead.b.data += ahead.b.step;
        };
        const auto below = [](const Sums<T>& s) { return Strip<T>{s.at(height, 0).data, s.ld}; };
        const auto bring = [&](Strip<T>& row) __attribute__((always_inline)) {
#pragma GCC unroll 4
            for (int64_t j = 0; j < width; j += line<T>) __builtin_prefetch(row.data + j, 1);
            __builtin_prefetch(row.data + width - 1, 1);  // it may begin inside a line
            row.data += row.step;
        };
        if (!ahead.rows_go_on) {
            const bool last = count == 1;
            if (last || from.ld > 0) ahead.from = last ? tiles.ahead.from : below(from);
            ahead.to = last ? tiles.ahead.to : below(to);
        }
        const auto bring_row = [&]() __attribute__((always_inline)) {
            if (ahead.from.data) bring(ahead.from);
            bring(ahead.to);
        };
        int64_t turns = depth / steps_per_turn;
        for (int64_t r = turns; r < height; ++r) bring_row();
        const int64_t share = max_of(turns / height, 1);
        // The loop's own instructions are a seventh of a step: four steps a turn, 10% faster on
        // Zen 3.
        while (turns > 0) {
            bring_row();
            int64_t n = min_of(share, turns);
            turns -= n;
            do {
                step(), step();
                if (copies)
                    copy_row();
                else if (!packs)
                    __builtin_prefetch(ahead.b.data, 0, 2), ahead.b.data += ahead.b.step;
                step(), step();
            } while (--n > 0);
        }
        for (int64_t n = depth % steps_per_turn; n > 0; --n) step();
        end_sums<T>(sum, to, tiles.ending);
        a += tiles.next_a;
        from = from.at(height, 0), to = to.at(height, 0);
    }
}

// Tiles of a full panel that is packed are most of all: where they are `first`, to load no zeros is
// 3% at 100 k. Of a part of a panel, few kinds.
template <class T, int height, int vectors>
static RunTiles<T> dense_tiles_from(Source source, bool first) {
    if (source == Source::in_place_part)
        return dense_tiles<T, height, vectors, Source::in_place_part>;
    if constexpr (vectors == Tile<T>::vectors) {
        if (source == Source::packed)
            return first ? dense_tiles<T, height, vectors, Source::packed, true>
                         : dense_tiles<T, height, vectors, Source::packed>;
        if (source == Source::copying) return dense_tiles<T, height, vectors, Source::copying>;
        if (source == Source::in_place) return dense_tiles<T, height, vectors, Source::in_place>;
    }
    return dense_tiles<T, height, vectors, Source::b_packed>;
}

// Of as many vectors as the panel has.
template <class T>
static RunTiles<T> dense_tiles_of(int64_t wanted, int64_t cols, Source source, bool first) {
    constexpr int most = Tile<T>::vectors;
    return visit_count<Tile<T>::max_height>(wanted, [&]<int height>() {
        return visit_count<most>(min_of(ceil_div(cols, lanes<T>), most), [&]<int vectors>() {
            return dense_tiles_from<T, height, vectors>(source, first);
        });
    });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
