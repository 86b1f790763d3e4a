// gemm on CUDA: pack A and B (gemm_pack_cuda.h), then one kernel whose blocks sum a block of C and
// finish it. Compiled, and run on an emulated GPU (tests/emulated_cuda): no GPU has run it so far.
//
// float32 products run on the tensor cores, from operands split into two halves (fp16) a value, a
// binary operand into one: two products where one side is binary, three where neither is. Two
// halves have 22 bits and scaled lines; of bfloat16, with 8 bits a part, three parts would be
// needed. Against exact arithmetic, in the worst case,
//
//   |error of s| <= (2^-20 + k 2^-30) sum_k |a_k b_k| + k 2^-49 max_k |a_k| max_k |b_k|
//
// the maxima over the row of A and the column of B; a float32 chain's worst case is k 2^-24. Every
// encoding of an operand takes this path, so that the encoding changes no bit; what meets
// infinities or NaN is summed plainly, as a chain. float64 products are chains of fused
// multiply-adds.
//
// A BLAS would make the epilogue a pass of its own over the result, and has no product of halves
// that adds up to float32: hence kernels of our own.
#include "gemm/gemm.h"

#include "gemm/gemm_epilogue_cuda.h"

namespace layerwise::LW_ISA_NAMESPACE {

// One chunk of C, from row0 and col0 on.
template <class T>
struct Chunk {
    GemmArgs<T> g;
    Packing<T> a, b;
    int64_t row0, col0, rows, cols;
};

// Blocks run eight rows of blocks at a time, so that those at work together share lines of A and B.
LW_DEVICE void block_position(int64_t index, int64_t down, int64_t across, int64_t& row,
                              int64_t& col) {
    constexpr int64_t group = 8;
    const int64_t first = index / (group * across) * group, height = min_of(group, down - first);
    const int64_t within = index % (group * across);
    row = first + within % height;
    col = within / height;
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    product_kernel(const __grid_constant__ Chunk<T> chunk, int shared_bytes) {
    constexpr int side = Blocking<T>::side;
    int64_t row = 0, col = 0;
    block_position(blockIdx.x, ceil_div(chunk.rows, side), ceil_div(chunk.cols, side), row, col);
    row *= side;
    col *= side;
    char* shared = shared_memory();
    sum_block(Product<T>{chunk.a, chunk.b, row, col}, shared, shared_bytes);
    const int rows = static_cast<int>(min_of(side, chunk.rows - row));
    const int cols = static_cast<int>(min_of(side, chunk.cols - col));
    finish_block(chunk.g, chunk.row0 + row, rows, chunk.col0 + col, cols,
                 reinterpret_cast<const T*>(shared));
}

template <class T>
static size_t least_shared() {
    constexpr size_t sums = size_t{Blocking<T>::side} * sums_ld<T> * sizeof(T);
    constexpr size_t stage = sizeof(T) == 4 ? 4 * tile_bytes : 2 * 65 * 16 * sizeof(T);
    return sums > stage ? sums : stage;
}

// As many stages as the device has memory for, of all parts of both operands up to two.
template <class T>
static Status shared_for(const Target& target, size_t& bytes) {
    int most = 0;
    const Status status = LW_CUDA_CALL(
        target,
        cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, target.device_id));
    bytes = least_shared<T>();
    if (sizeof(T) == 4)
        for (int stages = 12; stages > 4 && bytes == least_shared<T>(); --stages)
            if (stages * tile_bytes <= most) bytes = static_cast<size_t>(stages) * tile_bytes;
    return status;
}

// The largest chunk of C, halving the longer side, whose packed operands fit; k is never cut.
struct ChunkSize {
    int64_t rows, cols;
    size_t a_bytes, b_bytes;  // b_bytes 0: B comes packed
};

template <class T>
static ChunkSize chunk_within(const GemmShape& s, size_t bound) {
    constexpr int64_t side = Blocking<T>::side;
    int64_t m = s.m, n = s.n;
    for (;;) {
        // A second block of k may begin anywhere in s.k: room for one more piece of depth.
        const auto bytes = [&](int64_t lines) {
            return static_cast<size_t>(lines_bytes<T>(lines, s.k, Blocking<T>::depth));
        };
        const ChunkSize c = {m, n, bytes(m), s.packed_b ? 0 : bytes(n)};
        const bool can_cut_m = m > side, can_cut_n = n > side && !s.packed_b;
        if (c.a_bytes + c.b_bytes <= bound || (!can_cut_m && !can_cut_n)) return c;
        if (can_cut_n && (n >= m || !can_cut_m))
            n = round_up(n / 2, side);
        else
            m = round_up(m / 2, side);
    }
}

template <class T>
static Status run_chunk(const Chunk<T>& chunk, const Target& target) {
    const int64_t blocks =
        ceil_div(chunk.rows, Blocking<T>::side) * ceil_div(chunk.cols, Blocking<T>::side);
    Grid grid = {blocks, 1, block_threads};
    const Status status = shared_for<T>(target, grid.shared);
    if (status != Status::ok) return status;
    return LW_LAUNCH(target, product_kernel<T>, grid, chunk, static_cast<int>(grid.shared));
}

template <class T>
static Status run(const GemmArgs<T>& g, const Target& target) {
    const int64_t m = operand_rows(g.a), n = operand_cols(g.b);
    const int64_t k = operand_cols(g.a), k_tail = operand_cols(g.a_tail);
    if (m == 0 || n == 0) return Status::ok;
    const ChunkSize size =
        chunk_within<T>({m, n, k + k_tail, 0, g.packed_b != nullptr}, g.workspace_bytes);
    char* memory = static_cast<char*>(g.workspace);
    for (int64_t j = 0; j < n; j += size.cols) {
        Chunk<T> chunk = {g, {}, {}, 0, j, 0, min_of(size.cols, n - j)};
        void* b = g.packed_b ? const_cast<void*>(g.packed_b) : memory + size.a_bytes;
        chunk.b = {g.b,      g.b_tail, true,
                   T(1),     j,        chunk.cols,
                   k,        k_tail,   lines_at<T>(b, chunk.cols, k, k_tail),
                   g.storage};
        if (!g.packed_b) {
            const Status status = pack_lines(chunk.b, target);
            if (status != Status::ok) return status;
        }
        for (int64_t i = 0; i < m; i += size.rows) {
            chunk.row0 = i;
            chunk.rows = min_of(size.rows, m - i);
            chunk.a = {g.a,
                       g.a_tail,
                       false,
                       g.tail_scale,
                       i,
                       chunk.rows,
                       k,
                       k_tail,
                       lines_at<T>(memory, chunk.rows, k, k_tail)};
            Status status = pack_lines(chunk.a, target);
            if (status == Status::ok) status = run_chunk(chunk, target);
            if (status != Status::ok) return status;
        }
    }
    return Status::ok;
}

template <class T>
static size_t workspace(const GemmShape& s, const Target&) {
    const ChunkSize c = chunk_within<T>(s, s.max_workspace ? s.max_workspace : ~size_t{0});
    return c.a_bytes + c.b_bytes;
}

template <class T>
static size_t min_workspace(const GemmShape& s, const Target&) {
    const ChunkSize c = chunk_within<T>(s, 0);
    return c.a_bytes + c.b_bytes;
}

template <class T>
static size_t packed_b_bytes(int64_t k, int64_t n, Storage) {
    return static_cast<size_t>(lines_bytes<T>(n, k, 0));
}

template <class T>
static Status pack_b(const Operand<T>& b, Storage storage, void* packed, const Target& target) {
    const int64_t k = operand_rows(b), n = operand_cols(b);
    const Lines<T> to = lines_at<T>(packed, n, k, 0);
    return pack_lines(Packing<T>{b, {}, true, T(1), 0, n, k, 0, to, storage}, target);
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
