// gemm on the CPU: pack A and B, then blocks of C as independent tasks.
#include "gemm/gemm.h"

#include "core/parallel_tasks.h"
#include "gemm/gemm_epilogue.h"
#include "gemm/gemm_pack.h"
#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Rows of A sparser than this go through sparse_tile.
constexpr double sparse_threshold = LW_VECTOR_BYTES == 64 ? 0.30 : 0.40;

// One block of rows of A: dense panels, or lists where `sparse` is set.
template <class T>
struct ABlock {
    bool sparse;
    const T* panels;
    RowLists<T> lists;
};

// How one chunk of C is cut up. Nothing here shows in the result.
struct Plan {
    int64_t m, n, k;
    int64_t height;      // rows of an A panel
    int64_t block_rows;  // rows of a task, a multiple of height
    int64_t block_cols;  // columns of a task, a multiple of 64
    int64_t row_blocks, col_blocks;
    int64_t ld;     // row stride of a block's sums, off the powers of two
    int64_t depth;  // k of one pass over a block
    size_t table_bytes, a_block_bytes, b_bytes, scratch_bytes;  // scratch: of one thread
    size_t bytes;
};

LW_INLINE size_t padded(int64_t bytes) { return static_cast<size_t>(round_up(bytes, 64)); }

template <class T>
static size_t packed_b_bytes(int64_t k, int64_t n) {
    return padded(round_up(max_of(n, 1), Tile<T>::width) * k * static_cast<int64_t>(sizeof(T)));
}

// How many starts and entries the lists of one row block hold at most.
LW_INLINE int64_t list_starts(const Plan& p) { return p.block_rows * ceil_div(p.k, p.depth) + 1; }

LW_INLINE int64_t list_capacity(const Plan& p) {
    return static_cast<int64_t>(sparse_threshold * static_cast<double>(p.block_rows * p.k)) + 64;
}

template <class T>
static Plan make_plan(int64_t m, int64_t n, int64_t k, bool packed_b, int threads) {
    Plan p{};
    p.m = m, p.n = n, p.k = k;
    constexpr int64_t max_height = Tile<T>::max_height;
    p.height = m > 0 ? ceil_div(m, ceil_div(m, max_height)) : 1;
    int64_t row_cuts = max_of(ceil_div(m, 20 * max_height), 1);
    int64_t col_cuts = max_of(ceil_div(n, max_segment), 1);
    while (row_cuts * col_cuts < 4 * threads) {  // small products: enough tasks to share out
        if (n / col_cuts > 128)
            ++col_cuts;
        else if (m / row_cuts > 8 * max_height)
            ++row_cuts;
        else if (row_cuts * col_cuts < threads && n / col_cuts > 64)
            ++col_cuts;
        else
            break;
    }
    p.block_rows = round_up(max_of(ceil_div(m, row_cuts), 1), p.height);
    p.block_cols = round_up(max_of(ceil_div(n, col_cuts), 1), 64);
    p.ld = p.block_cols + 64 / static_cast<int64_t>(sizeof(T));
    p.row_blocks = ceil_div(m, p.block_rows);
    p.col_blocks = ceil_div(n, p.block_cols);
    p.depth = k > 0 ? round_up(ceil_div(k, ceil_div(k, Tile<T>::depth)), 64) : 64;
    const int64_t size = sizeof(T);
    const int64_t dense = (p.block_rows * k + lanes<T>)*size;
    const int64_t lists = list_starts(p) * 8 + list_capacity(p) * (4 + size);
    p.a_block_bytes = padded(dense > lists ? dense : lists);
    p.b_bytes = packed_b ? 0 : packed_b_bytes<T>(k, n);
    p.scratch_bytes = padded(p.block_rows * p.ld * size);
    p.table_bytes = padded(p.row_blocks * static_cast<int64_t>(sizeof(ABlock<T>)));
    p.bytes = p.b_bytes + p.table_bytes + static_cast<size_t>(p.row_blocks) * p.a_block_bytes +
              static_cast<size_t>(threads) * p.scratch_bytes;
    return p;
}

