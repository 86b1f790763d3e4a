// lasso_path on the CPU: for each penalty the working set is solved, all features are looked at,
// and those that violate the optimality conditions join, until the gap is small.
#include "lasso/lasso_path.h"

#include "lasso/lasso_growth.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Far from the solution a round lowers the penalty to this share of the largest correlation. With
// few features active a wrong guess of those that join costs little, a round a pass over X.
LW_INLINE double penalty_step(int64_t support, int64_t samples) {
    return 5 * support < samples ? 0.75 : 0.9;
}
constexpr int epochs_without_gram = 10;

template <class T>
struct PathRun {
    const LassoPathArgs<T>& args;
    const Target& target;
    PathState<T> p;
    double penalty = 0;  // l of the pair in turn
    int64_t epochs = 0;
    double gap = 0, peak = 0;  // as reported; largest |c_j| / weight_j
    Status status = Status::ok;

    bool stopped() {
        if (status == Status::ok && target.poll && target.poll(target.poll_context))
            status = Status::interrupted;
        return status != Status::ok;
    }

    // Correlations that may exceed what the penalty allows, and those of the set.
    void correlate() {
        status = parallel(
            target, ceil_div(p.x.count, features_a_task),
            2.0 * features_a_task * static_cast<double>(p.x.length), [&](int64_t task, int) {
                const int64_t first = task * features_a_task;
                int32_t need[features_a_task];
                double out[features_a_task];
                int64_t count = 0;
                for (int64_t j = first; j < min_of(p.x.count, first + features_a_task); ++j) {
                    if (p.norm[j] == 0 || p.at[j] == p.way) continue;
                    const double c = p.correlation[j];
                    const double bound =
                        (args.nonnegative ? c : size_of(c)) + p.norm[j] * (p.way - p.at[j]);
                    if (p.slot[j] < 0 && bound <= penalty * p.weight[j]) continue;
                    need[count++] = static_cast<int32_t>(j);
                }
                multiply_columns(p.x, need, count, p.v, out);
                for (int64_t k = 0; k < count; ++k) {
                    p.correlation[need[k]] = out[k];
                    p.at[need[k]] = p.way;
                }
            });
        for (int64_t s = 0; s < p.set.size; ++s) p.set.left[s] = p.correlation[p.set.feature[s]];
    }

    double size_at(int64_t j) const {
        double c = p.correlation[j];
        if (p.slot[j] >= 0) c -= p.set.ridge * p.set.code[p.slot[j]];
        return args.nonnegative ? c : size_of(c);
    }

    bool is_open(int64_t j) const {
        return p.at[j] == p.way && p.norm[j] > 0 && p.weight[j] <= __DBL_MAX__;
    }

    // Sets gap and peak; correlate() has run.
    void judge() {
        const WorkingSet& set = p.set;
        peak = 0;
        double cosine = 0;
        for (int64_t j = 0; j < p.x.count; ++j) {
            if (!is_open(j)) continue;
            const double size = size_at(j);
            if (size > peak * p.weight[j]) peak = size / p.weight[j];
            if (size > cosine * p.norm[j]) cosine = size / p.norm[j];
        }
        if (penalty == 0) {
            gap = cosine / __builtin_sqrt(p.energy);
            return;
        }
        const double kappa = peak > penalty ? penalty / peak : 1.0;
        double rest = 0;
        gap = 0;
        for (int64_t i = 0; i < p.x.length; ++i) rest += p.e[i] * p.v[i];
        for (int64_t s = 0; s < set.size; ++s) {
            const double w = set.code[s], r = set.left[s] - set.ridge * w;
            if (w == 0) continue;
            gap += penalty * p.weight[set.feature[s]] * size_of(w) - kappa * w * r;
            rest += set.ridge * w * w;
        }
        gap += 0.5 * (1 - kappa) * (1 - kappa) * rest;
        gap = gap > 0 ? gap / p.energy : 0.0;  // below 0 by rounding
    }

    void set_penalties(double at) {
        for (int64_t s = 0; s < p.set.size; ++s) p.set.penalty[s] = at * p.weight[p.set.feature[s]];
    }

    // The gap of the set alone with the penalty `at`, relative.
    double gap_of_set(double at) const {
        if (at == 0) return set_correlation(p.set) / __builtin_sqrt(p.energy);
        return set_gap(p.set, p.energy) / p.energy;
    }

