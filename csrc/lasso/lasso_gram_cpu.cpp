// The methods on the Gram matrix.
#include "lasso/lasso_active_set.h"
#include "lasso/lasso_cd.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
Outcome solve_active_set(const LassoModel<T>& model, const LassoSignal<T>& signal,
                         LassoScratch<T>& s) {
    return signal.penalty ? solve_active_set(GramForm<T, true>{model, signal}, s)
                          : solve_active_set(GramForm<T, false>{model, signal}, s);
}

template <class T>
void solve_coordinate_descent(const LassoModel<T>& model, const LassoSignal<T>& signal,
                              LassoScratch<T>& s) {
    if (signal.penalty)
        solve_coordinate_descent(GramForm<T, true>{model, signal}, s);
    else
        solve_coordinate_descent(GramForm<T, false>{model, signal}, s);
}

template Outcome solve_active_set(const LassoModel<float>&, const LassoSignal<float>&,
                                  LassoScratch<float>&);
template Outcome solve_active_set(const LassoModel<double>&, const LassoSignal<double>&,
                                  LassoScratch<double>&);
template void solve_coordinate_descent(const LassoModel<float>&, const LassoSignal<float>&,
                                       LassoScratch<float>&);
template void solve_coordinate_descent(const LassoModel<double>&, const LassoSignal<double>&,
                                       LassoScratch<double>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
