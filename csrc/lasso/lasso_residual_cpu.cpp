// Signals in residual form: those with missing entries, and those of float32 that its rounding
// keeps from the tolerance.
#include "lasso/lasso_active_set.h"
#include "lasso/lasso_cd.h"
#include "lasso/lasso_residual.h"

namespace layerwise::LW_ISA_NAMESPACE {

void solve_residual(const ResidualSignal& own, const LassoModel<double>& model,
                    const LassoSignal<double>& signal, LassoScratch<double>& s, bool descend,
                    bool single) {
    const ResidualForm form{model, signal, own};
    if (descend || solve_active_set(form, s) == Outcome::unable) solve_coordinate_descent(form, s);
    if (!single) return;
    for (int64_t i = 0; i < s.size; ++i)
        s.code[i] = static_cast<double>(static_cast<float>(s.code[i]));
    const double top = form.refresh(s);
    s.gap = relative_gap(form, s, top);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
