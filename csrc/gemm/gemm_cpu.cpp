// gemm on the CPU: blocks of C as independent tasks. B is packed before them, or where its rows are
// contiguous by the first tile that reads a panel (sparse blocks read it where it is); where there
// are few rows, each task packs the columns of B that it reads, where there are many, the rows of
// A. Where B is sparse and A is not, C' = B' A' is computed and transposed block by block.
#include "gemm/gemm.h"

#include "core/parallel_tasks.h"
#include "gemm/gemm_block.h"
#include "gemm/gemm_epilogue.h"

namespace layerwise::LW_ISA_NAMESPACE {

// --- packing

// The second operand: [b; tail_scale tail].
template <class T>
struct Stacked {
    const Operand<T>& b;
    const Operand<T>& tail;
    T tail_scale;
};

// Rows [k0, k1) of columns [j0, j0 + n) of b into panels of k_total rows, of which out is the first
// that b fills.
template <class T, class S>
static void pack_b_rows(const Operand<T>& b, T scale, int64_t k0, int64_t k1, int64_t j0, int64_t n,
                        int64_t k_total, S* out) {
    // Long runs along the memory of B: down one panel where its columns are contiguous, else across
    // panels, a few rows at a time so that they stay in L1 from panel to panel.
    constexpr int64_t width = Tile<T>::width;
    const bool columns = b.encoding == Encoding::dense && b.dense.row_stride == 1;
    const int64_t run = columns ? k1 - k0 : 16;
    for (int64_t k = k0; k < k1; k += run)
        for (int64_t j = 0; j < n; j += width)
            pack_b_panel(b, k, min_of(k + run, k1), j0 + j, scale, out + j * k_total + k * width);
}

// The same of both operands; out is the first row of the first panel.
template <class T, class S>
static void pack_b_block(const Stacked<T>& s, int64_t k0, int64_t k1, int64_t j0, int64_t n,
                         S* out) {
    const int64_t k_b = operand_rows(s.b), k = k_b + operand_rows(s.tail);
    pack_b_rows(s.b, T(1), k0, min_of(k1, k_b), j0, n, k, out);
    pack_b_rows(s.tail, s.tail_scale, max_of(k0 - k_b, 0), k1 - k_b, j0, n, k,
                out + k_b * Tile<T>::width);
}

// All of columns [j0, j0 + n).
template <class T, class S>
static Status pack_b_columns(const Stacked<T>& s, int64_t j0, int64_t n, S* out,
                             const Target& target) {
    constexpr int64_t width = Tile<T>::width, rows_per_task = 256, cols_per_task = 4 * width;
    const int64_t k = operand_rows(s.b) + operand_rows(s.tail);
    const int64_t chunks = ceil_div(k, rows_per_task);
    const auto cost =
        2.0 * static_cast<double>(min_of(k, rows_per_task) * min_of(n, cols_per_task));
    return parallel(target, chunks * ceil_div(n, cols_per_task), cost, [&](int64_t task, int) {
        const int64_t k0 = task % chunks * rows_per_task, j = task / chunks * cols_per_task;
        pack_b_block(s, k0, min_of(k0 + rows_per_task, k), j0 + j, min_of(cols_per_task, n - j),
                     out + j * k);
    });
}

// Share of the elements of a few rows that are not zero.
template <class T>
static double sampled_density(const Operand<T>& x, int64_t i0, int64_t rows) {
    const int64_t step = max_of(rows / 8, 1);
    int64_t found = 0, seen = 0;
    for (int64_t i = i0; i < i0 + rows; i += step, seen += operand_cols(x))
        found += count_nonzeros(x, i, 1, operand_cols(x));
    return static_cast<double>(found) / static_cast<double>(max_of(seen, 1));
}

// A few rows that are nearly full spare a dense matrix the count of all its elements.
template <class T>
static bool looks_dense(const Operand<T>& x, int64_t i0, int64_t rows) {
    return sampled_density(x, i0, rows) > 2 * sparse_threshold;
}

// Are the rows sparse enough?
template <class T>
static bool wants_sparse_a(const GemmArgs<T>& g, int64_t i0, int64_t rows) {
    const Operand<T>& a = g.a;
    if (operand_cols(g.a_tail) > 0 || operand_cols(a) == 0 || !has_dense_rows(a)) return false;
    if (a.encoding == Encoding::dense && looks_dense(a, i0, rows)) return false;
    const double threshold = a.encoding == Encoding::bits ? bits_threshold : sparse_threshold;
    const int64_t limit = most_nonzeros(threshold, rows * operand_cols(a));
    return count_nonzeros(a, i0, rows, limit) <= limit;
}

// Rows [i0, i0 + rows), columns [k0, k1) of [a, tail] into panels of that depth.
template <class T>
static void pack_a_rows(const GemmArgs<T>& g, int64_t height, int64_t i0, int64_t rows, int64_t k0,
                        int64_t k1, T* out) {
#ifdef LW_CORRUPT_SIGN
    const T scale = -g.tail_scale;
#else
    const T scale = g.tail_scale;
#endif
    // Columns that are contiguous go a few at a time through all panels, so that they stay in L1
    // from one to the next: 2 to 12% of a product.
    const int64_t k_a = operand_cols(g.a), depth = k1 - k0;
    const bool columns = has_dense_columns(g.a) && has_dense_columns(g.a_tail);
    const int64_t run = columns ? 16 : max_of(depth, 1);
    for (int64_t k = k0; k < k1; k += run) {
        const int64_t end = min_of(k + run, k1), before = max_of(min_of(end, k_a) - k, 0);
        for (int64_t r = 0; r < rows; r += height) {
            const int64_t n = min_of(height, rows - r);  // the last panel may be lower
            T* const to = out + r * depth + (k - k0) * n;
            pack_a_panel(g.a, i0 + r, n, k, min_of(end, k_a), T(1), to);
            pack_a_panel(g.a_tail, i0 + r, n, max_of(k - k_a, 0), end - k_a, scale,
                         to + before * n);
        }
    }
}

// Own rows that are not sparse are packed later, a depth block at a time.
template <class T>
static ABlock<T> pack_a_block(const GemmArgs<T>& g, const Plan& p, int64_t i0, int64_t rows,
                              void* memory) {
    if (!p.dense_a && wants_sparse_a(g, i0, rows)) {
        ABlock<T> block = {nullptr, empty_lines<T>(rows, p.k, 0, memory)};
        char* values = static_cast<char*>(memory) + sparse_bytes(rows, block.sparse.chunks);
        sparse_rows(g.a, i0, block.sparse, reinterpret_cast<T*>(values));
        return block;
    }
    T* const panels = static_cast<T*>(memory);
    if (!p.own_rows && !p.a_in_place) pack_a_rows(g, p.height, i0, rows, 0, p.k, panels);
    return {panels, {}};
}

LW_INLINE int64_t rows_of(const Plan& p, int64_t block) {
    return min_of(p.block_rows, p.m - block * p.block_rows);
}

// The blocks of rows that all tasks read, from row i0 on, into memory. Where there are few, and
// they are sure to be dense, a task packs some of a block's panels: 5% of a product of 100 rows.
template <class T>
static Status pack_shared_rows(const GemmArgs<T>& g, const Plan& p, int64_t i0, ABlock<T>* blocks,
                               char* memory, const Target& target) {
    const int64_t panels = ceil_div(p.block_rows, p.height), wanted = 2 * target.num_threads;
    const bool whole = !p.dense_a || p.a_in_place || p.shared_blocks >= target.num_threads;
    const int64_t part_rows = (whole ? panels : ceil_div(panels, wanted)) * p.height;
    const int64_t parts = ceil_div(p.block_rows, part_rows);
    const double cost = p.a_in_place ? 0 : 2 * static_cast<double>(part_rows * p.k);
    return parallel(target, p.shared_blocks * parts, cost, [&](int64_t task, int) {
        const int64_t block = task / parts, i = i0 + block * p.block_rows;
        const int64_t rows = rows_of(p, block), first = task % parts * part_rows;
        void* const at = memory + static_cast<size_t>(block) * p.a_block_bytes;
        T* const out = static_cast<T*>(at);
        if (whole) {
            blocks[block] = pack_a_block(g, p, i, rows, at);
            return;
        }
        if (first == 0) blocks[block] = {out, {}};
        if (first < rows)
            pack_a_rows(g, p.height, i + first, min_of(part_rows, rows - first), 0, p.k,
                        out + first * p.k);
    });
}

// What the task of rows [i, i + rows) packs after its depth block before k; the first is of the
// next task.
template <class T>
static Region<T> later_rows(const GemmArgs<T>& g, int64_t i, int64_t rows, int64_t k,
                            int64_t depth) {
    if (k == 0) i += rows;
    if (g.a.encoding != Encoding::dense || i >= g.a.dense.rows || k >= g.a.dense.cols) return {};
    const Matrix<const T>& a = g.a.dense;
    const T* const data = a.data + i * a.row_stride + k * a.col_stride;
    if (a.col_stride == 1) return rows_region(data, a.row_stride, rows, depth);
    if (a.row_stride == 1) return rows_region(data, a.col_stride, depth, rows);
    return {};
}

// Columns [j, j + cols) of rows [i, i + rows) of a matrix, if it is there.
template <class T>
static Region<T> region_of(const Matrix<T>& x, int64_t i, int64_t rows, int64_t j, int64_t cols) {
    if (!x.data || x.col_stride != 1) return {};
    const T* const data = x.data + i * x.row_stride + j;
    return rows_region(data, x.row_stride, rows, cols);
}

// Share of A's elements that are not zero, by a few rows; 1 where its blocks are packed as panels
// whatever they hold, 0 where A is encoded. Each block decides for itself whether it is sparse.
template <class T>
static double density_of_a(const GemmArgs<T>& g) {
    if (operand_cols(g.a_tail) > 0) return 1;
    if (g.a.encoding != Encoding::dense) return 0;
    return has_dense_rows(g.a) ? sampled_density(g.a, 0, operand_rows(g.a)) : 1;
}

// Columns of A that few tiles read are not worth packing; at n of 512 it is all the same. Pages
// apart they crowd into a few sets of the cache.
template <class T>
static void read_in_place(const GemmArgs<T>& g, double density, Plan& p) {
    constexpr int64_t few = 512, page = 4096;
    p.dense_a = density > 2 * sparse_threshold;
    if (operand_cols(g.a_tail) > 0) return;
    p.a_in_place = g.a.encoding == Encoding::dense && p.n <= few &&
                   has_rows_only(transposed(g.a.dense)) &&
                   g.a.dense.col_stride * static_cast<int64_t>(sizeof(T)) % page != 0;
    p.b_in_place = !g.packed_b && g.b.encoding == Encoding::dense && has_rows_only(g.b.dense);
}

// Of the first `cols` columns of a block, those that tiles read in place: they fill panels.
template <class T>
LW_INLINE int64_t columns_in_place(const Plan& p, int64_t cols) {
    return p.b_in_place ? cols / Tile<T>::width * Tile<T>::width : 0;
}

// --- the product

// The sums are the result: their last depth block can leave them where they belong. Not all of them
// grow there, since rows of C may be a power of two apart: 3% at 2048^3.
template <class T>
static bool is_plain(const GemmArgs<T>& g) {
    const Epilogue<T>& e = g.epilogue;
    return e.alpha == T(1) && e.beta == T(0) && !e.bias.data && e.activation == Activation::none &&
           e.noise == Noise::none && !e.step.w.data && g.mean.col_stride == 1;
}

// B packed, or room for those columns that the first tile to read them packs.
template <class T, class S>
struct PackedB {
    const S* panels = nullptr;
    T* room = nullptr;
    uint8_t* states = nullptr;
};

// Rows [i0, i0 + p.m), columns [j0, j0 + p.n) of C. Tasks may have columns of their own; own rows
// and columns are packed a depth block at a time before the tiles read it.
template <class T, class S>
static Status run_chunk(const GemmArgs<T>& g, const Plan& p, int64_t i0, int64_t j0,
                        const PackedB<T, S>& b, char* memory, const Target& target) {
    auto* blocks = reinterpret_cast<ABlock<T>*>(memory);
    char* a_memory = memory + p.table_bytes;
    char* scratch = a_memory + static_cast<size_t>(p.shared_blocks) * p.a_block_bytes;
    auto memory_of = [&](int thread) {
        return scratch + static_cast<size_t>(thread) * p.scratch_bytes;
    };
    auto copy_of = [&](int thread) {
        return reinterpret_cast<T*>(memory_of(thread) + p.scratch_bytes - p.copy_bytes);
    };
    const Status packed = pack_shared_rows(g, p, i0, blocks, a_memory, target);
    if (packed != Status::ok) return packed;
    const bool plain = is_plain(g);
    const int64_t team = min_of(target.num_threads, p.row_blocks * p.col_blocks);
    const double cost = flops_of(p.block_rows + p.own_columns, p.block_cols, p.k) / tile_rate;
    return parallel(target, p.row_blocks * p.col_blocks, cost, [&](int64_t task, int thread) {
        const int64_t row_block = task % p.row_blocks, j = task / p.row_blocks * p.block_cols;
        const int64_t block_rows = rows_of(p, row_block), cols = min_of(p.block_cols, p.n - j);
        const int64_t i = i0 + row_block * p.block_rows;
        const Sums<T> s = {reinterpret_cast<T*>(memory_of(thread)), p.ld};
        const int64_t whole = plain ? cols / Tile<T>::width * Tile<T>::width : 0;
        Sums<T> result = s;
        if (plain) result = {g.mean.data + i * g.mean.row_stride + j0 + j, g.mean.row_stride};
        T* const own = reinterpret_cast<T*>(memory_of(thread) + p.sums_bytes);
        const ABlock<T> a = p.own_rows ? pack_a_block(g, p, i, block_rows, own) : blocks[row_block];
        S* const own_columns = reinterpret_cast<S*>(own);
        const S* const columns = p.own_columns ? own_columns : b.panels + j * p.k;
        const int64_t in_place = columns_in_place<T>(p, cols);
        const auto later = [&](int64_t k, int64_t depth) {
            Regions<T> regions;
            if (p.own_rows && !p.a_in_place) regions.of[0] = later_rows(g, i, block_rows, k, depth);
            if (k == 0) {  // the epilogue follows
                const MomentumStep<T>& step = g.epilogue.step;
                regions.of[1] = region_of(step.w, i, block_rows, j0 + j, cols);
                regions.of[2] = region_of(step.velocity, i, block_rows, j0 + j, cols);
            }
            return regions;
        };
        const auto pack_rows = [&](int64_t k0, int64_t k1) {
            if (p.own_rows && !p.a_in_place) pack_a_rows(g, p.height, i, block_rows, k0, k1, own);
        };
        const auto pack_columns = [&](int64_t first, int64_t n, int64_t k0, int64_t k1) {
            if (p.own_columns && first >= in_place)
                pack_b_block(Stacked<T>{g.b, g.b_tail, T(1)}, k0, k1, j0 + j + first, n,
                             own_columns + first * p.k);
        };
        const auto pack_panel = [&](int64_t q, int64_t k0, int64_t k1) {
            const int64_t first = q * Tile<T>::width;
            pack_columns(first, min_of(Tile<T>::width, cols - first), k0, k1);
        };
        Columns<T, S> across;
        across.panels.packed = columns, across.panels.packed_k = p.k;
        across.copy = copy_of(thread);
        if (in_place > 0) across.panels.leave_in(g.b.dense, j0 + j, in_place);
        if (a.panels) {
            Panels<T> lines = {.packed = a.panels, .packed_k = p.k};
            int64_t first_panel = 0;
            if (p.a_in_place) lines.leave_in(transposed(g.a.dense), i, block_rows);
            if (in_place > 0) {
                if (b.states) {
                    across.shared = b.room + j * p.k;
                    across.states = b.states + j / Tile<T>::width;
                    across.ld = ceil_div(p.n, Tile<T>::width);
                    first_panel = ceil_div(cols, Tile<T>::width) * thread / team;
                }
            }
            if (p.own_columns && g.b.encoding == Encoding::dense && g.b.dense.row_stride == 1) {
                across.source = g.b.dense;
                across.source.data += (j0 + j) * g.b.dense.col_stride;
                across.source.cols = cols;
            }
            dense_block(p, lines, across, block_rows, cols, s, whole, result, first_panel,
                        pack_rows, pack_panel, later);
        } else {
            pack_columns(in_place, cols - in_place, 0, p.k);
            const auto next = [](int64_t, const SparseAhead<S>& rows) { return rows; };
            sparse_block(a.sparse, across.panels, 0, whole, result, next);
            sparse_block(a.sparse, across.panels, whole, cols, s.at(0, whole), next);
        }
        finish_block(g, i, block_rows, j0 + j + whole, cols - whole, s.data + whole, s.ld);
    });
}

// B's columns are the lines, A' is packed as the tiles read B. The tail's scale goes where it goes
// otherwise, to A', so that both ways give the same bits.
template <class T>
static Status run_sparse_b(const GemmArgs<T>& g, const SparseBPlan& p, const Target& target) {
    char* memory = static_cast<char*>(g.workspace);
    T* a = reinterpret_cast<T*>(memory);
    auto* table = reinterpret_cast<SparseLines<T>*>(memory + p.a_bytes);
    char* words = memory + p.a_bytes + p.table_bytes;
    T* values = reinterpret_cast<T*>(words + static_cast<size_t>(p.line_blocks) * p.words_bytes);
    char* scratch = reinterpret_cast<char*>(values) + p.values_bytes;
    Status status =
        pack_b_columns(Stacked<T>{dense_operand(transposed(g.a.dense)),
                                  dense_operand(transposed(g.a_tail.dense)), g.tail_scale},
                       0, p.m, a, target);
    if (status != Status::ok) return status;
    auto lines_of = [&](int64_t block) { return min_of(p.lines, p.n - block * p.lines); };
    const double count = static_cast<double>(p.capacity) / static_cast<double>(p.line_blocks);
    int64_t placed = 0;
    status = parallel(target, p.line_blocks, 4 * count, [&](int64_t block, int) {
        table[block] = empty_lines<T>(lines_of(block), operand_rows(g.b), operand_rows(g.b_tail),
                                      words + static_cast<size_t>(block) * p.words_bytes);
        sparse_columns(g.b, g.b_tail, block * p.lines, table[block], [&](int64_t n) {
            return values + __atomic_fetch_add(&placed, n, __ATOMIC_RELAXED);
        });
    });
    if (status != Status::ok) return status;
    const double flops = count * static_cast<double>(p.cols);
    return parallel(target, p.line_blocks * p.col_blocks, flops, [&](int64_t task, int thread) {
        const int64_t block = task % p.line_blocks, i = task / p.line_blocks * p.cols;
        const int64_t lines = lines_of(block), rows = min_of(p.cols, p.m - i);
        T* own = reinterpret_cast<T*>(scratch + static_cast<size_t>(thread) * p.scratch_bytes);
        const Sums<T> sums = {own, p.ld}, result = {own + p.lines * p.ld, p.transposed_ld};
        const Panels<T> columns = {.packed = a + i * p.k, .packed_k = p.k};
        Region<T> w = region_of(g.epilogue.step.w, i, rows, block * p.lines, lines);
        Region<T> v = region_of(g.epilogue.step.velocity, i, rows, block * p.lines, lines);
        const auto parameters = [&](int64_t steps, const SparseAhead<T>&) {
            const T* const idle = own;
            const Strip<T> first = w.part(steps, idle), second = v.part(steps, idle);
            return SparseAhead<T>{{first, second, w.part(steps, idle), v.part(steps, idle)}, steps};
        };
        sparse_block(table[block], columns, 0, rows, sums, parameters);
        transpose_block(sums, lines, rows, result);
        finish_block(g, i, rows, block * p.lines, lines, result.data, result.ld);
    });
}

template <class T>
static SparseBPlan sparse_b_plan_of(const GemmArgs<T>& g, const Target& target) {
    const int64_t k = operand_cols(g.a), k_tail = operand_cols(g.a_tail);
    return sparse_b_plan<T>(operand_rows(g.a), operand_cols(g.b), k + k_tail,
                            chunks_of(k) + chunks_of(k_tail), target.num_threads);
}

// Is B sparse, and A a dense array that is worth packing?
template <class T>
static bool wants_sparse_b(const GemmArgs<T>& g, const SparseBPlan& p) {
    const bool dense_a = g.a.encoding == Encoding::dense && g.a_tail.encoding == Encoding::dense;
    if (g.packed_b || !dense_a || p.bytes > g.workspace_bytes) return false;
    if (p.m < Tile<T>::width || p.k == 0) return false;
    if (!has_dense_rows(g.b) || !has_dense_rows(g.b_tail) || looks_dense(g.b, 0, operand_rows(g.b)))
        return false;
    const int64_t limit = most_nonzeros(sparse_threshold, p.n * p.k);
    const int64_t found = count_nonzeros(g.b, 0, operand_rows(g.b), limit);
    return found <= limit &&
           found + count_nonzeros(g.b_tail, 0, operand_rows(g.b_tail), limit) <= limit;
}

// Panels of B that are packed are stored as S.
template <class T, class S>
static Status run_plan(const GemmArgs<T>& g, const Plan& p, const Target& target) {
    char* memory = static_cast<char*>(g.workspace);
    for (int64_t j0 = 0; j0 < operand_cols(g.b); j0 += p.n) {
        Plan chunk = p;
        chunk.n = min_of(p.n, operand_cols(g.b) - j0);
        chunk.col_blocks = ceil_div(chunk.n, p.block_cols);
        PackedB<T, S> b = {static_cast<const S*>(g.packed_b)};
        if (p.b_bytes > 0) {
            T* out = reinterpret_cast<T*>(memory);
            const int64_t in_place = columns_in_place<T>(p, chunk.n);
            b = {reinterpret_cast<S*>(memory), out, nullptr};
            if (p.state_bytes > 0)
                b.states = reinterpret_cast<uint8_t*>(memory + p.b_bytes - p.state_bytes);
            for (size_t i = 0; i < p.state_bytes; ++i) b.states[i] = unpacked;
            const Status status = pack_b_columns(Stacked<T>{g.b, g.b_tail, T(1)}, j0 + in_place,
                                                 chunk.n - in_place, out + in_place * p.k, target);
            if (status != Status::ok) return status;
        }
        for (int64_t i0 = 0; i0 < operand_rows(g.a); i0 += p.m) {
            chunk.m = min_of(p.m, operand_rows(g.a) - i0);
            chunk.row_blocks = ceil_div(chunk.m, p.block_rows);
            chunk.shared_blocks = min_of(p.shared_blocks, chunk.row_blocks);
            const Status status = run_chunk(g, chunk, i0, j0, b, memory + p.b_bytes, target);
            if (status != Status::ok) return status;
        }
    }
    return Status::ok;
}

template <class T>
static Status run(const GemmArgs<T>& g, const Target& given) {
    Target target = given;
    if (g.epilogue.step.w.data) target.poll = nullptr;  // a step is all or nothing
    const int64_t m = operand_rows(g.a), n = operand_cols(g.b);
    const int64_t k = operand_cols(g.a) + operand_cols(g.a_tail);
    if (m == 0 || n == 0) return Status::ok;
    const SparseBPlan sparse_b = sparse_b_plan_of(g, target);
    if (wants_sparse_b(g, sparse_b)) return run_sparse_b(g, sparse_b, target);
    const double density = density_of_a(g);
    Plan p = plan_within<T>(m, n, k, g.packed_b != nullptr, density > sparse_threshold,
                            target.num_threads, g.workspace_bytes);
    read_in_place(g, density, p);
    if constexpr (sizeof(T) == sizeof(float))
        if (g.storage == Storage::bfloat16) return run_plan<T, Bfloat16>(g, p, target);
    return run_plan<T, T>(g, p, target);
}

// Bytes of either plan.
template <class T>
static size_t plan_bytes(const GemmShape& s, const Target& target, size_t bound) {
    const auto bytes = [&](bool dense_a) {
        return plan_within<T>(s.m, s.n, s.k, s.packed_b, dense_a, target.num_threads, bound).bytes;
    };
    return max_of(bytes(false), bytes(true));
}

template <class T>
static size_t workspace(const GemmShape& s, const Target& target) {
    if (s.max_workspace) return plan_bytes<T>(s, target, s.max_workspace);
    const size_t dense = plan_bytes<T>(s, target, SIZE_MAX);
    if (s.packed_b) return dense;
    const int64_t chunks = chunks_of(s.k) + 1;  // a second block of k begins a chunk
    const size_t sparse_b = sparse_b_plan<T>(s.m, s.n, s.k, chunks, target.num_threads).bytes;
    return max_of(dense, sparse_b);
}

template <class T>
static size_t min_workspace(const GemmShape& s, const Target& target) {
    return plan_bytes<T>(s, target, 0);
}

template <class T>
static Status pack_b(const Operand<T>& b, Storage storage, void* packed, const Target& target) {
    const Stacked<T> whole = {b, Operand<T>{}, T(1)};
    if constexpr (sizeof(T) == sizeof(float))
        if (storage == Storage::bfloat16)
            return pack_b_columns(whole, 0, operand_cols(b), static_cast<Bfloat16*>(packed),
                                  target);
    return pack_b_columns(whole, 0, operand_cols(b), static_cast<T*>(packed), target);
}

const GemmKernels& gemm_kernels() {
    static constexpr GemmKernels kernels = {
        {run<float>, workspace<float>, min_workspace<float>, packed_b_bytes<float>, pack_b<float>},
        {run<double>, workspace<double>, min_workspace<double>, packed_b_bytes<double>,
         pack_b<double>},
    };
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
