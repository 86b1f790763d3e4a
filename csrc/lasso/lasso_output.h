// From the order of the solver to ascending columns. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

// How many of the scratch's atoms come before this one.
template <class T>
LW_INLINE int64_t atoms_before(const LassoScratch<T>& s, int32_t atom) {
    constexpr int64_t step = lanes<float>;
    const IntVec<float> own = IntVec<float>{} + atom;
    int64_t count = 0;
    for (int64_t i = 0; i < s.size; i += step) {
        const IntVec<float> before = (load(s.atom + i) < own) & first_lanes<float>(s.size - i);
        count += __builtin_popcountll(movemask<float>(before));
    }
    return count;
}

// The non-zeros of the codes in the scratch, columns ascending; how many.
template <class T, class U>
LW_INLINE int64_t write_sorted(const LassoScratch<U>& s, int32_t* indices, T* values) {
    int64_t zeros = 0;
    for (int64_t k = 0; k < s.size; ++k) zeros += static_cast<T>(s.code[k]) == T(0);
    for (int64_t k = 0; k < s.size; ++k) {
        const T code = static_cast<T>(s.code[k]);
        if (code == T(0)) continue;
        int64_t place = atoms_before(s, s.atom[k]);
        for (int64_t i = 0; zeros > 0 && i < s.size; ++i)
            place -= static_cast<T>(s.code[i]) == T(0) && s.atom[i] < s.atom[k];
        indices[place] = s.atom[k];
        values[place] = code;
    }
    return s.size - zeros;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
