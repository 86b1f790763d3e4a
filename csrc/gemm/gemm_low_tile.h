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

// How the panels lie that a tile of few rows reads.
enum class Low : uint8_t {
    packed,
    in_place,          // each step asks for the rows that are needed some steps later
    in_place_partial,  // the last of them is not full
};

// As dense_tiles, one tile against `panels` panels of B.
template <class T, int height, int panels, Low source>
static void low_tile(const Tiles<T>& tile) {
    constexpr int64_t width = Tile<T>::width;
    constexpr int vectors = Tile<T>::vectors;
    constexpr bool in_place = source != Low::packed, partial = source == Low::in_place_partial;
    constexpr int64_t ahead = panels > 1 ? steps_ahead / 2 : steps_ahead;
    const int64_t b_step = in_place ? tile.b.step : width, apart = in_place ? width : tile.apart;
    const T *a = tile.a.data, *b = tile.b.data;
    Vec<T> sum[height][vectors * panels];
    begin_sums<T>(sum, tile.from);
    for (int64_t depth = tile.depth; LW_REPEAT_WHILE(depth > 0); --depth) {
#pragma GCC unroll 8
        for (int p = 0; p < panels; ++p) {
            const T* const row = b + p * apart;
            for (int64_t j = 0; in_place && j < width; j += line<T>)
                __builtin_prefetch(row + ahead * b_step + j);
            Vec<T> y[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                const T* const at = row + v * lanes<T>;
                y[v] = partial && p == panels - 1
                           ? load_n(at, lanes_of<T>(tile.cols, p * vectors + v))
                           : load(at);
            }
#pragma GCC unroll 16
            for (int r = 0; r < height; ++r) {
                const Vec<T> x = splat(a[r * tile.a.across]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) accumulate<T>(sum[r][vectors * p + v], x, y[v]);
            }
        }
        a += tile.a.step, b += b_step;
    }
    end_sums<T>(sum, tile.to, tile.written);
}

// The same against one panel, whose columns are contiguous, b.across apart: they are transposed in
// registers, where packing would write them out to be read once.
template <class T, int height>
static void across_tile(const Tiles<T>& tile) {
    constexpr int vectors = Tile<T>::vectors;
    const int64_t a_step = tile.a.step, apart = tile.b.across;
    const T *a = tile.a.data, *columns = tile.b.data;
    Vec<T> sum[height][vectors];
    begin_sums<T>(sum, tile.from);
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
                    accumulate<T>(sum[r][part], splat(a[i * a_step + r * tile.a.across]), v[i]);
        }
        a += steps * a_step, columns += steps;
    };
    int64_t depth = tile.depth;
    for (; depth >= lanes<T>; depth -= lanes<T>) block.template operator()<true>(lanes<T>);
    if (depth > 0) block.template operator()<false>(depth);
    end_sums<T>(sum, tile.to, tile.written);
}

template <class T>
static RunTiles<T> low_tile_of(int64_t wanted, int64_t panels, Low source) {
    return visit_count<max_low<T>>(wanted, [&]<int height>() {
        return visit_count<low_panels<T>(height)>(panels, [&]<int count>() {
            if (source == Low::packed) return low_tile<T, height, count, Low::packed>;
            if constexpr (has_masks)
                if (source == Low::in_place_partial)
                    return low_tile<T, height, count, Low::in_place_partial>;
            return low_tile<T, height, count, Low::in_place>;
        });
    });
}

template <class T>
static RunTiles<T> across_tile_of(int64_t wanted) {
    return visit_count<max_across<T>>(wanted, []<int height>() { return across_tile<T, height>; });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
