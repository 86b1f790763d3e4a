// float64 signals in float32: most of the work at half the cost, and a bound of what it may miss.
// Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A sum of `terms` products in float32, relative to the sum of their sizes: two roundings a term,
// and some for what they are made of.
LW_INLINE double narrow_error(int64_t terms) {
    return 0.5 * __FLT_EPSILON__ * static_cast<double>(2 * terms + 8);
}

// Whether float32 has the range for a signal and tells what violates from what does not, whichever
// codes come by: those that are better than none have alpha sum_j |a_j| <= 1/2 ||x||^2.
LW_INLINE bool suits_narrow(double energy, double longest, double alpha, int64_t features) {
    constexpr double far = 0x1p60;
    if (!(energy > 1 / (far * far) && energy < far * far)) return false;
    if (!(longest > 1 / far && longest < far)) return false;
    const double most = longest * __builtin_sqrt(energy);
    return 8 * narrow_error(features) * most * (1 + most / (2 * alpha)) <= alpha;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
