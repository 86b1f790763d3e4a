// gemm on the CPU: blocks of C as independent tasks. A panel of B is packed by the first task that
// reads it, or where its rows are contiguous by the first tile, all of B before them where A may be
// sparse (sparse blocks read such rows where they are); where there are few rows, each task packs
// the columns of B that it reads, where there are many, the rows of A. Where B is sparse and A is
// not, C' = B' A' is computed and transposed block by block; where C has few columns and many rows,
// it is computed as a product of few rows.
#include "gemm/gemm.h"

#include "gemm/gemm_chunk.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Share of A's elements that are not zero, by a few rows; 1 where its blocks are packed as panels
// whatever they hold, 0 where A is encoded. Each block decides for itself whether it is sparse.
template <class T>
static double density_of_a(const GemmArgs<T>& g) {
    if (operand_cols(g.a_tail) > 0) return 1;
    if (g.a.encoding != Encoding::dense) return 0;
    // Few rows read columns of B as they lie, where sparse ones need them packed.
    if (operand_rows(g.a) <= max_across<T> && g.b.encoding == Encoding::dense && !g.packed_b &&
        has_rows_only(transposed(g.b.dense)))
        return 1;
    return has_dense_rows(g.a) ? sampled_density(g.a, 0, operand_rows(g.a)) : 1;
}

// Is a copy of A not worth its while, since few tiles read it? Columns: a strip of them is a line
// for each k, which many tiles had better find side by side; at 100 k packed is 1 to 4% faster for
// 500 columns of B, 3% slower for 200 (Zen 3, one thread). Pages apart they crowd into a few sets
// of the cache. Rows: a tile streams its few; where L2 holds a depth block of them all, however
// many tiles there are. One thread, in place against packed: 64 columns 0.8 of the time, 250 0.95,
// (100,500,784) 0.98, (50,2000,2000) 0.75, 1024^3 1.05 (Ice Lake); at v3 0.95 at 64 columns, 1.02
// at 250.
template <class T>
static bool leaves_in_place(const Matrix<const T>& a, int64_t m, int64_t n) {
    constexpr int64_t few = 256, page = 4096;
    if (has_rows_only(transposed(a)))
        return n <= few && a.col_stride * static_cast<int64_t>(sizeof(T)) % page != 0;
    constexpr bool large_l2 = LW_VECTOR_BYTES == 64;
    constexpr int64_t few_panels = large_l2 ? 6 : 4;
    return a.col_stride == 1 &&
           (n <= few_panels * Tile<T>::width || (large_l2 && m <= most_rows<T>));
}

template <class T>
static void read_in_place(const GemmArgs<T>& g, double density, Plan& p) {
    p.dense_a = density > 2 * sparse_threshold;
    // Packed before, panels would have to be read again from L3: 3 to 7% of (400,784,500) and
    // (1000,2000,500) where columns of B are contiguous.
    p.b_later = p.dense_a && p.state_bytes > 0;
    if (operand_cols(g.a_tail) > 0) return;
    p.a_in_place =
        p.dense_a && g.a.encoding == Encoding::dense && leaves_in_place(g.a.dense, p.m, p.n);
    // To begin a panel in place takes some tiles' time: 2 to 10% of products of fewer k.
    constexpr int64_t least_k = 48;
    p.b_in_place = !g.packed_b && g.b.encoding == Encoding::dense && has_rows_only(g.b.dense) &&
                   (p.k >= least_k || p.m <= max_low<T>);
    p.b_later = p.b_later && !p.b_in_place;
    // Rows of B that a few columns are read of, as many as pages that a TLB knows: a fifth of
    // (1,2000,2000).
    constexpr int64_t pages = 64;
    if (p.b_in_place && p.m <= max_low<T>) p.depth = min_of(p.depth, pages);
}

// Columns [j, j + cols) of rows [i, i + rows) of a matrix, if it is there.
template <class T>
static Region<T> region_of(const Matrix<T>& x, int64_t i, int64_t rows, int64_t j, int64_t cols) {
    if (!x.data || x.col_stride != 1) return {};
    const T* const data = x.data + i * x.row_stride + j;
    return rows_region(data, x.row_stride, rows, cols);
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
            const Strip<T> first = w.part(steps), second = v.part(steps);
            return SparseAhead<T>{{first, second, w.part(steps), v.part(steps)}, steps};
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
    if (p.m < part_width<T> || p.k == 0) return false;
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
            const int64_t left = columns_left<T>(p, chunk.n);
            b = {reinterpret_cast<S*>(memory), out, nullptr};
            if (p.state_bytes > 0)
                b.states = reinterpret_cast<uint8_t*>(memory + p.b_bytes - p.state_bytes);
            for (size_t i = 0; i < p.state_bytes; ++i) b.states[i] = unpacked;
            const Status status = pack_b_columns(Stacked<T>{g.b, g.b_tail, T(1)}, j0 + left,
                                                 chunk.n - left, out + left * p.k, target);
            if (status != Status::ok) return status;
        }
        for (int64_t i0 = 0; i0 < operand_rows(g.a); i0 += p.m) {
            chunk.m = min_of(p.m, operand_rows(g.a) - i0);
            const Status status = run_chunk(g, chunk, i0, j0, b, memory + p.b_bytes, target);
            if (status != Status::ok) return status;
        }
    }
    return Status::ok;
}