// The largest chunk of C, halving the longer side, whose workspace fits; k is never cut.
template <class T>
static Plan plan_within(int64_t m, int64_t n, int64_t k, bool packed_b, int threads, size_t bound) {
    for (;;) {
        const Plan p = make_plan<T>(m, n, k, packed_b, threads);
        const bool can_cut_n = n > 64 && !packed_b, can_cut_m = m > Tile<T>::max_height;
        if (p.bytes <= bound || (!can_cut_n && !can_cut_m)) return p;
        if (can_cut_n && (n >= m || !can_cut_m))
            n = round_up(n / 2, 64);
        else
            m = round_up(m / 2, Tile<T>::max_height);
    }
}

template <class T>
static size_t workspace(const GemmShape& s, const Target& target) {
    const size_t bound = s.max_workspace ? s.max_workspace : SIZE_MAX;
    return plan_within<T>(s.m, s.n, s.k, s.packed_b, target.num_threads, bound).bytes;
}

template <class T>
static size_t min_workspace(const GemmShape& s, const Target& target) {
    return plan_within<T>(s.m, s.n, s.k, s.packed_b, target.num_threads, 0).bytes;
}

// --- packing
// ---------------------------------------------------------------------------------------

// Columns [j0, j0 + n) of [b; tail] into panels of depth k_total.
template <class T>
static Status pack_b_columns(const Operand<T>& b, const Operand<T>& tail, int64_t j0, int64_t n,
                             T* out, const Target& target) {
    // Long runs along the memory of B: down one panel where its columns are contiguous, else across
    // panels, a few rows at a time so that they stay in L1 from panel to panel.
    constexpr int64_t width = Tile<T>::width;
    const bool columns = b.encoding == Encoding::dense && b.dense.row_stride == 1;
    const int64_t rows_per_task = columns ? 256 : 16, panels_per_task = columns ? 1 : 16;
    const int64_t k_b = operand_rows(b), k_tail = operand_rows(tail), k = k_b + k_tail;
    const int64_t panels = ceil_div(n, width), chunks = ceil_div(k_b, rows_per_task),
                  all_chunks = chunks + ceil_div(k_tail, rows_per_task);
    const int64_t tasks = all_chunks * ceil_div(panels, panels_per_task);
    const auto cost = static_cast<double>(rows_per_task * panels_per_task * width * 2);
    return parallel(target, tasks, cost, [&](int64_t task, int) {
        int64_t chunk = task % all_chunks, base = 0;
        const Operand<T>* source = &b;
        if (chunk >= chunks) chunk -= chunks, base = k_b, source = &tail;
        const int64_t k0 = chunk * rows_per_task;
        const int64_t k1 = min_of(k0 + rows_per_task, operand_rows(*source));
        const int64_t first = task / all_chunks * panels_per_task;
        for (int64_t panel = first; panel < min_of(first + panels_per_task, panels); ++panel)
            pack_b_panel(*source, k0, k1, j0 + panel * width,
                         out + (panel * k + base + k0) * width);
    });
}

template <class T>
static ABlock<T> a_block_at(const Plan& p, void* memory, bool sparse) {
    ABlock<T> block{};
    block.sparse = sparse;
    block.panels = static_cast<const T*>(memory);
    char* at = static_cast<char*>(memory);
    block.lists.start = reinterpret_cast<int64_t*>(at);
    at += list_starts(p) * 8;
    const int64_t capacity = list_capacity(p);
    block.lists.values = reinterpret_cast<T*>(at);
    block.lists.indices =
        reinterpret_cast<int32_t*>(at + capacity * static_cast<int64_t>(sizeof(T)));
    return block;
}

// Can the rows be listed, and are they sparse enough?
template <class T>
static bool wants_lists(const GemmArgs<T>& g, int64_t i0, int64_t rows) {
    const Operand<T>& a = g.a;
    if (operand_cols(g.a_tail) > 0 || operand_cols(a) == 0) return false;
    if (a.encoding == Encoding::dense && a.dense.col_stride != 1) return false;
    const double cells = static_cast<double>(rows) * static_cast<double>(operand_cols(a));
    const auto limit = static_cast<int64_t>(sparse_threshold * cells);
    return count_nonzeros(a, i0, rows, limit) <= limit;
}

