// The sums of one block of C, left in shared memory: float32 on tensor cores from halves, float64
// on the vector units. Include from *_cuda.cu files only.
#pragma once

#include "gemm/gemm_pack_cuda.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int block_threads = 256;

// Row stride of the sums in shared memory; off the powers of two for the banks.
template <class T>
constexpr int sums_ld = Blocking<T>::side + 16 / static_cast<int>(sizeof(T));

// --- float32: 8 warps, each 64 x 32 of the block as 4 x 4 tiles of 16 x 8
//
// x_0 y_0 and 2^-11 (x_1 y_0 + x_0 y_1) are summed apart; x_1 y_1 is below the rounding. The tensor
// cores truncate as they accumulate, so the large sum is taken over 64 of k at a time and then
// added to what there is, to nearest.

template <class T>
struct Product {
    const Packing<T>&a, &b;
    int64_t row, col;  // first lines of the block
};

template <class T>
struct Sums;
template <>
struct Sums<float> {
    float v[4][4][4];  // 16 x 8 tiles down, across, and a lane's elements of one
};

constexpr int tile_bytes = Blocking<float>::side * Blocking<float>::depth * 2;
constexpr int max_stages = 4;

// 16-byte piece `piece` of a line of a tile in shared memory; the exclusive or spreads the pieces
// that a warp reads at once over all banks.
LW_DEVICE char* piece_at(char* tile, int line, int piece) {
    return tile + line * 128 + ((piece ^ (line & 7)) << 4);
}

LW_DEVICE void load_tile(const Lines<float>& x, int64_t line0, int64_t k, char* tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int at = static_cast<int>(threadIdx.x) + i * block_threads;
        const int line = at / 8, piece = at % 8;
        copy_async(piece_at(tile, line, piece), x.data + (line0 + line) * x.depth + k + piece * 8);
    }
}

// Both operands' parts of 64 of k, A's before B's.
LW_DEVICE void load_stage(const Product<float>& p, int a_parts, int b_parts, int64_t k,
                          char* stage) {
    for (int part = 0; part < a_parts; ++part, stage += tile_bytes)
        load_tile(p.a.to, part * p.a.to.lines + p.row, k, stage);
    for (int part = 0; part < b_parts; ++part, stage += tile_bytes)
        load_tile(p.b.to, part * p.b.to.lines + p.col, k, stage);
    commit_copies();
}

// This thread's pieces of one part over 16 of k.
LW_DEVICE void load_a(char* tile, int step, uint32_t (&a)[4][4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int line = warp / 4 * 64 + lane % 16, piece = 2 * step + lane / 16;
#pragma unroll
    for (int r = 0; r < 4; ++r) load_matrices(piece_at(tile, line + 16 * r, piece), a[r]);
}

LW_DEVICE void load_b(char* tile, int step, uint32_t (&b)[2][4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int line = warp % 4 * 32 + lane % 8 + lane / 16 * 8, piece = 2 * step + lane / 8 % 2;
#pragma unroll
    for (int r = 0; r < 2; ++r) load_matrices(piece_at(tile, line + 16 * r, piece), b[r]);
}

LW_DEVICE void multiply_pieces(const uint32_t (&a)[4][4], const uint32_t (&b)[2][4],
                               Sums<float>& sums) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
            multiply_matrices(sums.v[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
}

// 64 of k: x_0 y_0 into `large`, the rest into `small`.
LW_DEVICE void multiply_stage(char* stage, int a_parts, int b_parts, Sums<float>& large,
                              Sums<float>& small) {
    char* b_tiles = stage + a_parts * tile_bytes;
#pragma unroll 1
    for (int step = 0; step < Blocking<float>::depth / 16; ++step) {
        uint32_t a[4][4], b[2][4];
        load_a(stage, step, a);
        if (b_parts == 2) {
            load_b(b_tiles + tile_bytes, step, b);
            multiply_pieces(a, b, small);
        }
        load_b(b_tiles, step, b);
        multiply_pieces(a, b, large);
        if (a_parts == 2) {
            load_a(stage + tile_bytes, step, a);
            multiply_pieces(a, b, small);
        }
    }
}

// visit(row, column in the block, element) for what this thread holds.
template <class Visit>
LW_DEVICE void for_each_sum(Sums<float>& sums, Visit visit) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int row = warp / 4 * 64 + lane / 4, col = warp % 4 * 32 + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e)
                visit(row + 16 * i + e / 2 * 8, col + 8 * j + e % 2, sums.v[i][j][e]);
}

// sums += scale more
LW_DEVICE void add_sums(Sums<float>& sums, const Sums<float>& more, float scale) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        float& sum = sums.v[i / 16][i / 4 % 4][i % 4];
        sum = fma(scale, more.v[i / 16][i / 4 % 4][i % 4], sum);
    }
}

// The scales of line and line, taken back in two factors that do not overflow.
LW_DEVICE float unscale(float sum, int exponent) {
    const int half = exponent / 2;
    return sum * two_to(-half) * two_to(half - exponent);
}

