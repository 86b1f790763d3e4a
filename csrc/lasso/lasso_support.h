// The inverse of the support's Gram matrix, kept up to date as features join and leave in blocks,
// and Newton steps by it. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_working_set.h"

namespace layerwise::LW_ISA_NAMESPACE {

// out[r * vectors + k] = row r of a symmetric matrix . v_k
template <int vectors>
static Status multiply_rows_of(const Target& target, const double* matrix, int64_t ld, int64_t rows,
                               const double* const* v, int64_t n, double* out) {
    constexpr int64_t tall = 12;
    return parallel(target, ceil_div(rows, tall), 2.0 * tall * vectors * static_cast<double>(n),
                    [&](int64_t task, int) {
                        const double* row[tall];
                        const int64_t first = task * tall, count = min_of(tall, rows - first);
                        for (int64_t r = 0; r < count; ++r) row[r] = matrix + (first + r) * ld;
                        dot_rows<double, vectors>(row, count, v, n, out + first * vectors);
                    });
}

// The inverse of a symmetric positive definite matrix of up to block_columns rows, in place. False
// where a pivot is no more than `least` times its diagonal element; `failed` is its place.
static bool invert_small(double (*a)[block_columns], int64_t n, double least, int64_t& failed,
                         const double* scale) {
    double l[block_columns][block_columns] = {}, m[block_columns][block_columns] = {};
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j <= i; ++j) {
            double sum = a[i][j];
            for (int64_t k = 0; k < j; ++k) sum -= l[i][k] * l[j][k];
            if (i != j) {
                l[i][j] = sum / l[j][j];
                continue;
            }
            failed = i;
            if (!(sum > least * scale[i])) return false;
            l[i][i] = __builtin_sqrt(sum);
        }
    for (int64_t j = 0; j < n; ++j)  // m = l^-1
        for (int64_t i = j; i < n; ++i) {
            double sum = i == j ? 1.0 : 0.0;
            for (int64_t k = j; k < i; ++k) sum -= l[i][k] * m[k][j];
            m[i][j] = sum / l[i][i];
        }
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (int64_t k = max_of(i, j); k < n; ++k) sum += m[k][i] * m[k][j];
            a[i][j] = sum;
        }
    return true;
}

// H += sign W U' over the active places, both of block_columns vectors.
static Status add_outer(const Target& target, WorkingSet& set, int64_t vectors, double sign) {
    const int64_t n = set.active_size, padded = round_up(n, lanes<double>), ld = set.inverse_ld;
    constexpr int64_t rows_at_once = 2, group = 4;
    const auto rows = [&](int64_t first, int64_t count) {
        for (int64_t k = 0; k < vectors; k += group) {
            Vec<double> factor[rows_at_once][group];
            for (int64_t r = 0; r < rows_at_once; ++r)
                for (int64_t g = 0; g < group; ++g) {
                    const bool inside = r < count && k + g < vectors;
                    factor[r][g] = splat(inside ? sign * set.w[(k + g) * ld + first + r] : 0.0);
                }
            const double* u = set.u + k * ld;
            double* h = set.inverse + first * ld;
            double* next = count == rows_at_once ? h + ld : h;
            for (int64_t j = 0; j < padded; j += lanes<double>) {
                Vec<double> x = load(h + j), y = load(next + j);
#pragma GCC unroll 4
                for (int64_t g = 0; g < group; ++g) {
                    const Vec<double> right = load(u + g * ld + j);
                    y = fma(factor[1][g], right, y);
                    x = fma(factor[0][g], right, x);
                }
                if (count == rows_at_once) store(next + j, y);
                store(h + j, x);
            }
        }
    };
    return parallel(target, ceil_div(n, rows_at_once),
                    4.0 * static_cast<double>(n) * static_cast<double>(vectors),
                    [&](int64_t task, int) {
                        const int64_t first = task * rows_at_once;
                        rows(first, min_of(rows_at_once, n - first));
                    });
}

// W = U S for the symmetric S of `vectors` rows; both are zero from there to a whole group.
static void scale_block(WorkingSet& set, int64_t vectors, const double (*s)[block_columns]) {
    const int64_t n = set.active_size, ld = set.inverse_ld, padded = round_up(n, lanes<double>);
    for (int64_t k = 0; k < block_columns; ++k) {
        double *out = set.w + k * ld, *u = set.u + k * ld;
        for (int64_t i = k < vectors ? n : 0; i < padded; ++i) u[i] = 0;
        for (int64_t i = 0; i < padded; ++i) out[i] = 0;
        for (int64_t l = 0; k < vectors && l < vectors; ++l)
            add_scaled(out, set.u + l * ld, s[l][k], n);
    }
}

