// One signal's path of solutions, from event to event. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_active_set.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Vectors of `padded` elements beside those of the scratch.
struct HomotopyVectors {
    const double* norm;              // ||phi_j||, the same for all signals
    double *u, *p, *q;               // as in lasso_lars.h
    double *left_codes, *left_sign;  // what u and w leave of c_A and s
    int32_t* refused;                // atoms in the span of the active ones
};

// What happens next as t falls: an atom joins, or the one at `place` leaves; atom < 0: the end.
struct HomotopyEvent {
    double t;
    int64_t atom, place;
    double sign;
};

// The codes at t lie in the scratch, with c_A in s.gradient and w in s.step.
struct Homotopy {
    static constexpr double eps = __DBL_EPSILON__;
    static constexpr double noise = 128 * eps;  // of p and q, in units of what is summed
    static constexpr double tie = 1e-12;        // events nearer than this share of t happen at once
    static constexpr double lowest = 1e-12;  // share of the largest t below which all is rounding
    static constexpr double span = 1e-13;  // of ||phi_j||^2: an atom that leaves less is dependent

    const GramForm<double, false>& form;
    LassoScratch<double>& s;
    const HomotopyVectors& v;
    double end;    // of the path
    bool bounded;  // its atoms may be fewer than their span needs: the capacity is the user's
    double t = 0;
    int64_t refused = 0;
    double p_noise = 0, q_noise = 0;  // of p_j and q_j / ||phi_j||

    // p = c - u G_A, q = w G_A
    void correlate() const {
        constexpr int count = 4;
        const LassoModel<double>& model = form.model;
        for (int64_t b = 0; b < model.padded; b += count * lanes<double>) {
            Vec<double> p[count], q[count] = {};
#pragma GCC unroll 4
            for (int k = 0; k < count; ++k) p[k] = load(form.signal.c + b + k * lanes<double>);
            for (int64_t i = 0; i < s.size; ++i) {
                const double* row = model.gram + s.atom[i] * model.ld + b;
                const Vec<double> u = splat(-v.u[i]), w = splat(s.step[i]);
#pragma GCC unroll 4
                for (int k = 0; k < count; ++k) {
                    const Vec<double> g = load(row + k * lanes<double>);
                    p[k] = fma(u, g, p[k]);
                    q[k] = fma(w, g, q[k]);
                }
            }
#pragma GCC unroll 4
            for (int k = 0; k < count; ++k) {
                store(v.p + b + k * lanes<double>, p[k]);
                store(v.q + b + k * lanes<double>, q[k]);
            }
        }
    }

    // By how much p and q miss 0 and s on the active atoms, as shares of ||x|| ||phi_j|| and of 1;
    // and whether that is no more than the noise of the sums.
    double measure(bool* usable) {
        const double length = __builtin_sqrt(form.signal.energy);
        double u_size = length, w_size = 0, worst = 0;
        for (int64_t i = 0; i < s.size; ++i) {
            const double norm = v.norm[s.atom[i]];
            u_size += __builtin_fabs(v.u[i]) * norm;
            w_size += __builtin_fabs(s.step[i]) * norm;
        }
        p_noise = noise * u_size;
        q_noise = noise * w_size;
        *usable = true;
        for (int64_t i = 0; i < s.size; ++i) {
            const int64_t j = s.atom[i];
            v.left_codes[i] = v.p[j];
            v.left_sign[i] = s.sign[i] - v.q[j];
            v.p[j] = 0;  // it does not join
            const double codes = __builtin_fabs(v.left_codes[i]);
            const double sign = __builtin_fabs(v.left_sign[i]), norm = v.norm[j];
            if (!(codes <= worst * length * norm)) worst = codes / (length * norm);
            if (!(sign <= worst)) worst = sign;
            *usable = *usable && codes <= p_noise * norm && sign <= noise + q_noise * norm;
        }
        for (int64_t i = 0; i < refused; ++i) v.p[v.refused[i]] = 0;
        return worst;
    }