template <class T>
static ABlock<T> pack_a_block(const GemmArgs<T>& g, const Plan& p, int64_t i0, int64_t rows,
                              void* memory) {
    ABlock<T> block = a_block_at<T>(p, memory, wants_lists(g, i0, rows));
    if (block.sparse) {
        list_rows(g.a, i0, rows, p.depth, block.lists);
        return block;
    }
    T* out = static_cast<T*>(memory);
    const int64_t k_a = operand_cols(g.a);
    for (int64_t r = 0; r < rows; r += p.height, out += p.k * p.height) {
        const int64_t height = min_of(p.height, rows - r);  // the last panel may be lower
        pack_a_panel(g.a, i0 + r, height, T(1), out);
#ifdef LW_CORRUPT_SIGN
        pack_a_panel(g.a_tail, i0 + r, height, -g.tail_scale, out + k_a * height);
#else
        pack_a_panel(g.a_tail, i0 + r, height, g.tail_scale, out + k_a * height);
#endif
    }
    return block;
}

// --- one block of C
// --------------------------------------------------------------------------------

// The next panel of B comes from L3 or memory while the tiles of this one run: 1/5 faster at
// 1024^3.
template <class T>
LW_INLINE void prefetch(const T* p, int64_t n) {
    for (int64_t i = 0; i < n; i += 64 / static_cast<int64_t>(sizeof(T)))
        __builtin_prefetch(p + i, 0, 2);
}

// Where a block's sums are kept while they grow.
template <class T>
struct Sums {
    T* data;
    int64_t ld;
};

// One panel of B against all row panels of A, over one depth block.
template <class T>
static void dense_panel(const Plan& p, int64_t k, int64_t depth, const T* a, const T* b,
                        const T* b_next, int64_t rows, const Sums<T>& s) {
    const bool first = k == 0;
    const int64_t share = ceil_div(depth * Tile<T>::width, ceil_div(rows, p.height));
    const DenseTile<T> tile = dense_tile_of<T>(p.height, first);
    int64_t r = 0;
    for (int64_t i = 0; r + p.height <= rows; r += p.height, i += share) {
        prefetch(b_next + i, share);
        tile(depth, a + r * p.k + k * p.height, b, s.data + r * s.ld, s.ld);
    }
    if (const int64_t height = rows - r; height > 0)
        dense_tile_of<T>(height, first)(depth, a + r * p.k + k * height, b, s.data + r * s.ld,
                                        s.ld);
}

template <class T>
static void dense_block(const Plan& p, const T* a, const T* b, int64_t rows, int64_t cols,
                        const Sums<T>& s) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t panels = ceil_div(cols, width);
#ifdef LW_CORRUPT_K_TAIL
    const int64_t k_end = p.k - 1;
#else
    const int64_t k_end = p.k;
#endif
    if (k_end <= 0)
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < panels * width; ++j) s.data[r * s.ld + j] = T(0);
    for (int64_t k = 0; k < k_end; k += p.depth) {
        const int64_t depth = min_of(p.depth, k_end - k);
        for (int64_t q = 0; q < panels; ++q) {
            const T* panel = b + (q * p.k + k) * width;
            const T* next = panel + (q + 1 < panels ? p.k * width : 0);
            const Sums<T> columns = {s.data + q * width, s.ld};
            dense_panel(p, k, depth, a, panel, next, rows, columns);
        }
    }
}

template <class T>
static void sparse_block(const Plan& p, const RowLists<T>& lists, const T* b, int64_t rows,
                         int64_t cols, const Sums<T>& s) {
    constexpr int64_t width = Tile<T>::width;
    const int64_t panels = ceil_div(cols, width);
    const int64_t chunks = ceil_div(p.k, p.depth);
    for (int64_t q = 0; q < panels; q += sparse_panels) {
        const SparseTile<T> tile = sparse_tile_of<T>(min_of(sparse_panels, panels - q));
        for (int64_t c = 0; c < chunks; ++c) {
            for (int64_t r = 0; r < rows; ++r) {
                const int64_t begin = lists.start[r * chunks + c];
                const int64_t end = lists.start[r * chunks + c + 1];
                tile(end - begin, lists.indices + begin,
                     lists.values ? lists.values + begin : nullptr, b + q * p.k * width,
                     p.k * width, c == 0, s.data + r * s.ld + q * width);
            }
        }
    }
}

// --- the product
// -----------------------------------------------------------------------------------