static void clear_inverse(WorkingSet& set) {
    set.active_size = 0;
    for (int64_t s = 0; s < set.size; ++s) set.place[s] = not_active;
}

// The listed active places leave (ascending, at most block_columns).
static Status leave_inverse(const Target& target, WorkingSet& set, const int64_t* leaving,
                            int64_t count) {
    const int64_t ld = set.inverse_ld;
    double s[block_columns][block_columns] = {}, scale[block_columns];
    for (int64_t k = 0; k < count; ++k) {
        const double* row = set.inverse + leaving[k] * ld;
        __builtin_memcpy(set.u + k * ld, row,
                         static_cast<size_t>(set.active_size) * sizeof(double));
        for (int64_t l = 0; l < count; ++l) s[k][l] = row[leaving[l]];
        scale[k] = row[leaving[k]];
    }
    int64_t failed = 0;
    if (!invert_small(s, count, 1e-12, failed, scale)) {  // rounding has spoilt it
        clear_inverse(set);
        return Status::ok;
    }
    scale_block(set, count, s);
    const Status status = add_outer(target, set, count, -1.0);
    for (int64_t k = count - 1; k >= 0; --k) {  // the last place moves into the gap
        const int64_t gap = leaving[k], last = set.active_size - 1;
        set.place[set.active[gap]] = not_active;
        if (gap != last) {
            double *to = set.inverse + gap * ld, *from = set.inverse + last * ld;
            __builtin_memcpy(to, from, static_cast<size_t>(set.active_size) * sizeof(double));
            for (int64_t i = 0; i < last; ++i)
                set.inverse[i * ld + gap] = set.inverse[i * ld + last];
            to[gap] = from[last];
            set.active[gap] = set.active[last];
            set.place[set.active[gap]] = static_cast<int32_t>(gap);
        }
        set.active_size = last;
    }
    return status;
}

// The listed slots join (at most block_columns); one that depends on the active ones is marked as
// such, and the others are left for the next call.
static Status join_inverse(const Target& target, WorkingSet& set, const int64_t* joining,
                           int64_t count) {
    const int64_t n = set.active_size, ld = set.inverse_ld;
    for (int64_t k = 0; k < block_columns; ++k) {
        const double* row = set.gram + joining[min_of(k, count - 1)] * set.ld;
        double* out = set.w + k * ld;
        for (int64_t i = 0; i < n; ++i) out[i] = k < count ? row[set.active[i]] : 0.0;
    }
    for (int64_t half = 0; half < count; half += 4) {  // U = H G_active,new
        const double* v[4];
        for (int k = 0; k < 4; ++k) v[k] = set.w + (half + k) * ld;
        const Status status = multiply_rows_of<4>(target, set.inverse, ld, n, v, n, set.product);
        if (status != Status::ok) return status;
        for (int64_t i = 0; i < n; ++i)
            for (int64_t k = 0; k < 4; ++k) set.u[(half + k) * ld + i] = set.product[i * 4 + k];
    }
    double s[block_columns][block_columns], scale[block_columns];
    for (int64_t k = 0; k < count; ++k)
        for (int64_t l = 0; l < count; ++l) {
            double value =
                set.gram[joining[k] * set.ld + joining[l]] + (k == l ? set.inverse_ridge : 0.0);
            if (k == l) scale[k] = value;
            const double *g = set.w + k * ld, *u = set.u + l * ld;
            double sum = 0;
            for (int64_t i = 0; i < n; ++i) sum += g[i] * u[i];
            s[k][l] = value - sum;
        }
    int64_t failed = 0;
    if (!invert_small(s, count, 1e-9, failed, scale)) {
        set.place[joining[failed]] = dependent;
        return Status::ok;
    }
    scale_block(set, count, s);
    const Status status = add_outer(target, set, count, 1.0);
    for (int64_t k = 0; k < count; ++k) {
        const int64_t at = n + k;
        double* row = set.inverse + at * ld;
        for (int64_t i = 0; i < n; ++i) set.inverse[i * ld + at] = row[i] = -set.w[k * ld + i];
        for (int64_t l = 0; l < count; ++l) row[n + l] = s[k][l];
        set.active[at] = static_cast<int32_t>(joining[k]);
        set.place[joining[k]] = static_cast<int32_t>(at);
    }
    set.active_size = n + count;
    return status;
}

