// The exact active set: a primal method that keeps the inverse of the active atoms' Gram matrix.
// Include from *_cpu.cpp files only.
#pragma once

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

// Whether the leave of place p would leave H few digits: what the others leave of its atom is
// 1 / H_pp. float32 hands such signals on.
template <class T, class Form>
LW_INLINE bool is_nearly_dependent(const Form& form, const LassoScratch<T>& s, int64_t p) {
    constexpr T little = T(1e-4);
    const T inverse = s.inverse[p * s.inverse_ld + p];
    const T square = form.square(s.atom[p]) + ridge_of(form.signal, s.atom[p]);
    return sizeof(T) == 8 && !(T(1) > little * square * inverse);
}

// Goes to the solution of the signed system, dropping each coefficient that reaches zero on the
// way. The gradient shrinks along a step, so no pass over the Gram matrix is needed between them.
// Ends early where H shows that the atoms left are dependent.
template <class T, class Form>
LW_INLINE void descend(const Form& form, LassoScratch<T>& s) {
    while (any_sign_changes(s)) {
        int64_t first = -1;
        const T part = sign_preserving_part(s, &first);
        const Vec<T> taken = splat(part), left = splat(T(1) - part);
        for (int64_t i = 0; i < s.size; i += lanes<T>) {
            store(s.code + i, fma(taken, load(s.step + i), load(s.code + i)));
            store(s.gradient + i, left * load(s.gradient + i));
        }
        const bool loses = is_nearly_dependent(form, s, first);
        leave(s, first);
        if (loses && !rebuild(form, s, kept_remainder<T>)) return;
        multiply_inverse<T, false>(s, s.gradient, nullptr, s.step, nullptr);
    }
    for (int64_t i = 0; i < s.size; i += lanes<T>)
        store(s.code + i, load(s.code + i) + load(s.step + i));
}

template <class T, class Form>
LW_INLINE void set_gradient(const Form& form, LassoScratch<T>& s) {
    const Vec<T> alpha = splat(form.model.alpha);
    for (int64_t i = 0; i < s.size; i += lanes<T>) {
        const Vec<T> penalty =
            Form::general && form.signal.penalty ? gather(form.signal.penalty, s.atom + i) : alpha;
        const Vec<T> gradient = gather(s.r, s.atom + i) - load(s.sign + i) * penalty;
        store(s.gradient + i, select<T>(first_lanes<T>(s.size - i), gradient, Vec<T>{}));
    }
}

// H of the atoms that the start names; those that depend on the others leave.
template <class T, class Form>
LW_RARE void join_start(const Form& form, LassoScratch<T>& s) {
    for (int64_t i = 0; i < s.size + lanes<T>; ++i) {
        if (i >= s.size) s.code[i] = T(0);
        s.sign[i] = i < s.size ? (s.code[i] < T(0) ? T(-1) : T(1)) : T(0);
        s.gradient[i] = T(0);
    }
    rebuild(form, s, least_remainder<T>);
}

// Atom j, which join() found in the span of the active ones, takes the place of one of them: moving
// its code up and theirs down changes no residual, until one reaches zero. False where that would
// not lessen the penalty, as where the active ones are not solved for yet.
template <class T, class Form>
LW_RARE bool exchange(const Form& form, LassoScratch<T>& s, int64_t j, T sign, T gradient) {
    constexpr T noise = T(1e-8);
    int64_t first = -1;
    T length = 0, gain = -penalty_of(form.model, form.signal, j);
    for (int64_t i = 0; i < s.size; ++i) {
        const T slope = sign * s.column[i] * s.sign[i];
        gain += slope * penalty_of(form.model, form.signal, s.atom[i]);
        if (!(slope > noise)) continue;
        const T share = s.code[i] * s.sign[i] / slope;
        if (first < 0 || share < length) length = share, first = i;
    }
    if (first < 0 || !(gain > T(0))) return false;
    if (length < T(0)) length = T(0);
    for (int64_t i = 0; i < s.size; ++i) s.code[i] -= length * sign * s.column[i];
    leave(s, first);
    if (rebuild(form, s, kept_remainder<T>) && join(form, s, j, sign, gradient)) {
        s.code[s.size - 1] = length * sign;
    } else {  // one less dependent: the next pass goes on from here
        for (int64_t i = 0; i < s.size; i += lanes<T>) store(s.step + i, Vec<T>{});
    }
    return true;
}

