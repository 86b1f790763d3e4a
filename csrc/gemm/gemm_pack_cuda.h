// Operands of a product as the CUDA tiles read them: rows of A, and columns of B, as lines along k,
// padded with zeros. A line of float32 is scaled by the power of two 2^e that brings its largest
// magnitude into [2^14, 2^15), and split into two halves of 11 significant bits each:
//
//   2^e x = x_0 + 2^-11 x_1,   error <= 2^-24 2^e |x|, or 2^-36 where that is more
//
// so 2^-24 |x| as long as the line's largest value is below 2^26 |x|. Binary values are x_0 alone
// and exact, and so are those of bfloat16 down to 2^-31 of the line's largest. A block of lines
// notes whether it needs x_1: zeros that are left out change no bit. A line that holds infinities
// or NaN has no such parts; its products are summed from the values.
#pragma once

#include "core/bfloat16.h"
#include "core/cuda_launch.h"
#include "core/operand.h"
#include "gemm/gemm.h"
#include "gemm/mma_cuda.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
struct Blocking;
template <>
struct Blocking<float> {
    using Stored = uint16_t;          // a half
    static constexpr int side = 128;  // of a block of C
    static constexpr int depth = 64;  // of k in shared memory at a time
    static constexpr int parts = 2;
};
template <>
struct Blocking<double> {
    using Stored = double;
    static constexpr int side = 64;
    static constexpr int depth = 16;
    static constexpr int parts = 1;
};

// A packed operand. Line l of part p is at data + (p * lines + l) * depth.
template <class T>
struct Lines {
    typename Blocking<T>::Stored* data = nullptr;
    uint32_t* largest = nullptr;  // of every line: the bits of its largest magnitude, at most
                                  // infinity_bits, which also stand for NaN
    uint32_t* inexact = nullptr;  // of every block of `side` lines: whether it needs part 1
    int64_t lines = 0, depth = 0;
};

template <class T>
LW_INLINE int64_t padded_depth(int64_t k, int64_t k_tail) {
    return round_up(k, Blocking<T>::depth) + round_up(k_tail, Blocking<T>::depth);
}

template <class T>
LW_INLINE int64_t padded_lines(int64_t lines) {
    return round_up(lines, Blocking<T>::side);
}

// Of `largest` and `inexact` together.
template <class T>
LW_INLINE int64_t notes_bytes(int64_t lines) {
    return round_up(4 * (padded_lines<T>(lines) + padded_lines<T>(lines) / Blocking<T>::side), 256);
}

template <class T>
LW_INLINE int64_t lines_bytes(int64_t lines, int64_t k, int64_t k_tail) {
    constexpr int64_t size = sizeof(typename Blocking<T>::Stored) * Blocking<T>::parts;
    return notes_bytes<T>(lines) + padded_lines<T>(lines) * padded_depth<T>(k, k_tail) * size;
}

template <class T>
LW_INLINE Lines<T> lines_at(void* memory, int64_t lines, int64_t k, int64_t k_tail) {
    char* data = static_cast<char*>(memory) + notes_bytes<T>(lines);
    auto* largest = static_cast<uint32_t*>(memory);
    return {reinterpret_cast<typename Blocking<T>::Stored*>(data), largest,
            largest + padded_lines<T>(lines), padded_lines<T>(lines), padded_depth<T>(k, k_tail)};
}

// --- halves

constexpr uint32_t infinity_bits = 0x7f800000u;

// e for a line whose largest magnitude has these bits; 2^e and 2^-e are normal numbers.
LW_INLINE int line_exponent(uint32_t largest) {
    if (largest == 0) return 0;
    const int e = 14 + 127 - static_cast<int>(largest >> 23);
    return e < 126 ? e : 126;
}

LW_INLINE float two_to(int e) { return bit_cast<float>(static_cast<uint32_t>(e + 127) << 23); }

// The parts of x, scaled already; whether the second is needed.
LW_DEVICE bool split(float x, uint16_t& part_0, uint16_t& part_1) {
    part_0 = to_half(x);
    const float rest = x - from_half(part_0);
    part_1 = to_half(rest * 2048);
    return rest != 0;
}

// --- packing

// What is packed, and where to. It stays readable afterwards: lines that are not finite are summed
// from it.
template <class T>
struct Packing {
    Operand<T> x, tail;
    bool lines_are_columns;  // of x: an operand B
    T tail_scale;
    int64_t first, count;  // lines of x
    int64_t k, k_tail;
    Lines<T> to;
    Storage storage = Storage::full;  // of the values of x, before they are split
};

// Line `line` of x at the packed position p of k.
template <class T>
LW_DEVICE T packed_value(const Packing<T>& a, int64_t line, int64_t p) {
    if (line >= a.count) return T(0);
    const int64_t tail = round_up(a.k, Blocking<T>::depth);
    const bool in_tail = p >= tail;
    const int64_t k = in_tail ? p - tail : p, i = a.first + line;
    if (k >= (in_tail ? a.k_tail : a.k)) return T(0);
    const Operand<T>& x = in_tail ? a.tail : a.x;
    T value = a.lines_are_columns ? element(x, k, i) : element(x, i, k);
    if constexpr (sizeof(T) == sizeof(float))
        if (a.storage == Storage::bfloat16) value = round_to_bfloat16(value);
    return in_tail ? a.tail_scale * value : value;
}

