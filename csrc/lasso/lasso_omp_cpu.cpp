// Orthogonal matching pursuit: the atom with the largest cosine joins, and all codes are solved
// for.
#include "lasso/lasso_narrow.h"
#include "lasso/lasso_residual.h"

namespace layerwise::LW_ISA_NAMESPACE {

// On the Gram matrix, all in T.
template <class T>
struct GramPursuit : GramForm<T, true> {
    void open(LassoScratch<T>&) const {}

    // The atom that is to join, or -1, and the size of what it compares; r of the active ones.
    T most_correlated(LassoScratch<T>& s, int64_t* best) const {
        const T top = this->refresh(s);
        for_each_peak<T, true>(this->model, this->signal, s, top, [&](int64_t j) {
            if (*best < 0 && !is_active(s, j)) *best = j;
        });
        return top;
    }

    // ||x - a Phi||^2 of codes that leave no correlation with their own atoms.
    T square_residual(const LassoScratch<T>& s) const {
        T explained = 0;
        for (int64_t i = 0; i < s.size; ++i) explained += s.code[i] * this->signal.c[s.atom[i]];
        return explained < this->signal.energy ? this->signal.energy - explained : T(0);
    }
};

// On the residual; of all atoms only those that float32 leaves in doubt.
struct NarrowPursuit : ResidualForm {
    const NarrowSignal& narrow;

    void open(LassoScratch<double>& s) const { make_residual(s); }

    double most_correlated(LassoScratch<double>& s, int64_t* best) const {
        LassoScratch<float>& n = narrow.scratch;
        n.size = s.size;
        double size = __builtin_sqrt(signal.energy);
        for (int64_t i = 0; i < s.size; ++i) {
            const double code = s.code[i] * narrow.norms[s.atom[i]];
            size += code < 0 ? -code : code;
            n.atom[i] = s.atom[i];
            n.code[i] = static_cast<float>(code);
        }
        const double about =
            layerwise::LW_ISA_NAMESPACE::refresh<float, false>(narrow.model, narrow.signal, n);
        correlate_listed(s.atom, s.size, own.residual, [&](int64_t i, double r) {
            s.r[s.atom[i]] = r;
            n.r[s.atom[i]] = 0;
        });
        const double error = narrow_error(narrow.features + s.size) * size;
        double top = 0;
        for_each_large(narrow, static_cast<float>(about - 2 * error), [&](int64_t j) {
            if (is_active(s, j)) return;
            const double r = s.r[j] = product(j, own.residual);
            const double cosine = narrow.norms[j] > 0 ? (r < 0 ? -r : r) / narrow.norms[j] : 0;
            if (cosine > top) top = cosine, *best = j;
        });
        return top;
    }

    double square_residual(const LassoScratch<double>& s) const {
        make_residual(s);
        return dot(own.residual, own.residual, own.width);
    }

    double square(int64_t j) const { return model.gram[j * model.ld + j]; }

    void products(LassoScratch<double>& s, int64_t j) const {
        GramForm<double, true>{model, signal}.products(s, j);
    }
};

template <class T, class Form>
static void pursue(const Form& form, LassoScratch<T>& s) {
    constexpr T rounding = sizeof(T) == 4 ? T(16 * __FLT_EPSILON__) : T(16 * __DBL_EPSILON__);
    s.size = 0;
    s.gap = form.signal.energy;
    form.open(s);
    while (s.size < form.model.capacity && s.gap > form.model.tolerance) {
        int64_t best = -1;
        const T top = form.most_correlated(s, &best);
        for (int64_t i = 0; i < s.size; ++i) s.gradient[i] = s.r[s.atom[i]];
        // What is left may be rounding, or lie in the span of the atoms.
        const bool any = best >= 0 && top * top > rounding * rounding * form.signal.energy;
        if (!any || !join(form, s, best, T(1), s.r[best])) return;
        for (int64_t i = 0; i < s.size; i += lanes<T>)
            store(s.code + i, load(s.code + i) + load(s.step + i));
        s.gap = form.square_residual(s);
    }
}

template <class T>
void solve_matching_pursuit(const LassoModel<T>& model, const LassoSignal<T>& signal,
                            LassoScratch<T>& s) {
    pursue(GramPursuit<T>{{model, signal}}, s);
}

void solve_narrow_pursuit(const NarrowSignal& narrow, const ResidualSignal& own,
                          const LassoModel<double>& model, const LassoSignal<double>& signal,
                          LassoScratch<double>& s) {
    pursue(NarrowPursuit{{model, signal, own}, narrow}, s);
}

template void solve_matching_pursuit(const LassoModel<float>&, const LassoSignal<float>&,
                                     LassoScratch<float>&);
template void solve_matching_pursuit(const LassoModel<double>&, const LassoSignal<double>&,
                                     LassoScratch<double>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
