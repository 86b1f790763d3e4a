// The duality gap in float64 of what float32 has solved.
#include "lasso/lasso_narrow.h"

#include "lasso/lasso_residual.h"

namespace layerwise::LW_ISA_NAMESPACE {

void certify_narrow(const NarrowSignal& narrow, const ResidualSignal& own,
                    const LassoModel<double>& model, const LassoSignal<double>& signal,
                    LassoScratch<double>& s) {
    const LassoScratch<float>& n = narrow.scratch;
    const ResidualForm form{model, signal, own};
    double size = __builtin_sqrt(signal.energy);
    s.size = n.size;
    s.iterations = n.iterations;
    for (int64_t i = 0; i < s.size; ++i) {
        s.atom[i] = n.atom[i];
        s.code[i] = n.code[i];
        size += (n.code[i] < 0 ? -n.code[i] : n.code[i]) * narrow.norms[n.atom[i]];
    }
    form.make_residual(s);
    double top = 0;
    const auto note = [&](double r) {
        r = model.nonnegative || r > 0 ? r : -r;
        top = r > top ? r : top;
    };
    form.correlate_listed(s.atom, s.size, own.residual, [&](int64_t i, double r) {
        s.r[s.atom[i]] = r;
        n.r[s.atom[i]] = 0;  // nothing is open there
        note(r);
    });
    // Below alpha no correlation matters to the gap.
    const double error = narrow_error(narrow.features + s.size) * model.longest * size;
    for_each_large(narrow, static_cast<float>(model.alpha - error),
                   [&](int64_t j) { note(form.product(j, own.residual)); });
    s.gap = relative_gap(form, s, top);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
