// Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011) and the one layout of its words.
//
//   key     = (seed low, seed high)
//   counter = (step, purpose << 16 | layer, global row id, unit / 4),  lane = unit % 4
//   uniform = (word >> 8) * 2^-24 in both dtypes, so a sample does not depend on the dtype of u
//   normal  : units 2p and 2p + 1 of a counter share u1 = 1 - uniform(word 2p), u2 = uniform(word
//   2p+1);
//             sqrt(-2 ln u1) times cos(2 pi u2) for the even unit, sin(2 pi u2) for the odd
//
// reference/philox.py is the same layout in NumPy. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#include "core/random_stream.h"
#include "core/simd_math.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t philox_block = 4 * lanes<uint64_t>;  // units of a vector of counters

// Words for units [unit, unit + blocks * philox_block) of one row; unit % 4 == 0. One counter in
// each 64-bit lane; what the upper halves hold between rounds is never read. A round waits for the
// one before: two blocks at once share the wait, and the keys.
template <int blocks>
LW_INLINE void philox_words(const RandomStream& stream, uint32_t row, int64_t unit,
                            uint32_t* words) {
    using U = Vec<uint64_t>;
    U c0[blocks], c1[blocks], c2[blocks], c3[blocks];
    LW_UNROLL(2)
    for (int b = 0; b < blocks; ++b) {
        c0[b] = splat<uint64_t>(stream.step), c1[b] = splat<uint64_t>(stream.purpose);
        c2[b] = splat<uint64_t>(row);
        c3[b] = ascending(static_cast<uint64_t>((unit + b * philox_block) / 4));
    }
    uint32_t k0 = static_cast<uint32_t>(stream.seed), k1 = static_cast<uint32_t>(stream.seed >> 32);
    const U m0 = splat<uint64_t>(0xD2511F53u), m1 = splat<uint64_t>(0xCD9E8D57u);
    LW_UNROLL(10)
    for (int round = 0; round < 10; ++round) {
        LW_UNROLL(2)
        for (int b = 0; b < blocks; ++b) {
            const U p0 = multiply_low_halves(c0[b], m0), p1 = multiply_low_halves(c2[b], m1);
            c0[b] = (p1 >> 32) ^ c1[b] ^ k0;
            c1[b] = p1;
            c2[b] = (p0 >> 32) ^ c3[b] ^ k1;
            c3[b] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    LW_UNROLL(2)
    for (int b = 0; b < blocks; ++b) {  // little-endian: the low half of the first is word 0
        uint64_t pairs[2 * lanes<uint64_t>];
        store_pairs(pairs, (c0[b] & 0xffffffffu) | (c1[b] << 32),
                    (c2[b] & 0xffffffffu) | (c3[b] << 32));
        __builtin_memcpy(words + b * philox_block, pairs, sizeof pairs);
    }
}

// Words for units [unit, unit + n); unit % 4 == 0; words holds round_up(n, philox_block).
LW_INLINE void philox_fill(const RandomStream& stream, uint32_t row, int64_t unit, int64_t n,
                           uint32_t* words) {
    int64_t i = 0;
    for (; i + philox_block < n; i += 2 * philox_block)
        philox_words<2>(stream, row, unit + i, words + i);
    if (i < n) philox_words<1>(stream, row, unit + i, words + i);
#ifdef LW_CORRUPT_RANDOM_LANE
    for (i = 0; i < n; i += philox_block) words[i + 1] ^= 0x80000000u;
#endif
}

LW_INLINE uint32_t row_id(const RandomStream& stream, int64_t row) {
    return stream.row_ids ? stream.row_ids[row] : stream.first_row + static_cast<uint32_t>(row);
}

// Uniforms of lanes<T> consecutive words.
template <class T>
LW_INLINE Vec<T> uniform_from_words(const uint32_t* words) {
    if constexpr (sizeof(T) == 4) {
        const Vec<int32_t> w = bit_cast<Vec<int32_t>>(load<uint32_t>(words) >> 8);
        return convert<Vec<T>>(w) * T(0x1p-24);
    } else {
        HalfVec<uint32_t> w;
        __builtin_memcpy(&w, words, sizeof w);
        const HalfVec<int32_t> s = bit_cast<HalfVec<int32_t>>(w >> 8);
        return convert<Vec<T>>(s) * T(0x1p-24);
    }
}

// Normals of n words (n even) into out; both hold a multiple of lanes<T> values.
template <class T>
LW_INLINE void normals_from_words(const uint32_t* words, int64_t n, T* out) {
    constexpr int64_t step = 2 * lanes<T>;
    for (int64_t i = 0; i < n; i += step) {
        uint32_t radius_words[lanes<T>], angle_words[lanes<T>];
        for (int64_t j = 0; j < lanes<T>; ++j) {
            radius_words[j] = words[i + 2 * j];
            angle_words[j] = words[i + 2 * j + 1];
        }
        const Vec<T> u1 = T(1) - uniform_from_words<T>(radius_words);
        const Vec<T> radius = sqrt(log<T>(u1) * T(-2));
        Vec<T> sine, cosine;
        sincos_turns<T>(uniform_from_words<T>(angle_words), sine, cosine);
        const Vec<T> even = radius * cosine, odd = radius * sine;
        for (int64_t j = 0; j < lanes<T>; ++j) {
            out[i + 2 * j] = lane(even, j);
            out[i + 2 * j + 1] = lane(odd, j);
        }
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
