// The layout that an elementwise operation runs over. Include from *_cpu.cpp and *_cuda.cu files
// only.
#pragma once

#include "core/operand.h"

namespace layerwise::LW_ISA_NAMESPACE {

// For operations that do not care which element is which: transposes the matrices (all of one
// shape) where that makes columns contiguous, and lays them out as one row where they have no gaps.
template <class First, class... Rest>
LW_INLINE void straighten(First& first, Rest&... rest) {
    const bool unit_cols = ((first.col_stride == 1) && ... && (rest.col_stride == 1));
    const bool unit_rows = ((first.row_stride == 1) && ... && (rest.row_stride == 1));
    if (first.cols == 1 || (unit_rows && !unit_cols)) {
        first = transposed(first);
        ((rest = transposed(rest)), ...);
    }
    const int64_t cols = first.cols;
    const bool gapless = ((first.row_stride == cols * first.col_stride) && ... &&
                          (rest.row_stride == cols * rest.col_stride));
    if (gapless) {
        first.cols *= first.rows;
        first.rows = 1;
        ((rest.cols = first.cols, rest.rows = 1), ...);
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
