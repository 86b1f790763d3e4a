// Tiles of few rows against several panels at once: the steps of a sum wait for each other, so a
// tile needs a dozen sums, and with so few rows B is read only once.
#pragma once

#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Columns of B that lie one after the other are transposed in registers for so many rows at most.
template <class T>
constexpr int max_across = Tile<T>::max_height / 2;
// Rows of B are read where they lie for so many: a single tile of four vectors is wide enough, and
// no other would read a copy.
template <class T>
constexpr int max_low = Tile<T>::vectors >= 4 ? Tile<T>::max_height : max_across<T>;

// As many panels as there are registers for, if not more than make a sum's steps overlap.
template <class T>
constexpr int low_panels(int64_t height) {
    constexpr int64_t most = 12 / Tile<T>::vectors;
    const int64_t panels = Tile<T>::max_height / height;
    return static_cast<int>(panels < most ? panels : most);
}

// As dense_tiles, one tile against `panels` panels of B that are `apart`; in_place: B is not
// packed, and each step asks for the rows that are needed some steps later.
template <class T, int height, int panels, bool in_place>
static void low_tile(int64_t depth, Strip<T> a, Strip<T> b, int64_t apart, Sums<T> from,
                     Sums<T> to) {
    constexpr int64_t width = Tile<T>::width;
    constexpr int vectors = Tile<T>::vectors;
    Vec<T> sum[height][vectors * panels];
    begin_sums<T>(sum, from);
    for (; depth > 0; --depth) {
#pragma GCC unroll 8
        for (int p = 0; p < panels; ++p) {
            const T* const row = b.data + p * apart;
            for (int64_t j = 0; in_place && j < width; j += line<T>)
                __builtin_prefetch(row + steps_ahead * b.step + j);
            Vec<T> y[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) y[v] = load(row + v * lanes<T>);
#pragma GCC unroll 16
            for (int r = 0; r < height; ++r) {
                const Vec<T> x = splat(a.data[r * a.across]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) accumulate<T>(sum[r][vectors * p + v], x, y[v]);
            }
        }
        a.data += a.step, b.data += in_place ? b.step : width;
    }
    end_sums<T>(sum, to);
}

// The same against one panel, whose columns are contiguous and `apart`: they are transposed in
// registers, where packing would write them out to be read once.
template <class T, int height>
static void across_tile(int64_t depth, Strip<T> a, const T* columns, int64_t apart, Sums<T> from,
                        Sums<T> to) {
    constexpr int vectors = Tile<T>::vectors;
    Vec<T> sum[height][vectors];
    begin_sums<T>(sum, from);
    const auto block = [&]<bool whole>(int64_t steps) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int part = 0; part < vectors; ++part) {
            const T* const first_column = columns + part * lanes<T> * apart;
            Vec<T> v[lanes<T>];
#pragma GCC unroll 16
            for (int64_t j = 0; j < lanes<T>; ++j) {
                const T* const column = first_column + j * apart;
                v[j] = whole ? load(column) : load_n(column, steps);
            }
            transpose<T>(v);
#pragma GCC unroll 16
            for (int64_t i = 0; i < (whole ? lanes<T> : steps); ++i)
#pragma GCC unroll 16
                for (int r = 0; r < height; ++r)
                    accumulate<T>(sum[r][part], splat(a.data[i * a.step + r * a.across]), v[i]);
        }
        a.data += steps * a.step, columns += steps;
    };
    for (; depth >= lanes<T>; depth -= lanes<T>) block.template operator()<true>(lanes<T>);
    if (depth > 0) block.template operator()<false>(depth);
    end_sums<T>(sum, to);
}

template <class T>
using LowTile = void (*)(int64_t depth, Strip<T> a, Strip<T> b, int64_t apart, Sums<T> from,
                         Sums<T> to);

template <class T, int height, int panels>
static LowTile<T> low_tile_from(bool in_place) {
    return in_place ? low_tile<T, height, panels, true> : low_tile<T, height, panels, false>;
}

// For low_panels(wanted) panels, or for one.
template <class T>
static LowTile<T> low_tile_of(int64_t wanted, bool one_panel, bool in_place) {
    return visit_count<max_low<T>>(wanted, [&]<int height>() {
        return one_panel ? low_tile_from<T, height, 1>(in_place)
                         : low_tile_from<T, height, low_panels<T>(height)>(in_place);
    });
}

template <class T>
using AcrossTile = void (*)(int64_t depth, Strip<T> a, const T* columns, int64_t apart,
                            Sums<T> from, Sums<T> to);

template <class T>
static AcrossTile<T> across_tile_of(int64_t wanted) {
    return visit_count<max_across<T>>(wanted, []<int height>() { return across_tile<T, height>; });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
