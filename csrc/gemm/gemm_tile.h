// Register tiles: the innermost loops of gemm. Every accumulator is one chain over ascending k,
// kept in scratch from one depth block to the next, so the blocking never shows in the result.
#pragma once

#include "gemm/gemm_strip.h"

namespace layerwise::LW_ISA_NAMESPACE {

// visit<n>() for the n from 1 to `most` that is wanted.
template <int most, class Visit>
LW_INLINE auto visit_count(int64_t wanted, const Visit& visit) {
    if constexpr (most > 1)
        if (wanted != most) return visit_count<most - 1>(wanted, visit);
    return visit.template operator()<most>();
}

// Tiles one below the other: to (height, width) = from + a b over one depth block; depth > 0. One
// call for all that are alike: to begin and end a call takes a twelfth of a tile of 100 steps.
template <class T>
struct Tiles {
    int64_t count, depth;
    Strip<T> a, b;
    int64_t next_a;  // from a tile's rows of A to those of the next
    int64_t apart;   // from a panel of B to the next; of low tiles, which read several
    int64_t cols;    // that there are, in all these panels
    Sums<T> from, to;
    int64_t written;  // columns of `to`: in whole vectors, or with a mask if they are fewer
    Ahead<T> ahead;   // rows ahead.from and ahead.to are for what follows the last tile, since
                      // each brings those of the one below
    T* copy;          // this, count, next_a and ahead are not for low tiles
};

template <class T>
using RunTiles = void (*)(const Tiles<T>&);

// Where a tile's operands lie.
enum class Source : uint8_t {
    packed,            // both; constant steps: 4 to 10% faster where tiles are low (v3)
    b_packed,          // a where it is
    in_place,          // both where they are; b is left packed at `copy`
    in_place_partial,  // the same of a panel that is not full
};

constexpr int64_t steps_per_turn = 4;

template <class T, int height, int vectors, Source source, bool first = false>
static void dense_tiles(const Tiles<T>& tiles) {
    constexpr bool partial = source == Source::in_place_partial;
    constexpr bool packs = partial || source == Source::in_place;
    constexpr bool a_packed = source == Source::packed;
    constexpr int64_t width = vectors * lanes<T>;
    const int64_t a_step = a_packed ? height : tiles.a.step, across = tiles.a.across;
    int64_t row_at[height];
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r) row_at[r] = a_packed ? r : opaque(r * across);
    const int64_t b_step = packs ? tiles.b.step : width;
    const int64_t in_last = lanes_of<T>(tiles.cols, vectors - 1);  // of a partial panel
    const T* a = tiles.a.data;
    Sums<T> from = tiles.from, to = tiles.to;
    Ahead<T> ahead = tiles.ahead;
    T* copy = tiles.copy;
    for (int64_t count = tiles.count; LW_REPEAT_WHILE(count > 0); --count) {
        Vec<T> sum[height][vectors];
        begin_sums<T, first>(sum, from);
        const T *x = a, *y = tiles.b.data;
        const auto step = [&]() __attribute__((always_inline)) {
            Vec<T> row[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                const T* const at = y + v * lanes<T>;
                row[v] = partial && v == vectors - 1 ? load_n(at, in_last) : load(at);
            }
#pragma GCC unroll 16
            for (int r = 0; r < height; ++r) {
                const Vec<T> value = splat(x[row_at[r]]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) accumulate<T>(sum[r][v], value, row[v]);
            }
            if (packs) {
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) store(copy + v * lanes<T>, row[v]);
                copy += width;
                const T* const soon = y + steps_ahead * b_step;
#pragma GCC unroll 4
                for (int64_t j = 0; j < width; j += line<T>) __builtin_prefetch(soon + j);
                __builtin_prefetch(soon + width - 1);
            }
            x = a_packed ? x + a_step : opaque(x + a_step);
            y = packs ? opaque(y + b_step) : y + b_step;
        };
        if (!ahead.rows_go_on) {
            const auto below = [](const Sums<T>& s) {
                return Strip<T>{s.at(height, 0).data, s.ld};
            };
            const bool last = count == 1;
            if (last || from.ld > 0) ahead.from = last ? tiles.ahead.from : below(from);
            ahead.to = last ? tiles.ahead.to : below(to);
            if (ahead.from.data == ahead.to.data) ahead.from = {};  // sums that stay where they are
        }
        int64_t turns = tiles.depth / steps_per_turn;
        for (int64_t r = turns; r < height; ++r) ahead.template bring_row<width>();
        const int64_t share = max_of(turns / height, 1);
        // The loop's own instructions are a seventh of a step: four steps a turn, 10% faster on
        // Zen 3.
        while (LW_REPEAT_WHILE(turns > 0)) {
            ahead.template bring_row<width>();
            int64_t n = min_of(share, turns);
            turns -= n;
            do {
                step(), step();
                if (!packs) ahead.bring_line();
                step(), step();
            } while (LW_REPEAT_WHILE(--n > 0));
        }
        for (int64_t n = tiles.depth % steps_per_turn; n > 0; --n) step();
        end_sums<T>(sum, to, tiles.written);
        a += tiles.next_a;
        from = from.at(height, 0), to = to.at(height, 0);
    }
}

// Tiles of a full panel that is packed are most of all: where they are `first`, to load no zeros is
// 3% at 100 k. Of a partial panel, few kinds.
template <class T, int height, int vectors>
static RunTiles<T> dense_tiles_from(Source source, bool first) {
    if constexpr (has_masks)
        if (source == Source::in_place_partial)
            return dense_tiles<T, height, vectors, Source::in_place_partial>;
    if constexpr (vectors == Tile<T>::vectors) {
        if (source == Source::packed)
            return first ? dense_tiles<T, height, vectors, Source::packed, true>
                         : dense_tiles<T, height, vectors, Source::packed>;
        if (source == Source::in_place) return dense_tiles<T, height, vectors, Source::in_place>;
    }
    return dense_tiles<T, height, vectors, Source::b_packed>;
}

// Of as many vectors as the panel has.
template <class T>
static RunTiles<T> dense_tiles_of(int64_t wanted, int64_t cols, Source source, bool first) {
    constexpr int most = Tile<T>::vectors;
    return visit_count<Tile<T>::max_height>(wanted, [&]<int height>() {
        return visit_count<most>(ceil_div(cols, lanes<T>), [&]<int vectors>() {
            return dense_tiles_from<T, height, vectors>(source, first);
        });
    });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
