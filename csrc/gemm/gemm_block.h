// One block of C: sums over all of k, which end in tiles where they can.
#pragma once

#include "gemm/gemm_low_tile.h"
#include "gemm/gemm_panel.h"
#include "gemm/gemm_plan.h"
#include "gemm/gemm_tile_end.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Where the sums of the first `cols` columns of a block end.
template <class T>
struct Result {
    int64_t cols = 0;
    Sums<T> sums;                       // there, where they are the result
    const TileEnd<T>* tiles = nullptr;  // or in this
};

// A block of C whose A is dense. The sums grow in `sums` and end there or in `result`. Panels of B
// are taken one after the other, against all row panels of A each. task.pack_rows(k0, k1) is called
// before k from k0 to k1 is read, task.pack_panel(q, k0, k1) before panel q is,
// task.pack_part(part) where no task has packed that part for all.
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
            const int64_t next = k + p.depth < k_end ? k + p.depth : 0;
            const auto depth_from = [&](int64_t from) { return min_of(p.depth, k_end - from); };
            const PanelPart d = {0, 0, k, depth_from(k), block};
            const PanelPart later = {0, 0, next, depth_from(next), next > 0 ? block + 1 : 0};
            task.pack_rows(k, k + d.depth);
            run_depth(d, later, first);
        }
    }

private:
    // So many sums end together, 2 KiB (a twentieth of a gradient of 100 rows); what they read and
    // write has been brought by as many before.
    static constexpr int64_t ended_sums = 2048 / sizeof(T);
    static_assert(ended_sums >= Tile<T>::max_height * width);

    // Of a panel, between others.
    struct Visit {
        PanelPart part, next;  // next: of the next task, after the last
        bool last_depth;
    };

    void clear() const {
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < round_up(cols, width); ++j)
                (j < result.cols ? result.sums : sums).at(r, j).data[0] = T(0);
    }

    // `next` is the depth block that follows: of the next task, after the last.
    void run_depth(const PanelPart& d, const PanelPart& next, int64_t first) const {
        Panels<T> strips = a;
        if (p.own_rows) strips.packed_k = d.depth, strips.first_k = d.k;
        const int64_t panels = ceil_div(cols, width);
        const bool last = next.k <= d.k;
        int64_t done = 0;
        if constexpr (sizeof(S) == sizeof(T))
            if (rows <= max_low<T> && rows <= p.height && !p.b_later) {
                done = run_low(d, last, strips);
                first = 0;  // what it leaves is the last panel
            }
        const auto panel = [&](PanelPart x, int64_t q) {
            x.q = q % panels, x.cols = min_of(width, cols - x.q * width);
            return x;
        };
        for (; done < panels; ++done) {
            const PanelPart& follows = done + 1 < panels ? d : next;
            const Visit visit = {panel(d, first + done), panel(follows, first + done + 1), last};
            task.pack_panel(visit.part.q, d.k, d.k + d.depth);
            run_panel(visit, strips);
        }
    }

    // A block of so few rows that one tile reads each panel, but for a panel that is packed and not
    // full; gives how many it has done.
    int64_t run_low(const PanelPart& d, bool last_depth, const Panels<T>& strips) const {
        const bool in_place = b.panels.first_packed > 0, ends = last_depth && result.cols > 0;
        const int64_t panels = in_place ? ceil_div(b.panels.first_packed, width) : cols / width;
        const bool across = rows <= max_across<T> && b.source.data;
        const int64_t most = across ? 1 : low_panels<T>(rows);
        const TileEnd<T>* const end = ends ? result.tiles : nullptr;
        alignas(64) T own[Tile<T>::max_height * width];
        for (int64_t q = 0, n = 0; q < panels; q += n) {
            const int64_t left = panels - q, col = q * width;
            n = left <= most ? left : left < 2 * most ? ceil_div(left, 2) : most;
            const int64_t there = min_of(n * width, cols - col);
            const Sums<T> grown = sums.at(0, col);
            Tiles<T> tile = {};
            tile.depth = d.depth, tile.cols = there;
            tile.a = strips.at(0, rows, d.k);
            tile.from = d.k > 0 ? grown : no_sums<T>();
            tile.to = end ? Sums<T>{own, n * width} : ends ? result.sums.at(0, col) : grown;
            tile.written = ends && !end ? there : n * width;
            if (across) {
                const Matrix<const T>& x = b.source;
                tile.b = {x.data + col * x.col_stride + d.k, 1, x.col_stride};
                across_tile_of<T>(rows)(tile);
            } else {
                for (int64_t i = q; i < q + n; ++i) task.pack_panel(i, d.k, d.k + d.depth);
                tile.b = b.panels.at(col, width, d.k), tile.apart = b.panels.apart(col, width);
                const Low source = !in_place           ? Low::packed
                                   : there < n * width ? Low::in_place_partial
                                                       : Low::in_place;
                low_tile_of<T>(rows, n, source)(tile);
            }
            if (end) end->take(0, rows, col, there, tile.to);
        }
        return panels;
    }

    // What the tile at (row, col) of the block begins with and leaves, or its end reads and writes.
    static Ahead<T> rows_ahead(const PanelPart& x, const Sums<T>& from, const Sums<T>& to,
                               const TileEnd<T>* end, int64_t row, int64_t col) {
        Ahead<T> ahead = {};
        ahead.to = {to.data, to.ld};
        if (x.k > 0) ahead.from = {from.data, from.ld};
        if (!end) return ahead;
        const Strip<T> reads = end->reads(row, col);
        if (reads.data) ahead.from = reads;
        ahead.to = end->writes(row, col);
        ahead.rows_go_on = true;
        return ahead;
    }

    // The first tile packs the panel, if it is only in the matrix. The tiles bring the next one:
    // 1/7 faster at 2048^3 where L3 is far (Emerald Rapids); and the room for its copy: 2% at
    // 1024^3. What the next depth block reads of A only pushes out of L2 what this one does (2%).
    void run_panel(const Visit& visit, const Panels<T>& strips) const {
        const PanelPart& x = visit.part;
        const int64_t turns = x.depth / steps_per_turn, tiles = ceil_div(rows, p.height);
        OpenPanel<T> panel = open_panel(b, x);
        if (panel.room.data && p.b_later) {
            task.pack_part(x, panel.room.data);
            panel.room.publish();
            panel.room = {};
        }
        Region<T> next_b = panel_region(b, visit.next);
        Region<T> next_room = room_region(b, visit.next);
        const Sums<T> grown = sums.at(0, x.q * width), from = x.k > 0 ? grown : no_sums<T>();
        const bool ends = visit.last_depth && x.q * width < result.cols;
        const TileEnd<T>* const end = ends ? result.tiles : nullptr;
        const Sums<T> to = ends && !end ? result.sums.at(0, x.q * width) : grown;
        const int64_t stored = stored_width<T>(x.cols);
        alignas(64) T own[ended_sums];
        for (int64_t tile = 0, n = 0; tile < tiles; tile += n) {
            const int64_t r = tile * p.height, height = min_of(p.height, rows - r);
            const bool packs = r == 0 && panel.room.data;
            // How many tiles are alike from here on.
            n = packs || height < p.height ? 1 : rows / p.height - tile;
            if (end) n = min_of(n, ended_sums / (p.height * stored));
            Region<T>& next = next_b.runs > 0 ? next_b : next_room;
            n = min_of(n, next.tiles(turns));
            const bool last = tile + n == tiles;
            const int64_t row = last ? 0 : r + n * height, col = last ? width : 0;
            Ahead<T> ahead =
                rows_ahead(x, from.at(row, col), to.at(row, col), end, row, x.q * width + col);
            if (!packs)
                if (const Strip<T> lines = next.part(n * turns); lines.data) ahead.b = lines;
            const Source source = packs && x.cols < width ? Source::in_place_partial
                                  : packs                 ? Source::in_place
                                  : strips.is_packed(r)   ? Source::packed
                                                          : Source::b_packed;
            const Tiles<T> run = {.count = n,
                                  .depth = x.depth,
                                  .a = strips.at(r, height, x.k),
                                  .b = packs ? panel.in_place : panel.columns,
                                  .next_a = strips.apart(r, height),
                                  .apart = 0,
                                  .cols = x.cols,
                                  .from = from.at(r, 0),
                                  .to = end ? Sums<T>{own, stored} : to.at(r, 0),
                                  .written = ends && !end ? x.cols : stored,
                                  .ahead = ahead,
                                  .copy = panel.room.data};
            dense_tiles_of<T>(height, x.cols, source, x.k == 0)(run);
            if (end) end->take(r, n * height, x.q * width, x.cols, run.to);
            if (packs) panel.room.publish();
        }
    }
};

