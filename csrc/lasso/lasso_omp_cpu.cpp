// Orthogonal matching pursuit: the atom with the largest cosine joins, and all codes are solved
// for.
#include "lasso/lasso_inverse.h"

namespace layerwise::LW_ISA_NAMESPACE {

// ||x - a Phi||^2 of codes that leave no correlation with their own atoms.
template <class T>
LW_INLINE T square_residual(const LassoSignal<T>& signal, const LassoScratch<T>& s) {
    T explained = 0;
    for (int64_t i = 0; i < s.size; ++i) explained += s.code[i] * signal.c[s.atom[i]];
    return explained < signal.energy ? signal.energy - explained : T(0);
}

template <class T>
void solve_matching_pursuit(const LassoModel<T>& model, const LassoSignal<T>& signal,
                            LassoScratch<T>& s) {
    constexpr T rounding = sizeof(T) == 4 ? T(16 * __FLT_EPSILON__) : T(16 * __DBL_EPSILON__);
    const GramForm<T, true> form{model, signal};
    s.size = 0;
    s.gap = signal.energy;
    while (s.size < model.capacity && s.gap > model.tolerance) {
        const T top = form.refresh(s);
        for (int64_t i = 0; i < s.size; ++i) s.gradient[i] = s.r[s.atom[i]];
        bool joined = false;
        if (top * top > rounding * rounding * signal.energy)
            for_each_peak<T, true>(model, signal, s, top, [&](int64_t j) {
                if (!joined && place_of(s, j) < 0) joined = join(form, s, j, T(1), s.r[j]);
            });
        if (!joined) return;  // what is left is rounding, or lies in the span of the atoms
        for (int64_t i = 0; i < s.size; i += lanes<T>)
            store(s.code + i, load(s.code + i) + load(s.step + i));
        s.gap = square_residual(signal, s);
    }
}

template void solve_matching_pursuit(const LassoModel<float>&, const LassoSignal<float>&,
                                     LassoScratch<float>&);
template void solve_matching_pursuit(const LassoModel<double>&, const LassoSignal<double>&,
                                     LassoScratch<double>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
