// The duality gap in float64 of what float32 has solved.
#include "lasso/lasso_narrow.h"

#include "lasso/lasso_residual.h"

namespace layerwise::LW_ISA_NAMESPACE {

// visit(j) for the atoms whose r, as float32 has it, is at least `least`.
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
                visit(j + __builtin_ctzll(left));
        }
    }
}

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
    for_each_large(narrow, static_cast<float>(model.alpha - error), [&](int64_t j) {
        if (j < model.atoms) note(form.product(j, own.residual));
    });
    s.gap = relative_gap(form, s, top);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
