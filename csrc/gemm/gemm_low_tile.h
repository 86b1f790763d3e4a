// Tiles of few rows against several panels at once: the steps of a sum wait for each other, so a
// tile needs a dozen sums, and with so few rows B is read only once.
#pragma once

#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
constexpr int max_low = Tile<T>::max_height / 2;

// As many panels as there are registers for, if not more than make a sum's steps overlap.
template <class T>
constexpr int low_panels(int64_t height) {
    const int64_t panels = Tile<T>::max_height / height;
    return static_cast<int>(panels < 6 ? panels : 6);
}

// As dense_tiles, one tile against `panels` panels of B that are `apart`; in_place: B is not
// packed, and each step asks for the rows that are needed some steps later.
template <class T, int height, int panels, bool first, bool in_place>
static void low_tile(int64_t depth, Strip<T> a, Strip<T> b, int64_t apart, Sums<T> from,
                     Sums<T> to) {
    constexpr int64_t width = Tile<T>::width;
    Vec<T> sum[height][2 * panels];
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r)
#pragma GCC unroll 16
        for (int v = 0; v < 2 * panels; ++v)
            sum[r][v] = first ? Vec<T>{} : load(from.data + r * from.ld + v * lanes<T>);
    for (; depth > 0; --depth) {
#pragma GCC unroll 8
        for (int p = 0; p < panels; ++p) {
            const T* const row = b.data + p * apart;
            for (int64_t j = 0; in_place && j < width; j += line<T>)
                __builtin_prefetch(row + steps_ahead * b.step + j);
            const Vec<T> b0 = load(row), b1 = load(row + lanes<T>);
#pragma GCC unroll 16
            for (int r = 0; r < height; ++r) {
                const Vec<T> x = splat(a.data[r]);
                accumulate<T>(sum[r][2 * p], x, b0);
                accumulate<T>(sum[r][2 * p + 1], x, b1);
            }
        }
        a.data += a.step, b.data += in_place ? b.step : width;
    }
#pragma GCC unroll 16
    for (int r = 0; r < height; ++r)
#pragma GCC unroll 16
        for (int v = 0; v < 2 * panels; ++v) store(to.data + r * to.ld + v * lanes<T>, sum[r][v]);
}

template <class T>
using LowTile = void (*)(int64_t depth, Strip<T> a, Strip<T> b, int64_t apart, Sums<T> from,
                         Sums<T> to);

template <class T, int height, int panels>
static LowTile<T> low_tile_from(bool first, bool in_place) {
    if (first)
        return in_place ? low_tile<T, height, panels, true, true>
                        : low_tile<T, height, panels, true, false>;
    return in_place ? low_tile<T, height, panels, false, true>
                    : low_tile<T, height, panels, false, false>;
}

// For low_panels(wanted) panels, or for one.
template <class T, int height = max_low<T>>
static LowTile<T> low_tile_of(int64_t wanted, bool one_panel, bool first, bool in_place) {
    if constexpr (height > 1)
        if (wanted != height) return low_tile_of<T, height - 1>(wanted, one_panel, first, in_place);
    return one_panel ? low_tile_from<T, height, 1>(first, in_place)
                     : low_tile_from<T, height, low_panels<T>(height)>(first, in_place);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