constexpr int pack_side = 64, pack_threads = 256, pack_run = 16;  // run: values of a thread

// 64 lines x 64 of k through shared memory: read along whichever side is contiguous. Each thread
// then has a run of 16 along k.
template <class T>
struct PackTile {
    T v[pack_side][pack_side + 1];
};

// One row of blocks, as k may have more tiles than a grid has rows.
template <class T>
LW_DEVICE void tile_position(const Packing<T>& a, int64_t& line0, int64_t& k0) {
    const int64_t down = a.to.lines / pack_side;
    line0 = blockIdx.x % down * pack_side;
    k0 = blockIdx.x / down * pack_side;
}

template <class T>
LW_DEVICE void read_tile(const Packing<T>& a, bool along_k, int64_t line0, int64_t k0,
                         PackTile<T>& tile) {
    for (int i = static_cast<int>(threadIdx.x); i < pack_side * pack_side; i += pack_threads) {
        const int fast = i % pack_side, slow = i / pack_side;
        const int line = along_k ? slow : fast, k = along_k ? fast : slow;
        tile.v[line][k] = packed_value(a, line0 + line, k0 + k);
    }
    __syncthreads();
}

// The largest magnitude of every line, as bits, whose order is that of the numbers.
__global__ void __launch_bounds__(pack_threads) largest_kernel(Packing<float> a, bool along_k) {
    __shared__ PackTile<float> tile;
    int64_t line0 = 0, k0 = 0;
    tile_position(a, line0, k0);
    read_tile(a, along_k, line0, k0, tile);
    const int line = static_cast<int>(threadIdx.x) / 4, k = static_cast<int>(threadIdx.x) % 4;
    uint32_t most = 0;
    for (int i = 0; i < pack_run; ++i) {
        const uint32_t bits = bit_cast<uint32_t>(tile.v[line][k * pack_run + i]) & 0x7fffffffu;
        most = max(most, min(bits, infinity_bits));
    }
    if (most) atomicMax(a.to.largest + line0 + line, most);
}

LW_DEVICE bool store_run(const Lines<float>& to, int64_t line, int64_t k, const float* from) {
    struct alignas(16) Eight {
        uint16_t v[8];
    };
    const float scale = two_to(line_exponent(to.largest[line]));
    bool inexact = false;
#pragma unroll
    for (int half = 0; half < pack_run; half += 8) {
        Eight part_0, part_1;
#pragma unroll
        for (int i = 0; i < 8; ++i)
            inexact |= split(from[half + i] * scale, part_0.v[i], part_1.v[i]);
        uint16_t* at = to.data + line * to.depth + k + half;
        *reinterpret_cast<Eight*>(at) = part_0;
        *reinterpret_cast<Eight*>(at + to.lines * to.depth) = part_1;
    }
    return inexact;
}

LW_DEVICE bool store_run(const Lines<double>& to, int64_t line, int64_t k, const double* from) {
    for (int i = 0; i < pack_run; ++i) to.data[line * to.depth + k + i] = from[i];
    return false;
}

template <class T>
__global__ void __launch_bounds__(pack_threads) pack_kernel(Packing<T> a, bool along_k) {
    __shared__ PackTile<T> tile;
    int64_t line0 = 0, k0 = 0;
    tile_position(a, line0, k0);
    read_tile(a, along_k, line0, k0, tile);
    const int line = static_cast<int>(threadIdx.x) / 4;
    const int k = static_cast<int>(threadIdx.x) % 4 * pack_run;
    if (k0 + k >= a.to.depth) return;
    // Who finds it inexact stores the same 1.
    if (store_run(a.to, line0 + line, k0 + k, &tile.v[line][k]))
        a.to.inexact[(line0 + line) / Blocking<T>::side] = 1;
}

template <class T>
static Status pack_lines(const Packing<T>& a, const Target& target) {
    const auto notes = static_cast<size_t>(notes_bytes<T>(a.count));
    Status status =
        LW_CUDA_CALL(target, cudaMemsetAsync(a.to.largest, 0, notes, stream_of(target)));
    if (status != Status::ok) return status;
    const int64_t k_stride = a.lines_are_columns ? a.x.dense.row_stride : a.x.dense.col_stride;
    const bool along_k = a.x.encoding == Encoding::dense ? k_stride == 1 : !a.lines_are_columns;
    const Grid grid = {a.to.lines / pack_side * ceil_div(a.to.depth, pack_side), 1, pack_threads};
    if constexpr (sizeof(T) == 4) {
        status = LW_LAUNCH(target, largest_kernel, grid, a, along_k);
        if (status != Status::ok) return status;
    }
    return LW_LAUNCH(target, pack_kernel<T>, grid, a, along_k);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
