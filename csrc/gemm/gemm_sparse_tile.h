// Tiles of a sparse operand: of each line the rows of B that its word names are added up, or
// multiplied by values and added, in ascending order as dense tiles do.
#pragma once

#include "gemm/gemm_tile.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A chunk of a sparse operand's lines (see gemm_sparse.h): of each a word, and where its values
// begin, unless all of them are ones.
template <class T>
struct SparseChunk {
    const uint64_t* words;
    const int64_t* start;
    const T* values;
    int64_t lines;
};

constexpr int64_t word_bits = 64;
// Every addend is one vector load: the rows of B that a word may name should be in half of L1. They
// are of so many parts of two vectors.
constexpr int sparse_parts = 4;
template <class T>
constexpr int64_t part_width = 2 * lanes<T>;
template <>
inline constexpr int64_t part_width<Bfloat16> = part_width<float>;
template <class T>
constexpr int64_t strip_width = sparse_parts * part_width<T>;

// What is read later: so many steps of a few lines of memory that are apart, or null.
template <class T>
struct SparseAhead {
    Strip<T> parts[sparse_parts];
    int64_t steps = 0;

    void bring() {
#pragma GCC unroll 4
        for (int p = 0; p < sparse_parts; ++p) {
            if (!parts[p].data) continue;
            for (int64_t j = 0; j < part_width<T>; j += line<T>)
                __builtin_prefetch(parts[p].data + j, 0, 2);
            parts[p].data += parts[p].step;
        }
    }
};

// Copies those of the 64 rows of a chunk of B that `used` names, from parts that are apart or not
// packed at all to rows of parts * part_width, which all lines then find in L1: 6 to 18% of a CD-1
// update against tiles that read packed panels (Zen 3). Tables of the sixteen sums of every four
// rows in their place, looked up by four bits, were 5% faster at half ones and 10% slower below a
// third: they fill L1.
template <class T, class S, int parts>
static void stage_rows(uint64_t used, const Strip<S>* from, T* to) {
    constexpr int64_t width = part_width<T>;
    for (; used; used &= used - 1) {
        const int64_t k = __builtin_ctzll(used);
        T* const row = to + k * parts * width;
#pragma GCC unroll 8
        for (int p = 0; p < parts; ++p) {
            const S* const part = from[p].data + k * from[p].step;
            store(row + p * width, load(part));
            store(row + p * width + lanes<T>, load(part + lanes<T>));
        }
    }
}

// For each line: s (parts * width) = sum over the bits k of its word of value[k] * b[k], or s plus
// that where not the first chunk; b are rows of parts * width. Each line brings a step of `ahead`
// into L2. Lines in the order of their number of ones, so that the CPU foresees where the loop over
// them ends, were 4% slower: their sums are read in order now.
template <class T, class S, int parts, bool weighted>
static void sparse_tile(const SparseChunk<T>& x, const T* b, SparseAhead<S> ahead, bool first,
                        const Sums<T>& s) {
    constexpr int64_t width = part_width<T>;
    constexpr int vectors = 2 * parts;
    for (int64_t r = 0; r < x.lines; ++r) {
        if (r < ahead.steps) ahead.bring();
        uint64_t word = x.words[r];
        if (!first && word == 0) continue;
        const T* values = weighted ? x.values + x.start[r] : nullptr;
        T* const to = s.at(r, 0).data;
        Vec<T> sum[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) sum[v] = first ? Vec<T>{} : load(to + v * lanes<T>);
        for (; word; word &= word - 1) {
            const T* const row = b + __builtin_ctzll(word) * parts * width;
            const Vec<T> value = splat(weighted ? *values++ : T(1));
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                const Vec<T> addend = load(row + v * lanes<T>);
                sum[v] = weighted ? fma(value, addend, sum[v]) : sum[v] + addend;
            }
        }
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) store(to + v * lanes<T>, sum[v]);
    }
}

// Rows of the chunk that any line names.
template <class T>
LW_INLINE uint64_t named_rows(const SparseChunk<T>& x) {
    uint64_t used = 0;
    for (int64_t r = 0; r < x.lines; ++r) used |= x.words[r];
    return used;
}

// The chunk against `wanted` neighbouring parts of B, from[p] the rows of the p-th.
template <class T, class S>
static void sparse_strip(int64_t wanted, const SparseChunk<T>& x, const Strip<S>* from,
                         const SparseAhead<S>& ahead, bool first, const Sums<T>& s) {
    const uint64_t used = named_rows(x);
    if (used == 0 && !first) return;
    visit_count<sparse_parts>(wanted, [&]<int parts>() {
        alignas(64) T rows[word_bits * parts * part_width<T>];
        stage_rows<T, S, parts>(used, from, rows);
        if (x.values)
            sparse_tile<T, S, parts, true>(x, rows, ahead, first, s);
        else
            sparse_tile<T, S, parts, false>(x, rows, ahead, first, s);
    });
}

}  // namespace layerwise::LW_ISA_NAMESPACE