    // u, w, p and q of the active atoms, refined as far as it helps; false where that is not far.
    bool solve() {
        bool usable;
        const double enough = eps * (4 + static_cast<double>(s.size) / 16);
        const double *codes = s.gradient, *sign = s.sign;
        for (int64_t i = 0; i < s.size; ++i) v.u[i] = s.step[i] = 0;
        for (double before = 1;; before = 0.25 * before) {
            multiply_inverse<double, true>(s, codes, sign, s.row, s.column);
            for (int64_t i = 0; i < s.size; ++i) {
                v.u[i] += s.row[i];
                s.step[i] += s.column[i];
            }
            correlate();
            const double worst = measure(&usable);
            if (worst <= enough) return true;
            if (!(worst < before)) return usable;
            before = worst;
            codes = v.left_codes;
            sign = v.left_sign;
        }
    }

    // An event takes the place of `next` if it comes before it: at a higher t, or at the same t to
    // an atom of lower index.
    void offer(HomotopyEvent& next, const HomotopyEvent& event) const {
        const double at = event.t >= t * (1 - tie) ? t : event.t;
        if (at < next.t || (at == next.t && next.atom < event.atom)) return;
        next = event;
        next.t = at;
    }

    // Correlation j is p_j + t q_j: with sign s it meets t at |p_j| / (1 - s q_j), s that of p_j.
    void offer_joins(HomotopyEvent& next) const {
        const UintVec<double> mask = magnitude_mask<double>(form.model.nonnegative);
        const UintVec<double> sign_bit = ~magnitude_mask<double>(false);
        const Vec<double> one = splat(1.0);
        for (int64_t b = 0; b < form.model.padded; b += lanes<double>) {
            const Vec<double> p = load(v.p + b), norm = load(v.norm + b);
            const UintVec<double> sign = bit_cast<UintVec<double>>(p) & sign_bit;
            const Vec<double> size = magnitude<double>(p, mask);
            const Vec<double> fall =
                one - bit_cast<Vec<double>>(bit_cast<UintVec<double>>(load(v.q + b)) ^ sign);
            const IntVec<double> meets = (size > splat(p_noise) * norm) &
                                         (size > splat(next.t) * fall) &
                                         (fall > splat(noise) + splat(q_noise) * norm);
            for (uint64_t left = movemask<double>(meets); left != 0; left &= left - 1) {
                const int k = __builtin_ctzll(left);
                offer(next, {size[k] / fall[k], b + k, -1, p[k] < 0 ? -1.0 : 1.0});
            }
            if (next.atom >= 0 && next.t == t) return;
        }
    }

    // Code i is u_i - t w_i.
    void offer_leaves(HomotopyEvent& next) const {
        for (int64_t i = 0; i < s.size; ++i) {
            if (!(s.step[i] * s.sign[i] < 0)) continue;
            offer(next, {v.u[i] / s.step[i], s.atom[i], i, 0});
        }
    }

    void move_to(const HomotopyEvent& event) {
        t = event.t;
        for (int64_t i = 0; i < s.size; ++i) {
            const double code = v.u[i] - t * s.step[i];
            s.code[i] = i == event.place || code * s.sign[i] < 0 ? 0 : code;
        }
    }

    // False where the path ends with it.
    bool apply(const HomotopyEvent& event) {
        if (event.place >= 0) {
            refused = 0;
            const bool loses = is_nearly_dependent(form, s, event.place);
            s.code[event.place] = 0;
            leave(s, event.place);
            return !loses || rebuild(form, s, 0.1 * span);
        }
        const bool full = s.size >= form.model.capacity;
        if (full && bounded) return false;
        if (full || !join(form, s, event.atom, event.sign, form.signal.c[event.atom], span))
            v.refused[refused++] = static_cast<int32_t>(event.atom);
        return true;
    }

    // visit() at each knot, which says whether to go on; from `largest`, the largest correlation.
    template <class Visit>
    void run(double largest, const Visit& visit) {
        const int64_t most_at_once = 100 + 10 * form.model.capacity;
        int64_t at_once = 0;
        s.size = 0;
        t = largest > end ? largest : end;
        if (!visit()) return;
        for (int64_t events = 1; t > end && at_once < most_at_once; ++events) {
            if (events % 16 == 0 && stop_requested()) return;
            if (!solve() && !(rebuild(form, s, 0.1 * span) && solve())) return;
            HomotopyEvent next{end > lowest * largest ? end : lowest * largest, -1, -1, 0};
            offer_joins(next);
            offer_leaves(next);
            if (next.atom < 0) next.t = end;
            const bool moves = next.t < t;
            at_once = moves ? 0 : at_once + 1;
            if (moves) move_to(next);
            if (moves && !visit()) return;
            if (next.atom < 0 || !apply(next)) return;
        }
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