// The sums are the result: they can grow where they belong. 3% at 1024^3.
template <class T>
static bool is_plain(const GemmArgs<T>& g) {
    const Epilogue<T>& e = g.epilogue;
    return e.alpha == T(1) && e.beta == T(0) && !e.bias.data && e.activation == Activation::none &&
           e.noise == Noise::none && g.mean.col_stride == 1;
}

// Rows [i0, i0 + p.m), columns [j0, j0 + p.n) of C from packed B.
template <class T>
static Status run_chunk(const GemmArgs<T>& g, const Plan& p, int64_t i0, int64_t j0, const T* b,
                        char* memory, const Target& target) {
    auto* blocks = reinterpret_cast<ABlock<T>*>(memory);
    char* a_memory = memory + p.table_bytes;
    char* scratch = a_memory + static_cast<size_t>(p.row_blocks) * p.a_block_bytes;
    auto rows_of = [&](int64_t block) { return min_of(p.block_rows, p.m - block * p.block_rows); };
    const double k = static_cast<double>(max_of(p.k, 1)), rows = static_cast<double>(p.block_rows);
    const Status packed = parallel(target, p.row_blocks, rows * k * 2, [&](int64_t block, int) {
        char* at = a_memory + static_cast<size_t>(block) * p.a_block_bytes;
        blocks[block] = pack_a_block(g, p, i0 + block * p.block_rows, rows_of(block), at);
    });
    if (packed != Status::ok) return packed;
    const bool plain = is_plain(g);
    const double flops = 2 * rows * static_cast<double>(p.block_cols) * k;
    return parallel(target, p.row_blocks * p.col_blocks, flops, [&](int64_t task, int thread) {
        const int64_t row_block = task % p.row_blocks, j = task / p.row_blocks * p.block_cols;
        const int64_t block_rows = rows_of(row_block), cols = min_of(p.block_cols, p.n - j);
        const int64_t i = i0 + row_block * p.block_rows;
        const bool in_place = plain && cols % Tile<T>::width == 0;
        Sums<T> s = {reinterpret_cast<T*>(scratch + static_cast<size_t>(thread) * p.scratch_bytes),
                     p.ld};
        if (in_place) s = {g.mean.data + i * g.mean.row_stride + j0 + j, g.mean.row_stride};
        const ABlock<T>& a = blocks[row_block];
        if (a.sparse)
            sparse_block(p, a.lists, b + j * p.k, block_rows, cols, s);
        else
            dense_block(p, a.panels, b + j * p.k, block_rows, cols, s);
        if (!in_place) finish_block(g, i, block_rows, j0 + j, cols, s.data, s.ld);
    });
}

template <class T>
static Status run(const GemmArgs<T>& g, const Target& target) {
    const int64_t m = operand_rows(g.a), n = operand_cols(g.b);
    const int64_t k = operand_cols(g.a) + operand_cols(g.a_tail);
    if (m == 0 || n == 0) return Status::ok;
    const bool packed_b = g.packed_b != nullptr;
    const Plan p = plan_within<T>(m, n, k, packed_b, target.num_threads, g.workspace_bytes);
    char* memory = static_cast<char*>(g.workspace);
    for (int64_t j0 = 0; j0 < n; j0 += p.n) {
        Plan chunk = p;
        chunk.n = min_of(p.n, n - j0);
        chunk.col_blocks = ceil_div(chunk.n, p.block_cols);
        const T* b = packed_b ? static_cast<const T*>(g.packed_b) : reinterpret_cast<T*>(memory);
        if (!packed_b) {
            T* out = reinterpret_cast<T*>(memory);
            const Status status = pack_b_columns(g.b, g.b_tail, j0, chunk.n, out, target);
            if (status != Status::ok) return status;
        }
        for (int64_t i0 = 0; i0 < m; i0 += p.m) {
            chunk.m = min_of(p.m, m - i0);
            chunk.row_blocks = ceil_div(chunk.m, p.block_rows);
            const Status status = run_chunk(g, chunk, i0, j0, b, memory + p.b_bytes, target);
            if (status != Status::ok) return status;
        }
    }
    return Status::ok;
}

template <class T>
static Status pack_b(const Operand<T>& b, void* packed, const Target& target) {
    return pack_b_columns(b, Operand<T>{}, 0, operand_cols(b), static_cast<T*>(packed), target);
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