// Lines of a sparse operand against columns [j0, j1) of b, j0 a multiple of a panel's width.
// later(lines, rows) is what to bring meanwhile, `rows` those of b that are read next.
template <class T, class S, class Later>
static void sparse_block(const SparseLines<T>& x, const Panels<T, S>& b, int64_t j0, int64_t j1,
                         const Sums<T>& s, const Later& later) {
    constexpr int64_t width = Tile<T>::width, part = part_width<T>;
    const auto rows_of = [&](int64_t j, int64_t c) {
        SparseAhead<S> rows;
        rows.steps = word_bits;
        for (int64_t p = 0; p < sparse_parts; ++p) {
            const int64_t col = min_of(j + p * part, j1 - 1) / part * part, in_panel = col % width;
            const int64_t first = col - in_panel;
            rows.parts[p] = b.at(first, stored_width<T>(j1 - first), x.k_of(c));
            rows.parts[p].data += in_panel;
        }
        return rows;
    };
    for (int64_t j = j0; j < j1; j += strip_width<T>) {
        const int64_t parts = min_of(sparse_parts, ceil_div(j1 - j, part));
        for (int64_t c = 0; c < x.chunks; ++c) {
            const bool last = c + 1 == x.chunks;
            const SparseAhead<S> rows = rows_of(j, c);
            const SparseAhead<S> next = last ? rows_of(j + strip_width<T>, 0) : rows_of(j, c + 1);
            sparse_strip<T, S>(parts, x.chunk(c), rows.parts, later(x.lines, next), c == 0,
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
