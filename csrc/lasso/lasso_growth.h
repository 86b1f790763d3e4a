// How the working set of lasso_path grows and shrinks. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_path_state.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t slots_a_task = 12;

// Row and column of the Gram matrix for the features listed from `first` on.
template <class T>
static Status extend_gram(const Target& target, PathState<T>& p, int64_t first) {
    WorkingSet& set = p.set;
    Status status = Status::ok;
    for (int64_t at = first; at < set.size && status == Status::ok; at += block_columns) {
        const int64_t count = min_of(block_columns, set.size - at), rows = at + count;
        make_block(p.x, set.feature + at, count, p.mean, p.s, p.block);
        status = parallel(
            target, ceil_div(rows, slots_a_task),
            2.0 * slots_a_task * block_columns * static_cast<double>(p.x.length),
            [&](int64_t task, int) {
                const int64_t begin = task * slots_a_task, own = min_of(slots_a_task, rows - begin);
                double out[slots_a_task * block_columns];
                multiply_block(p.x, set.feature + begin, own, p.block, out);
                for (int64_t r = 0; r < own; ++r)
                    for (int64_t k = 0; k < count; ++k)
                        set.gram[(begin + r) * set.ld + at + k] = out[r * block_columns + k];
            });
        for (int64_t k = 0; k < count; ++k)
            for (int64_t s = 0; s < at + k; ++s)
                set.gram[(at + k) * set.ld + s] = set.gram[s * set.ld + at + k];
    }
    return status;
}

// Slots whose code is zero and whose correlation is under `share` of the penalty are given up.
template <class T>
static void shrink_set(PathState<T>& p, double share) {
    WorkingSet& set = p.set;
    int64_t kept = 0;
    int32_t* old = p.list;
    for (int64_t s = 0; s < set.size; ++s) {
        const int32_t j = set.feature[s], place = set.place[s];
        p.slot[j] = -1;
        if (set.code[s] == 0 && place < 0 && size_of(set.left[s]) < share * set.penalty[s])
            continue;
        p.slot[j] = static_cast<int32_t>(kept);
        set.feature[kept] = j;
        set.code[kept] = set.code[s];
        set.left[kept] = set.left[s];
        set.target[kept] = set.target[s];
        set.penalty[kept] = set.penalty[s];
        set.place[kept] = place;
        if (place >= 0) set.active[place] = static_cast<int32_t>(kept);
        old[kept++] = static_cast<int32_t>(s);
    }
    set.size = kept;
    for (int64_t i = 0; i < kept && set.has_gram; ++i) {
        const double* from = set.gram + old[i] * set.ld;
        double* to = set.gram + i * set.ld;
        for (int64_t k = 0; k < kept; ++k) to[k] = from[old[k]];
    }
}

// The `count` features in p.list with sizes in p.value, of which at most `most` stay: the largest.
template <class T>
static int64_t largest(PathState<T>& p, int64_t count, int64_t most) {
    if (count <= most) return count;
    double low = 0, high = 0;
    for (int64_t i = 0; i < count; ++i) high = p.value[i] > high ? p.value[i] : high;
    for (int round = 0; round < 40; ++round) {
        const double middle = 0.5 * (low + high);
        int64_t above = 0;
        for (int64_t i = 0; i < count; ++i) above += p.value[i] > middle;
        (above > most ? low : high) = middle;
        if (above <= most && above > most - most / 8) break;
    }
    int64_t above = 0;
    for (int64_t i = 0; i < count; ++i) above += p.value[i] > high;
    int64_t kept = 0, ties = most - above;
    for (int64_t i = 0; i < count; ++i) {
        const bool tie = p.value[i] <= high && p.value[i] > low && ties-- > 0;
        if (p.value[i] > high || tie) p.list[kept++] = p.list[i];
    }
    return kept;
}

// The features listed get slots, with code zero.
template <class T>
static Status add_features(const Target& target, PathState<T>& p, int64_t count) {
    WorkingSet& set = p.set;
    const int64_t first = set.size;
    for (int64_t i = 0; i < count; ++i) {
        const int32_t j = p.list[i];
        const int64_t s = set.size++;
        p.slot[j] = static_cast<int32_t>(s);
        set.feature[s] = j;
        set.code[s] = 0;
        set.left[s] = p.correlation[j];
        set.target[s] = p.target[j];
        set.place[s] = not_active;
    }
    if (!set.has_gram) return Status::ok;
    if (set.size > set.capacity) {
        set.has_gram = false;
        clear_inverse(set);
        return Status::ok;
    }
    return extend_gram(target, p, first);
}

// A set that had outgrown its Gram matrix gets one again when its support has become small.
template <class T>
static Status regain_gram(const Target& target, PathState<T>& p) {
    WorkingSet& set = p.set;
    int64_t support = 0;
    for (int64_t s = 0; s < set.size; ++s) support += set.code[s] != 0;
    if (set.has_gram || support > set.capacity / 2) return Status::ok;
    shrink_set(p, 1.0);
    if (set.size > set.capacity) return Status::ok;
    set.has_gram = true;
    return extend_gram(target, p, 0);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