// The atoms whose violation is within reach of the largest join, one a lane of a block: fewer
// passes than one by one, while few of them have to leave again (0.7 or 0.9 take 5 to 10% longer).
// After a step on which some left only the largest joins, which always is progress. False where
// none could.
template <class T, class Form>
LW_INLINE bool join_violators(const Form& form, LassoScratch<T>& s, T top, bool alone, bool* able) {
    constexpr T reach = T(0.8);
    const T bound = Form::general ? T(1) : form.model.alpha;
    bool joined = false, dependent = false;
    if (!(top > bound)) return false;
    const T least = alone ? top : bound + reach * (top - bound);
    for_each_peak<T, Form::general>(form.model, form.signal, s, least, [&](int64_t j) {
        if (!*able || dependent || is_active(s, j)) return;
        const T sign = s.r[j] < T(0) ? T(-1) : T(1);
        const T gradient = s.r[j] - sign * penalty_of(form.model, form.signal, j);
        *able = s.size < form.model.capacity;
        if (!*able) return;
        if (join(form, s, j, sign, gradient)) {
            joined = true;
        } else if (sizeof(T) == 4) {  // so near to dependence only float64 is exact
            *able = false;
        } else {
            dependent = true;  // among those that have just joined it may be: the next pass tells
            if (!joined) joined = exchange(form, s, j, sign, gradient);
        }
    });
    return joined;
}

// Whether a violation that large alone is more than the tolerance: no residual is shorter than what
// an atom correlates with it, so gap >= ((top - alpha) / longest)^2 / ||x||^2.
template <class T, class Form>
LW_INLINE bool is_far(const Form& form, T top) {
    const LassoModel<T>& model = form.model;
    if (Form::general || !(top > model.alpha)) return false;
    const T left = (top - model.alpha) / model.longest;
    return left * left > T(1.01) * model.tolerance * form.signal.energy;
}

// Of passes, after which the gap is looked at even where it is known to be large.
constexpr int64_t most_unseen = 32;
// Passes without a smaller gap.
template <class T>
constexpr int64_t most_stalled = sizeof(T) == 4 ? 20 : 100;

template <class T, class Form>
static Outcome solve_active_set(const Form& form, LassoScratch<T>& s) {
    if (s.size > form.model.capacity) return Outcome::unable;
    if (s.size > 0) join_start(form, s);
    bool settled = false, alone = false;
    T least = -1;  // gap so far
    int64_t stalled = 0;
    for (;; ++s.iterations) {
        const T top = form.refresh(s);
        const bool last = s.iterations >= form.model.max_iterations;
        const bool seen = last || s.iterations >= most_unseen || !is_far(form, top);
        if (seen) {
            s.gap = relative_gap(form, s, top);
            if (last || is_done(form.model, form.signal, s)) return Outcome::ended;
            if (s.iterations % 16 == 15 && stop_requested()) return Outcome::ended;
            const bool better = s.gap < least || least < T(0);
            stalled = better ? 0 : stalled + 1;
            if (better) least = s.gap;
            if (stalled >= most_stalled<T>)
                return Outcome::unable;  // rounding: it goes in a circle
        }
        set_gradient(form, s);
        bool able = true;
        if (join_violators(form, s, top, alone, &able)) {
            settled = false;
        } else {
            // Nothing violates: rounding is all that is left, and one more solve must remove it.
            if ((!able || settled) && !seen) s.gap = relative_gap(form, s, top);
            if (!able) return Outcome::unable;
            if (settled) return Outcome::rounded;
            settled = true;
            multiply_inverse<T, false>(s, s.gradient, nullptr, s.step, nullptr);
        }
        const int64_t size = s.size;
        descend(form, s);
        alone = s.size < size;
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
