// From the order of the solver to ascending columns. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

// The non-zeros of the codes in the scratch, columns ascending; how many.
template <class T, class U>
LW_INLINE int64_t write_sorted(const LassoScratch<U>& s, int32_t* indices, T* values) {
    int64_t count = 0;
    for (int64_t k = 0; k < s.size; ++k) {  // by insertion: the lists are short
        const T code = static_cast<T>(s.code[k]);
        if (code == T(0)) continue;
        int64_t place = count++;
        for (; place > 0 && indices[place - 1] > s.atom[k]; --place) {
            indices[place] = indices[place - 1];
            values[place] = values[place - 1];
        }
        indices[place] = s.atom[k];
        values[place] = code;
    }
    return count;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
