// The exact active set: a primal method that keeps the inverse of the active atoms' Gram matrix.
#include "lasso/lasso_inverse.h"

namespace layerwise::LW_ISA_NAMESPACE {

// The atom at place p leaves: H becomes the inverse without its row and column.
template <class T>
LW_INLINE void leave(LassoScratch<T>& s, int64_t p) {
    const int64_t size = s.size, last = size - 1;
    const T* h = s.inverse + p * s.inverse_ld;
    for (int64_t row = 0; row < size; row += lanes<T>) store(s.column + row, load(h + row));
    add_outer(s, s.column, T(-1) / s.column[p], size);
    for (int64_t row = 0; row < size; row += lanes<T>)
        store(s.inverse + p * s.inverse_ld + row, load(s.inverse + last * s.inverse_ld + row));
    for (int64_t i = 0; i < last; ++i) {
        T* column = s.inverse + i * s.inverse_ld;
        column[p] = column[last];
        column[last] = T(0);
    }
    s.atom[p] = s.atom[last];
    T* const places[] = {s.code, s.sign, s.gradient};
    for (T* place : places) {
        place[p] = place[last];
        place[last] = T(0);
    }
    s.step[last] = s.row[last] = s.column[last] = T(0);
    s.size = last;
}

// The largest part of the step that keeps every sign, and the first coefficient to reach zero.
template <class T>
LW_INLINE T sign_preserving_part(const LassoScratch<T>& s, int64_t* first) {
    T part = T(1);
    for (int64_t i = 0; i < s.size; ++i) {
        const T next = s.code[i] + s.step[i];
        if (!(next * s.sign[i] < T(0))) continue;
        const T share = s.code[i] / (s.code[i] - next);
        if (share < part || *first < 0) part = share < T(0) ? T(0) : share, *first = i;
    }
    return part;
}

template <class T>
LW_INLINE bool any_sign_changes(const LassoScratch<T>& s) {
    uint64_t any = 0;
    for (int64_t i = 0; i < s.size; i += lanes<T>) {
        const Vec<T> next = load(s.code + i) + load(s.step + i);
        any |= movemask<T>(next * load(s.sign + i) < T(0));
    }
    return any != 0;
}

// Goes to the solution of the signed system, dropping each coefficient that reaches zero on the
// way. The gradient shrinks along a step, so no pass over the Gram matrix is needed between them.
template <class T>
LW_INLINE void descend(LassoScratch<T>& s) {
    while (any_sign_changes(s)) {
        int64_t first = -1;
        const T part = sign_preserving_part(s, &first);
        const Vec<T> taken = splat(part), left = splat(T(1) - part);
        for (int64_t i = 0; i < s.size; i += lanes<T>) {
            store(s.code + i, fma(taken, load(s.step + i), load(s.code + i)));
            store(s.gradient + i, left * load(s.gradient + i));
        }
        leave(s, first);
        multiply_inverse<T, false>(s, s.gradient, nullptr, s.step, nullptr);
    }
    for (int64_t i = 0; i < s.size; i += lanes<T>)
        store(s.code + i, load(s.code + i) + load(s.step + i));
}

template <class T>
LW_INLINE void set_gradient(const LassoModel<T>& model, const LassoSignal<T>& signal,
                            LassoScratch<T>& s) {
    for (int64_t i = 0; i < s.size; ++i)
        s.gradient[i] = s.r[s.atom[i]] - s.sign[i] * penalty_of(model, signal, s.atom[i]);
}

// H of the atoms that the start names. False, with the start in place, where they are dependent.
template <class T>
LW_INLINE bool join_start(const LassoModel<T>& model, const LassoSignal<T>& signal,
                          LassoScratch<T>& s) {
    const int64_t size = s.size;
    for (int64_t i = 0; i < size; ++i) s.r[i] = s.code[i];  // join() clears places ahead of it
    bool joined = true;
    s.size = 0;
    for (int64_t i = 0; i < size && joined; ++i)
        joined = join(model, signal, s, s.atom[i], s.r[i] < T(0) ? T(-1) : T(1), T(0));
    for (int64_t i = 0; i < size; ++i) s.code[i] = s.r[i];
    s.size = size;
    return joined;
}

// The atoms whose violation is within reach of the largest join, one a lane of a block: at 25
// non-zeros half the passes of joining them one by one. After a step on which some left only the
// largest joins, which always is progress. False where none could.
template <class T, bool general>
LW_INLINE bool join_violators(const LassoModel<T>& model, const LassoSignal<T>& signal,
                              LassoScratch<T>& s, T top, bool alone, bool* able) {
    constexpr T reach = T(0.7);
    const T bound = general ? T(1) : model.alpha;
    bool joined = false;
    if (!(top > bound)) return false;
    const T least = alone ? top : bound + reach * (top - bound);
    for_each_peak<T, general>(model, signal, s, least, [&](int64_t j) {
        if (!*able || place_of(s, j) >= 0) return;
        const T sign = s.r[j] < T(0) ? T(-1) : T(1);
        const T gradient = s.r[j] - sign * penalty_of(model, signal, j);
        *able = s.size < model.capacity && join(model, signal, s, j, sign, gradient);
        joined = joined || *able;
    });
    return joined;
}

template <class T, bool general>
static bool solve(const LassoModel<T>& model, const LassoSignal<T>& signal, LassoScratch<T>& s) {
    if (s.size > 0 && !join_start(model, signal, s)) return false;
    bool settled = false, alone = false;
    for (s.iterations = 0;; ++s.iterations) {
        const T top = refresh<T, general>(model, signal, s);
        s.gap = relative_gap(model, signal, s, top);
        if (s.gap <= model.tolerance || s.iterations >= model.max_iterations) return true;
        if (s.iterations % 16 == 15 && stop_requested()) return true;
        set_gradient(model, signal, s);
        bool able = true;
        if (join_violators<T, general>(model, signal, s, top, alone, &able)) {
            settled = false;
        } else {
            // Nothing violates: rounding is all that is left, and one more solve must remove it.
            // What it leaves of float32's is for coordinate descent, which needs no inverse.
            if (!able || settled) return false;
            settled = true;
            multiply_inverse<T, false>(s, s.gradient, nullptr, s.step, nullptr);
        }
        const int64_t size = s.size;
        descend(s);
        alone = s.size < size;
    }
}

template <class T>
bool solve_active_set(const LassoModel<T>& model, const LassoSignal<T>& signal,
                      LassoScratch<T>& s) {
    return signal.penalty ? solve<T, true>(model, signal, s) : solve<T, false>(model, signal, s);
}

template bool solve_active_set(const LassoModel<float>&, const LassoSignal<float>&,
                               LassoScratch<float>&);
template bool solve_active_set(const LassoModel<double>&, const LassoSignal<double>&,
                               LassoScratch<double>&);

}  // namespace layerwise::LW_ISA_NAMESPACE
