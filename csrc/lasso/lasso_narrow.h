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

// Whether products of signal and atoms are in float32's range.
LW_INLINE bool in_narrow_range(double energy, double longest) {
    constexpr double far = 0x1p60;
    return energy > 1 / (far * far) && energy < far * far && longest > 1 / far && longest < far;
}

// Whether float32 tells what violates from what does not, whichever codes come by: those that are
// better than none have alpha sum_j |a_j| <= 1/2 ||x||^2.
LW_INLINE bool suits_narrow(double energy, double longest, double alpha, int64_t features) {
    if (!in_narrow_range(energy, longest)) return false;
    const double most = longest * __builtin_sqrt(energy);
    return 8 * narrow_error(features) * most * (1 + most / (2 * alpha)) <= alpha;
}

// visit(j) for the atoms whose r, as float32 has it, is at least `least`, ascending.
template <class Visit>
LW_INLINE void for_each_large(const NarrowSignal& narrow, float least, Visit visit) {
    const LassoModel<float>& model = narrow.model;
    const LassoScratch<float>& s = narrow.scratch;
    const UintVec<float> mask = magnitude_mask<float>(model.nonnegative);
    const Vec<float> bar = splat(least);
    for (int64_t b = 0; b < model.padded; b += block_width<float>) {
        if (movemask<float>(load(s.peaks + b / block_vectors) >= bar) == 0) continue;
        for (int64_t j = b; j < b + block_width<float>; j += lanes<float>) {
            const Vec<float> size = magnitude<float>(load(s.r + j), mask);
            for (uint64_t left = movemask<float>(size >= bar); left != 0; left &= left - 1)
                if (j + __builtin_ctzll(left) < model.atoms) visit(j + __builtin_ctzll(left));
        }
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
