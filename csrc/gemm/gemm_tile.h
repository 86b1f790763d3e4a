// Register tiles: the innermost loops of gemm. Every accumulator is one chain over ascending k,
// kept in scratch from one depth block to the next, so the blocking never shows in the result.
#pragma once

#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A tile is `height` rows by two vectors. Sixteen registers hold 6 x 2 sums, two vectors of B and a
// broadcast of A; thirty-two hold 14 x 2.
template <class T>
struct Tile {
#if LW_VECTOR_BYTES == 64
    static constexpr int max_height = 14;
#elif defined(__aarch64__)
    static constexpr int max_height = 12;
#else
    static constexpr int max_height = 6;
#endif
    static constexpr int64_t width = 2 * lanes<T>;
    // A depth block of a B panel is 64 KiB: it streams from L2 as fast as the tile eats it, and the
    // longer the block the less the start and end of a tile cost. 32 KiB: 5% slower from 700 to
    // 2048 a side on Zen 3; 16 KiB, which stay in L1: 9%; 128 KiB: the same.
    static constexpr int64_t depth = 65536 / (width * sizeof(T));
};

// Columns of a task at most: what the epilogue's buffers hold of a row.
constexpr int64_t max_segment = 256;

// What a tile reads at each k, and how far apart: `height` elements of A or `width` of B. Packed
// they follow each other; operands that are laid out that way anyway need no packing.
template <class T>
struct Strip {
    const T* data;
    int64_t step;
};

// What later tiles use: each turn of a tile's loop brings a line of a and of b into L2, and now and
// then a row of the next tile's sums into L1, so that never so many are under way that the tile
// waits: all rows of sums at its start cost 2 to 4% (Emerald Rapids).
template <class T>
struct Ahead {
    Strip<T> a, b;  // a line at each step
    const T* from;  // the next tile's, with the strides of this one's
    const T* to;
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

// Where a tile's operands lie.
enum class Source : uint8_t {
    packed,    // both; constant steps: 4 to 10% faster where tiles are low (v3)
    b_packed,  // a where it is
    in_place,  // both where they are; b is left packed at `copy`
};

// to (height, width) = a b over one depth block, or from + a b where not the first; depth > 0.
template <class T, int height, bool first, Source source>
static void dense_tile(int64_t depth, Strip<T> a, Strip<T> b, Sums<T> from, Sums<T> to,
                       Ahead<T> ahead, T* copy) {
    constexpr bool packs = source == Source::in_place;
    const int64_t a_step = source == Source::packed ? height : a.step;
    const int64_t b_step = packs ? b.step : Tile<T>::width;
    Vec<T> sum[height][2];
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r) {
        sum[r][0] = first ? Vec<T>{} : load(from.data + r * from.ld);
        sum[r][1] = first ? Vec<T>{} : load(from.data + r * from.ld + lanes<T>);
    }
    const auto step = [&]() __attribute__((always_inline)) {
        const Vec<T> b0 = load(b.data), b1 = load(b.data + lanes<T>);
#pragma GCC unroll 16
        for (int r = 0; r < height; ++r) {
            const Vec<T> x = splat(a.data[r]);
            accumulate<T>(sum[r][0], x, b0);
            accumulate<T>(sum[r][1], x, b1);
        }
        a.data += a_step;
        if (packs) {
            store(copy, b0);
            store(copy + lanes<T>, b1);
            copy += Tile<T>::width;
            const T* const soon = b.data + steps_ahead * b_step;
#pragma GCC unroll 2
            for (int64_t j = 0; j < Tile<T>::width; j += line<T>) __builtin_prefetch(soon + j);
            __builtin_prefetch(soon + Tile<T>::width - 1);
        }
        b.data += b_step;
    };
    const auto bring_row = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 2
        for (int64_t j = 0; j < Tile<T>::width; j += line<T>) {
            if (!first) __builtin_prefetch(ahead.from + j);
            __builtin_prefetch(ahead.to + j, 1);
        }
        __builtin_prefetch(ahead.to + Tile<T>::width - 1, 1);  // a row may begin inside a line
        ahead.from += from.ld;
        ahead.to += to.ld;
    };
    int64_t turns = depth / steps_per_turn;
    for (int64_t r = turns; r < height; ++r) bring_row();
    const int64_t share = max_of(turns / height, 1);
    // The loop's own instructions are a seventh of a step: four steps a turn, 10% faster on Zen 3.
    while (turns > 0) {
        bring_row();
        int64_t n = min_of(share, turns);
        turns -= n;
        do {
            __builtin_prefetch(ahead.a.data, 0, 2), ahead.a.data += ahead.a.step;
            step(), step();
            if (!packs) __builtin_prefetch(ahead.b.data, 0, 2), ahead.b.data += ahead.b.step;
            step(), step();
        } while (--n > 0);
    }
    for (depth %= steps_per_turn; depth > 0; --depth) step();
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r) {
        store(to.data + r * to.ld, sum[r][0]);
        store(to.data + r * to.ld + lanes<T>, sum[r][1]);
    }
}