    // Epochs and Newton steps on the set with the penalty `at`; whether codes moved.
    bool solve_set(double at, double goal) {
        WorkingSet& set = p.set;
        bool moved = false;
        set_penalties(at);
        if (set.size == 0) return false;
        if (!set.has_gram) return descend_without_gram();
        double best = __DBL_MAX__;
        int stale = 0;
        for (int round = 0; epochs < args.max_iterations && !stopped(); ++round) {
            if (round > 0 || set.active_size > 0) status = newton_step(target, set, moved);
            if (status != Status::ok) break;
            ++epochs;
            const bool now = gram_epoch(set);
            moved = moved || now;
            const double own = gap_of_set(at);
            if (!now || (goal > 0 && own <= goal)) break;
            if (own < 0.5 * best) {
                best = own;
                stale = 0;
            } else if (++stale > 10 && own < 1e-12) {
                break;  // rounding
            }
        }
        return moved;
    }

    // Epochs on the residual itself: v, and in `offset` what centring would add to e.
    bool descend_without_gram() {
        WorkingSet& set = p.set;
        bool moved = false;
        for (int i = 0; i < epochs_without_gram && epochs < args.max_iterations; ++i) {
            ++epochs;
            bool now = false;
            for (int64_t s = 0; s < set.size; ++s) {
                if (s % 64 == 0 && stopped()) return moved;
                now = descend_on_column(s) || now;
            }
            moved = moved || now;
            if (!now) break;
        }
        return moved;
    }

    bool descend_on_column(int64_t s) {
        WorkingSet& set = p.set;
        const int32_t j = set.feature[s];
        const double square = p.norm[j] * p.norm[j];
        double c = 0;
        multiply_columns(p.x, &j, 1, p.v, &c);
        c += p.offset * p.total * p.mean[j];
        const double target_code = c + square * set.code[s];
        const double code =
            soft_threshold(target_code, set.penalty[s], set.nonnegative) / (square + set.ridge);
        const double change = code - set.code[s];
        if (change == 0) return false;
        set.code[s] = code;
        p.offset += change * p.mean[j];
        if (p.s)
            add_weighted_column(j, -change);
        else
            add_column(p.x, j, -change, p.v);
        return true;
    }

    // v += scale s x_j
    void add_weighted_column(int64_t j, double scale) {
        if (p.x.dense) {
            const T* column = p.x.dense + j * p.x.stride;
            for (int64_t i = 0; i < p.x.length; ++i)
                p.v[i] += scale * p.s[i] * static_cast<double>(column[i]);
            return;
        }
        const CsrMatrix<T>& x = p.x.sparse;
        for (int64_t e = x.indptr[j]; e < x.indptr[j + 1]; ++e)
            p.v[x.indices[e]] += scale * p.s[x.indices[e]] * static_cast<double>(csr_value(x, e));
    }

    // Lists the features outside the set that violate the conditions at the penalty `at`.
    int64_t list_violators(double at) {
        const double least = penalty == 0 ? args.tolerance * __builtin_sqrt(p.energy) : 0.0;
        int64_t count = 0;
        for (int64_t j = 0; j < p.x.count; ++j) {
            if (p.slot[j] >= 0 || !is_open(j)) continue;
            const double size = size_at(j);
            if (!(size > at * p.weight[j] && size > least * p.norm[j])) continue;
            p.list[count] = static_cast<int32_t>(j);
            p.value[count++] = size / p.weight[j];
        }
        return count;
    }

    int64_t support() const {
        int64_t count = 0;
        for (int64_t s = 0; s < p.set.size; ++s) count += p.set.code[s] != 0;
        return count;
    }

    // The largest violators join the set; how many. Where the Gram matrix is full, slots that do
    // not look needed are given up first.
    int64_t grow(double at) {
        const WorkingSet& set = p.set;
        const int64_t most = max_of(100, 2 * support());
        int64_t count = largest(p, list_violators(at), most);
        if (set.has_gram && set.size + count > set.capacity) {
            shrink_set(p, 0.9);  // in the place of the list
            count = largest(p, list_violators(at), most);
        }
        status = add_features(target, p, count);
        return count;
    }

    void solve(int64_t index) {
        penalty = args.penalty.data[index * args.penalty.stride];
        p.set.ridge = args.ridge.data[index * args.ridge.stride];
        epochs = 0;
        const double goal = args.tolerance;
        bool moved = solve_set(penalty, 0.3 * goal);
        for (bool first = true; !stopped(); first = false) {
            if (moved || first) status = refresh_residual(target, p);
            if (status == Status::ok) correlate();
            if (status != Status::ok) return;
            judge();
            if (gap <= goal || epochs >= args.max_iterations) return;
            double at = penalty_step(support(), p.x.length) * peak;
            if (at < penalty || (penalty == 0 && at < 1e-4 * largest_target())) at = penalty;
            const int64_t joined = grow(at);
            if (status == Status::ok) status = regain_gram(target, p);
            if (status != Status::ok) return;
            moved = solve_set(at, at > penalty ? 1e-2 * gap : 0.3 * goal);
            if (!moved && joined == 0 && at == penalty) return;
        }
    }