// Makes the inverse that of the support.
static Status sync_inverse(const Target& target, WorkingSet& set) {
    if (!(set.ridge <= set.inverse_ridge && set.inverse_ridge <= 2 * set.ridge)) {
        clear_inverse(set);  // a larger ridge in H only shortens the steps
        set.inverse_ridge = set.ridge;
    }
    Status status = Status::ok;
    int64_t list[block_columns], count = 0;
    const int64_t before = set.active_size;
    for (int64_t i = set.active_size; i-- > 0 && status == Status::ok;) {
        if (set.code[set.active[i]] == 0) list[count++] = i;
        if (count < block_columns && (i > 0 || count == 0)) continue;
        for (int64_t k = 0; k < count / 2; ++k) {
            const int64_t other = list[count - 1 - k];
            list[count - 1 - k] = list[k];
            list[k] = other;
        }
        status = leave_inverse(target, set, list, count);
        count = 0;
        if (set.active_size == 0) break;
    }
    for (int64_t s = 0; s < set.size && set.active_size < before; ++s)
        if (set.place[s] == dependent) set.place[s] = not_active;
    for (int64_t s = 0; s < set.size && status == Status::ok;) {
        const bool joins = set.code[s] != 0 && set.place[s] == not_active &&
                           set.active_size + count < set.active_capacity;
        if (joins) list[count++] = s;
        ++s;
        if (count < block_columns && (s < set.size || count == 0)) continue;
        status = join_inverse(target, set, list, count);
        for (int64_t k = 0; k < count; ++k)  // those that a dependent one held up
            if (set.place[list[k]] == not_active) s = min_of(s, list[k]);
        count = 0;
    }
    return status;
}

// The change of the objective by set.change, of which set.product is the image under G.
LW_INLINE double objective_change(const WorkingSet& set) {
    double sum = 0;
    for (int64_t s = 0; s < set.size; ++s) {
        const double d = set.change[s], w = set.code[s];
        if (d == 0) continue;
        sum += d * (0.5 * set.product[s] - set.left[s] + set.ridge * (w + 0.5 * d));
        sum += set.penalty[s] * (size_of(w + d) - size_of(w));
    }
    return sum;
}

// A step from the support's codes to where their signs would have them, if those stay. Codes that
// change sign become zero, or, where that does not lower the objective, the step ends at the first.
static Status newton_step(const Target& target, WorkingSet& set, bool& moved) {
    Status status = sync_inverse(target, set);
    const int64_t n = set.active_size;
    if (status != Status::ok || n == 0) return status;
    double *gradient = set.u, *step = set.w;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t s = set.active[i];
        const double penalty = set.code[s] > 0 ? set.penalty[s] : -set.penalty[s];
        gradient[i] = set.left[s] - set.ridge * set.code[s] - penalty;
    }
    const double* const v[] = {gradient};
    status = multiply_rows_of<1>(target, set.inverse, set.inverse_ld, n, v, n, step);
    double share = 1.0;
    int64_t first = -1;
    for (int64_t s = 0; s < set.size; ++s) set.change[s] = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t s = set.active[i];
        const double code = set.code[s];
        const bool turns = (set.penalty[s] > 0 || set.nonnegative) &&
                           (code > 0 ? code + step[i] <= 0 : code + step[i] >= 0);
        set.change[s] = turns ? -code : step[i];
        if (turns && -code < share * size_of(step[i]) && code < share * size_of(step[i])) {
            share = size_of(code / step[i]);
            first = s;
        }
    }
    for (int attempt = 0; attempt < 2 && status == Status::ok; ++attempt) {
        const double* const change[] = {set.change};
        status =
            multiply_rows_of<1>(target, set.gram, set.ld, set.size, change, set.size, set.product);
        if (status != Status::ok) return status;
        if (objective_change(set) <= 0) {
            for (int64_t s = 0; s < set.size; ++s) {
                moved = moved || set.change[s] != 0;
                set.code[s] += set.change[s];
                set.left[s] -= set.product[s];
            }
            return status;
        }
        if (first < 0) return status;
        for (int64_t i = 0; i < n; ++i) set.change[set.active[i]] = share * step[i];
        set.change[first] = -set.code[first];
    }
    return status;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