template <class T>
using DenseTile = void (*)(int64_t depth, Strip<T> a, Strip<T> b, Sums<T> from, Sums<T> to,
                           Ahead<T> ahead, T* copy);

template <class T, int height, bool first>
static DenseTile<T> dense_tile_from(Source source) {
    if (source == Source::packed) return dense_tile<T, height, first, Source::packed>;
    if (source == Source::b_packed) return dense_tile<T, height, first, Source::b_packed>;
    return dense_tile<T, height, first, Source::in_place>;
}

template <class T, int height = Tile<T>::max_height>
static DenseTile<T> dense_tile_of(int64_t wanted, bool first, Source source) {
    if constexpr (height > 1)
        if (wanted != height) return dense_tile_of<T, height - 1>(wanted, first, source);
    return first ? dense_tile_from<T, height, true>(source)
                 : dense_tile_from<T, height, false>(source);
}

// A chunk of a sparse operand's line (see gemm_sparse.h) against `panels` neighbouring panels of B,
// panel_stride apart, b their rows of this chunk: c (panels * width) = sum over the bits k of word
// of value[k] * b[k], or c plus that where not the first chunk. Without weights the values are
// ones.
template <class T, int panels, bool weighted>
static void sparse_tile(uint64_t word, const T* values, const T* b, int64_t panel_stride,
                        bool first, T* c) {
    constexpr int64_t width = Tile<T>::width;
    Vec<T> sum[panels][2];
#pragma GCC unroll 8
    for (int p = 0; p < panels; ++p) {
        sum[p][0] = first ? Vec<T>{} : load(c + p * width);
        sum[p][1] = first ? Vec<T>{} : load(c + p * width + lanes<T>);
    }
    for (; word; word &= word - 1) {
        const T* row = b + __builtin_ctzll(word) * width;
        const Vec<T> x = splat(weighted ? *values++ : T(1));
#pragma GCC unroll 8
        for (int p = 0; p < panels; ++p) {
            const Vec<T> b0 = load(row + p * panel_stride);
            const Vec<T> b1 = load(row + p * panel_stride + lanes<T>);
            sum[p][0] = weighted ? fma(x, b0, sum[p][0]) : sum[p][0] + b0;
            sum[p][1] = weighted ? fma(x, b1, sum[p][1]) : sum[p][1] + b1;
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < panels; ++p) {
        store(c + p * width, sum[p][0]);
        store(c + p * width + lanes<T>, sum[p][1]);
    }
}

// Every addend is one vector load: the rows of B that a word may name should be in half of L1.
constexpr int sparse_panels = 4;
constexpr int64_t word_bits = 64;

template <class T>
using SparseTile = void (*)(uint64_t word, const T* values, const T* b, int64_t panel_stride,
                            bool first, T* c);

template <class T, int panels = sparse_panels>
static SparseTile<T> sparse_tile_of(int64_t wanted, bool weighted) {
    if constexpr (panels > 1)
        if (wanted != panels) return sparse_tile_of<T, panels - 1>(wanted, weighted);
    return weighted ? sparse_tile<T, panels, true> : sparse_tile<T, panels, false>;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