// Sums of lines that hold infinities or NaN, whose parts do not add up: chains over the values.
LW_DEVICE void sum_plainly(const Product<float>& p, float* tile) {
    constexpr int side = Blocking<float>::side;
    for (int at = static_cast<int>(threadIdx.x); at < side * side; at += block_threads) {
        const int64_t row = p.row + at / side, col = p.col + at % side;
        if (max(p.a.to.largest[row], p.b.to.largest[col]) < infinity_bits) continue;
        float sum = 0;
        for (int64_t k = 0; k < p.a.to.depth; ++k)
            sum = fma(packed_value(p.a, row, k), packed_value(p.b, col, k), sum);
        tile[at / side * sums_ld<float> + at % side] = sum;
    }
}

LW_DEVICE void store_sums(const Product<float>& p, Sums<float>& sums, float* tile) {
    __syncthreads();  // all are done with what the memory held
    bool finite = true;
    for_each_sum(sums, [&](int row, int col, float& sum) {
        const uint32_t a = p.a.to.largest[p.row + row], b = p.b.to.largest[p.col + col];
        finite &= max(a, b) < infinity_bits;
        tile[row * sums_ld<float> + col] = unscale(sum, line_exponent(a) + line_exponent(b));
    });
    if (__syncthreads_or(!finite)) sum_plainly(p, tile);
    __syncthreads();
}

LW_DEVICE void wait_for_stage(int stages) {
    if (stages <= 2)
        wait_for_copies<0>();
    else if (stages == 3)
        wait_for_copies<1>();
    else
        wait_for_copies<2>();
}

// Stages of 64 of k go round in shared memory, as many as find room.
LW_DEVICE void sum_block(const Product<float>& p, char* shared, int shared_bytes) {
    auto* tile = reinterpret_cast<float*>(shared);
    const int a_parts = p.a.to.inexact[p.row / Blocking<float>::side] ? 2 : 1;
    const int b_parts = p.b.to.inexact[p.col / Blocking<float>::side] ? 2 : 1;
    const int stage_bytes = (a_parts + b_parts) * tile_bytes;
    const int stages = min(shared_bytes / stage_bytes, max_stages), ahead = max(stages - 1, 1);
    const int64_t depth = Blocking<float>::depth, chunks = p.a.to.depth / depth;
    const auto fetch = [&](int64_t chunk) {
        if (chunk < chunks)
            load_stage(p, a_parts, b_parts, chunk * depth, shared + chunk % stages * stage_bytes);
        else
            commit_copies();  // an empty group: the count of those under way stays the same
    };
    Sums<float> sums = {}, small = {};
    for (int64_t chunk = 0; chunk < ahead; ++chunk) fetch(chunk);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        wait_for_stage(stages);
        __syncthreads();  // the chunk has arrived for all, and all are done with the one before
        if (stages > 1) fetch(chunk + ahead);
        Sums<float> large = {};
        multiply_stage(shared + chunk % stages * stage_bytes, a_parts, b_parts, large, small);
        add_sums(sums, large, 1);
        if (stages == 1) {
            __syncthreads();
            fetch(chunk + 1);
        }
    }
    wait_for_copies<0>();
    add_sums(sums, small, 0x1p-11f);
    store_sums(p, sums, tile);
}

// --- float64: 16 x 16 threads, each 4 x 4 of the block, one chain of fused multiply-adds a sum

template <>
struct Sums<double> {
    double v[4][4];
};

template <class Visit>
LW_DEVICE void for_each_sum(Sums<double>& sums, Visit visit) {
    const int row = static_cast<int>(threadIdx.x) / 16, col = static_cast<int>(threadIdx.x) % 16;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) visit(row + 16 * i, col + 16 * j, sums.v[i][j]);
}

LW_DEVICE void sum_block(const Product<double>& p, char* shared, int) {
    constexpr int side = Blocking<double>::side, depth = Blocking<double>::depth, ld = side + 1;
    Sums<double> sums = {};
    auto* a = reinterpret_cast<double*>(shared);  // (k, line), like b
    double* b = a + depth * ld;
    const int thread = static_cast<int>(threadIdx.x), row = thread / 16, col = thread % 16;
    for (int64_t k0 = 0; k0 < p.a.to.depth; k0 += depth) {
        __syncthreads();  // all are done with the values before
        for (int i = thread; i < side * depth; i += block_threads) {
            const int line = i / depth, k = i % depth;
            a[k * ld + line] = p.a.to.data[(p.row + line) * p.a.to.depth + k0 + k];
            b[k * ld + line] = p.b.to.data[(p.col + line) * p.b.to.depth + k0 + k];
        }
        __syncthreads();
        for (int k = 0; k < depth; ++k) {
#pragma unroll
            for (int i = 0; i < 4; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    sums.v[i][j] =
                        fma(a[k * ld + row + 16 * i], b[k * ld + col + 16 * j], sums.v[i][j]);
        }
    }
    __syncthreads();  // all are done with the values
    for_each_sum(sums, [&](int r, int c, double& sum) { a[r * sums_ld<double> + c] = sum; });
    __syncthreads();
}

}  // namespace layerwise::LW_ISA_NAMESPACE