    double largest_target() const {
        double most = 0;
        for (int64_t j = 0; j < p.x.count; ++j)
            if (size_of(p.target[j]) > most) most = size_of(p.target[j]);
        return most;
    }

    void write(int64_t index) {
        T* row = args.codes.data + index * args.codes.row_stride;
        for (int64_t j = 0; j < p.x.count; ++j) row[j * args.codes.col_stride] = T(0);
        double intercept = p.y_mean;
        for (int64_t s = 0; s < p.set.size; ++s) {
            const int32_t j = p.set.feature[s];
            row[j * args.codes.col_stride] = static_cast<T>(p.set.code[s]);
            intercept -= p.set.code[s] * p.mean[j];
        }
        args.intercepts.data[index * args.intercepts.stride] = static_cast<T>(intercept);
        args.gap.data[index * args.gap.stride] = static_cast<T>(gap);
        args.iterations.data[index * args.iterations.stride] = epochs;
    }

    void write_nothing() {
        for (int64_t a = 0; a < args.penalty.size; ++a) {
            for (int64_t j = 0; j < p.x.count; ++j)
                args.codes.data[a * args.codes.row_stride + j * args.codes.col_stride] = T(0);
            args.intercepts.data[a * args.intercepts.stride] = static_cast<T>(p.y_mean);
            args.gap.data[a * args.gap.stride] =
                p.finite ? T(0) : static_cast<T>(__builtin_nan(""));
            args.iterations.data[a * args.iterations.stride] = 0;
        }
    }

    // The start's non-zeros make the first set.
    void read_start() {
        if (!args.start.data) return;
        int64_t count = 0;
        for (int64_t j = 0; j < p.x.count; ++j) {
            const double w = static_cast<double>(args.start.data[j * args.start.stride]);
            p.finite = p.finite && w - w == 0;
            if (w == 0 || (args.nonnegative && w < 0) || p.norm[j] == 0) continue;
            if (p.weight[j] > __DBL_MAX__) continue;
            p.list[count++] = static_cast<int32_t>(j);
        }
        if (count == 0 || !p.finite) return;
        status = add_features(target, p, count);
        for (int64_t s = 0; s < p.set.size; ++s)
            p.set.code[s] =
                static_cast<double>(args.start.data[p.set.feature[s] * args.start.stride]);
        if (status == Status::ok) status = refresh_residual(target, p);
        if (status == Status::ok) correlate();
    }
};

template <class T>
static Status run(const LassoPathArgs<T>& args, const Target& target) {
    const Operand<T>& x = args.columns;
    const bool dense = x.encoding == Encoding::dense;
    LassoPathShape shape{operand_cols(x), operand_rows(x), false};
    shape.copied = dense && x.dense.col_stride != 1 && shape.samples > 1;
    PathRun<T> path{args, target, {}};
    place_state(path.p, shape, args.workspace);
    path.p.x = {dense ? x.dense.data : nullptr, x.dense.row_stride, x.csr, shape.samples,
                shape.features};
    if (shape.copied) {
        path.status = copy_columns(target, x.dense, path.p.copy);
        path.p.x.dense = path.p.copy;
        path.p.x.stride = shape.samples;
    }
    if (path.status == Status::ok) path.status = start_state(target, path.p, args);
    if (path.status == Status::ok) path.read_start();
    if (path.status != Status::ok) return path.status;
    if (!path.p.finite || path.p.energy == 0) {
        path.write_nothing();
        return Status::ok;
    }
    for (int64_t a = 0; a < args.penalty.size; ++a) {
        path.solve(a);
        if (path.status != Status::ok) break;
        path.write(a);
    }
    return path.status;
}

template <class T>
static size_t workspace(const LassoPathShape& shape) {
    PathState<T> p;
    return place_state(p, shape, nullptr);
}

template <class T>
static constexpr LassoPathFunctions<T> lasso_path_functions = {run<T>, workspace<T>};

const LassoPathKernels& lasso_path_kernels() {
    static constexpr LassoPathKernels kernels = {lasso_path_functions<float>,
                                                 lasso_path_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