template <class T>
static Status run_planned(const GemmArgs<T>& g, double density, const Target& target) {
    const int64_t m = operand_rows(g.a), n = operand_cols(g.b);
    const int64_t k = operand_cols(g.a) + operand_cols(g.a_tail);
    Plan p = plan_within<T>(m, n, k, g.packed_b != nullptr, density > sparse_threshold,
                            target.num_threads, g.workspace_bytes);
    read_in_place(g, density, p);
    if constexpr (sizeof(T) == sizeof(float))
        if (g.packed_b && g.storage == Storage::bfloat16)
            return run_plan<T, Bfloat16>(g, p, target);
    return run_plan<T, T>(g, p, target);
}

// Are there so few columns that tiles would have few sums for what they load, and rows enough for
// panels? Then C' = B' A' may be computed: two to three times as fast at 10 columns where columns
// of A are contiguous.
template <class T>
static bool is_narrow(int64_t m, int64_t n) {
    constexpr int64_t width = Tile<T>::width;
    return n <= width * 3 / 4 && m >= width;
}

template <class T>
static bool wants_transposed(const GemmArgs<T>& g) {
    // So many at most where rows of A are contiguous, which would have to be packed.
    constexpr int64_t few = lanes<T> >= 16 ? lanes<T> * 3 / 2 : lanes<T> * 5 / 8;
    const int64_t n = operand_cols(g.b);
    if (!is_narrow<T>(operand_rows(g.a), n)) return false;
    const Epilogue<T>& e = g.epilogue;
    const auto dense = [](const Operand<T>& x) { return x.encoding == Encoding::dense; };
    const bool one_addend = e.beta == T(0) || !e.bias.data;
    return !g.packed_b && dense(g.a) && dense(g.b) && operand_cols(g.a_tail) == 0 &&
           e.noise == Noise::none && one_addend &&
           (n <= few || has_rows_only(transposed(g.a.dense)));
}

// C' = B' A', bit for bit: each product and each sum is the same. The bias is a C of equal columns.
template <class T>
static GemmArgs<T> transposed_call(const GemmArgs<T>& g) {
    GemmArgs<T> call = g;
    call.a.dense = transposed(g.b.dense), call.b.dense = transposed(g.a.dense);
    call.mean = transposed(g.mean);
    Epilogue<T>& e = call.epilogue;
    e.c = transposed(e.c), e.gate = transposed(e.gate);
    e.step.w = transposed(e.step.w), e.step.velocity = transposed(e.step.velocity);
    const Vector<const T> bias = e.bias;
    if (bias.data) e.c = {bias.data, bias.size, call.mean.cols, bias.stride, 0}, e.beta = T(1);
    e.bias = {};
    return call;
}

template <class T>
static Status run(const GemmArgs<T>& g, const Target& given) {
    Target target = given;
    if (g.epilogue.step.w.data) target.poll = nullptr;  // a step is all or nothing
    if (operand_rows(g.a) == 0 || operand_cols(g.b) == 0) return Status::ok;
    const SparseBPlan sparse_b = sparse_b_plan_of(g, target);
    if (wants_sparse_b(g, sparse_b)) return run_sparse_b(g, sparse_b, target);
    const double density = density_of_a(g);
    if (density > sparse_threshold && wants_transposed(g))
        return run_planned(transposed_call(g), 1, target);
    return run_planned(g, density, target);
}

// Bytes of any plan.
template <class T>
static size_t plan_bytes(const GemmShape& s, const Target& target, size_t bound) {
    const auto bytes = [&](int64_t m, int64_t n, bool dense_a) {
        return plan_within<T>(m, n, s.k, s.packed_b, dense_a, target.num_threads, bound).bytes;
    };
    const size_t most = max_of(bytes(s.m, s.n, false), bytes(s.m, s.n, true));
    return is_narrow<T>(s.m, s.n) ? max_of(most, bytes(s.n, s.m, true)) : most;
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
