// lasso on the CPU: G once, then blocks of signals as independent tasks, each with its own
// correlations, method and output.
#include "lasso/lasso.h"

#include "core/parallel_tasks.h"
#include "lasso/lasso_input.h"
#include "lasso/lasso_layout.h"
#include "lasso/lasso_narrow_call.h"
#include "lasso/lasso_output.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A block of signals and the thread that codes it.
template <class T>
struct LassoBlock {
    int64_t first, rows;
    char* memory;
    LassoModel<T> model;
    LassoScratch<T> scratch;
    LassoModel<float> narrow;
    LassoScratch<float> narrow_scratch;
    T energy[task_signals];
    bool has_penalties;  // in the memory, of all signals
};

// One call's state; a task is a block of signals.
template <class T>
struct LassoRun {
    const LassoArgs<T>& args;
    const Target& target;
    LassoShape shape;
    LassoLayout layout;
    bool finite = true;  // the atoms are
    T longest = 0;       // norm

    template <class U>
    U* at(size_t offset) const {
        return reinterpret_cast<U*>(static_cast<char*>(args.workspace) + offset);
    }

    // y = a phi', `stride` apart
    Status multiply_phi(const Operand<T>& a, T* y, int64_t stride, void* workspace, size_t bytes,
                        const Target& with) const {
        GemmArgs<T> g;
        g.a = a;
        g.b.dense.rows = shape.features;
        g.b.dense.cols = shape.atoms;
        g.packed_b = at<char>(layout.packed_phi);
        g.mean = {y, operand_rows(a), shape.atoms, stride, 1};
        g.workspace = workspace;
        g.workspace_bytes = bytes;
        return gemm_functions<T>().run(g, with);
    }

    Status make_gram() {
        const Matrix<const T>& phi = args.phi;
        Status status = gemm_functions<T>().pack_b(dense_operand(transposed(phi)),
                                                   at<char>(layout.packed_phi), target);
        if (status != Status::ok) return status;
        T* gram = at<T>(layout.gram);
        if (args.gram.data)
            copy_gram(gram);
        else
            status = multiply_phi(dense_operand(phi), gram, layout.ld, at<char>(layout.gram_gemm),
                                  layout.gram_gemm_bytes, target);
        for (int64_t j = 0; j < shape.atoms; ++j) {
            for (int64_t i = shape.atoms; i < layout.ld; ++i) gram[j * layout.ld + i] = T(0);
            note_square(gram[j * layout.ld + j]);
        }
        if constexpr (sizeof(T) == 8)
            if (status == Status::ok && narrows())
                status = narrow_call().prepare(phi, gram, is_pursuit(), target);
        return status;
    }

    NarrowCall narrow_call() const { return {layout, shape, static_cast<char*>(args.workspace)}; }

    // Whether float32 looks at signals first.
    bool narrows() const {
        constexpr T least = T(4e-6);  // gap that it reaches
        const bool joins =
            args.method == LassoMethod::automatic || args.method == LassoMethod::active_set;
        const bool reached = joins && !is_general() && args.tolerance >= least;
        return may_narrow<T> && (is_pursuit() || reached);
    }

    bool narrows(T energy) const {
        if (!narrows()) return false;
        return is_pursuit() ? in_narrow_range(energy, longest)
                            : suits_narrow(energy, longest, args.alpha, shape.features);
    }

    void note_square(T square) {
        finite = finite && is_finite(square);
        const T norm = T(__builtin_sqrt(square));
        longest = norm > longest ? norm : longest;
    }

    void copy_gram(T* gram) const {
        const Matrix<const T>& given = args.gram;
        for (int64_t j = 0; j < shape.atoms; ++j) {
            const T* row = given.data + j * given.row_stride;
            T* out = gram + j * layout.ld;
            if (given.col_stride == 1)
                __builtin_memcpy(out, row, static_cast<size_t>(shape.atoms) * sizeof(T));
            else
                for (int64_t i = 0; i < shape.atoms; ++i) out[i] = row[i * given.col_stride];
        }
    }

    LassoModel<T> model() const {
        return {.gram = at<const T>(layout.gram),
                .atoms = shape.atoms,
                .padded = layout.solver.padded,
                .ld = layout.ld,
                .capacity = layout.solver.capacity,
                .alpha = args.alpha,
                .tolerance = args.tolerance,
                .longest = longest,
                .unit = unit(),
                .nonnegative = args.nonnegative,
                .max_iterations = args.max_iterations};
    }

    // In float32 half the tolerance: the codes are rounded afterwards.
    LassoModel<double> residual_model() const {
        LassoModel<double> m{};
        m.atoms = shape.atoms;
        m.padded = layout.residual.padded;
        m.capacity = layout.residual.capacity;
        m.alpha = args.alpha;
        m.tolerance = (sizeof(T) == 4 ? 0.5 : 1.0) * args.tolerance;
        m.unit = unit();
        m.nonnegative = args.nonnegative;
        m.max_iterations = args.max_iterations;
        return m;
    }

    // What r_j is relative to where alpha = 0, as a share of what it could be.
    T unit() const {
        constexpr T least = sizeof(T) == 4 ? T(__FLT_EPSILON__) : T(__DBL_EPSILON__);
        return args.tolerance > least ? args.tolerance : least;
    }

    char* thread_memory(int thread) const {
        return at<char>(layout.threads + static_cast<size_t>(thread) * layout.thread_bytes);
    }

    bool is_pursuit() const { return args.method == LassoMethod::matching_pursuit; }

    bool is_general() const { return args.weights.data || args.ridge.data || args.alpha == T(0); }

    // Whether penalties and ridges differ from signal to signal.
    bool has_own_penalties() const {
        return args.weights.row_stride != 0 || args.ridge.row_stride != 0 ||
               (args.alpha == T(0) && !is_pursuit());
    }

    T gram_square(int64_t j) const { return at<const T>(layout.gram)[j * layout.ld + j]; }

    // Penalty and ridge of signal i. With alpha = 0 the scale makes r_j relative to what it could
    // be, in units of unit(); a pursuit compares r_j / ||phi_j||. square(j) is ||phi_j||^2.
    template <class U, class Square>
    void fill_penalties(const SolverLayout& l, char* memory, int64_t i, LassoSignal<U>& signal,
                        Square square) const {
        U* penalty = solver_vector<U>(l, memory, vector_penalty);
        U* inverse = solver_vector<U>(l, memory, vector_inverse_penalty);
        U* ridge = solver_vector<U>(l, memory, vector_ridge);
        const Matrix<const T>&w = args.weights, &q = args.ridge;
        const U scale = is_pursuit() ? U(1) : U(unit()) * U(unit()) * signal.energy;
        for (int64_t j = 0; j < l.padded; ++j) {
            const bool inside = j < shape.atoms;
            const T weight = w.data && inside ? w.data[i * w.row_stride + j * w.col_stride] : T(1);
            ridge[j] = q.data && inside ? q.data[i * q.row_stride + j * q.col_stride] : T(0);
            const bool barred = weight > max_finite<T>;
            penalty[j] = barred ? U(weight) : U(args.alpha) * U(weight);
            inverse[j] = U(1) / penalty[j];
            if (args.alpha != T(0) || barred) continue;
            const U most = inside ? (square(j) + ridge[j]) * scale : U(0);
            penalty[j] = U(0);
            inverse[j] = most > U(0) ? U(1) / __builtin_sqrt(most) : U(0);
        }
        set_penalties(l, memory, signal);
    }

    template <class U>
    void set_penalties(const SolverLayout& l, char* memory, LassoSignal<U>& signal) const {
        signal.penalty = solver_vector<U>(l, memory, vector_penalty);
        signal.inverse_penalty = solver_vector<U>(l, memory, vector_inverse_penalty);
        signal.ridge = solver_vector<U>(l, memory, vector_ridge);
    }

    // The start's non-zeros into the scratch; the gap becomes NaN where they are not finite.
    template <class U>
    void read_start(int64_t i, const LassoSignal<U>& signal, LassoScratch<U>& s) const {
        s.size = 0;
        if (!args.has_start) return;
        for_each_entry(args.start, i, [&](int64_t j, T value) {
            if (value == T(0) || (args.nonnegative && value < T(0))) return;
            if (signal.penalty && signal.penalty[j] > max_finite<U>) return;  // barred
            if (!is_finite(value)) s.gap = U(__builtin_nan(""));
            s.atom[s.size] = static_cast<int32_t>(j);
            s.code[s.size++] = value;
        });
    }

    // A signal in float64 over atoms of this width, its x zeros so far.
    ResidualSignal wide_signal(char* memory, const double* atoms, int64_t width) const {
        auto* x = reinterpret_cast<double*>(memory + layout.residual_vectors);
        for (int64_t k = 0; k < width; ++k) x[k] = 0;
        return {atoms, width, x, x + width, x + 2 * width};
    }

    static LassoSignal<double> with_energy(const ResidualSignal& own) {
        LassoSignal<double> signal{};
        for (int64_t k = 0; k < own.width; ++k) signal.energy += own.x[k] * own.x[k];
        return signal;
    }

    // From the codes in `wide`; s receives those that it ends with.
    void solve_wide(const ResidualSignal& own, const LassoSignal<double>& signal,
                    LassoScratch<double>& wide, bool descend, LassoScratch<T>& s) const {
        solve_residual(own, residual_model(), signal, wide, descend, sizeof(T) == 4);
        s.size = wide.size;
        for (int64_t e = 0; e < s.size; ++e)
            s.atom[e] = wide.atom[e], s.code[e] = static_cast<T>(wide.code[e]);
        s.gap = static_cast<T>(wide.gap);
    }

    // Signal i in float64 from the codes in s, which receives those that it ends with.
    void finish_wide(int64_t i, char* memory, LassoScratch<T>& s) const {
        const SolverLayout& l = layout.residual;
        const ResidualSignal own =
            wide_signal(memory, at<const double>(layout.atoms), layout.width);
        for_each_entry(args.x, i, [&](int64_t k, T value) { own.x[k] = value; });
        LassoSignal<double> signal = with_energy(own);
        fill_penalties(l, memory, i, signal, [&](int64_t j) { return gram_square(j); });
        LassoScratch<double> wide = solver_scratch<double>(l, memory);
        wide.size = 0;
        const bool worse = !(s.gap <= T(1));  // than no codes
        for (int64_t e = 0; e < s.size; ++e) {
            if (worse || s.code[e] == T(0)) continue;
            wide.atom[wide.size] = s.atom[e];
            wide.code[wide.size++] = s.code[e];
        }
        wide.iterations = s.iterations;
        solve_wide(own, signal, wide, false, s);
    }

    // Signal i over the features listed, into s.
    void solve_observed(int64_t i, char* memory, const int64_t* features, int64_t count,
                        LassoScratch<T>& s) const {
        const SolverLayout& l = layout.residual;
        auto* atoms = reinterpret_cast<double*>(memory + layout.observed_atoms);
        const ResidualSignal own = wide_signal(memory, atoms, round_up(count, lanes<double>));
        for (int64_t e = 0; e < count; ++e) own.x[e] = dense_entry(args.x, i, features[e]);
        LassoSignal<double> signal = with_energy(own);
        LassoScratch<double> wide = solver_scratch<double>(l, memory);
        wide.gap = finite && is_finite(static_cast<T>(signal.energy)) ? 0.0 : __builtin_nan("");
        s.gap = static_cast<T>(wide.gap);
        if (wide.gap != 0 || !(signal.energy > 0) || stop_requested()) return;
        copy_atoms(args.phi, l.padded, count, [&](int64_t e) { return features[e]; }, atoms);
        fill_penalties(l, memory, i, signal, [&](int64_t j) {
            double square = 0;
            for (int64_t k = 0; k < own.width; ++k)
                square += atoms[j * own.width + k] * atoms[j * own.width + k];
            return square;
        });
        wide.iterations = 0;
        read_start(i, signal, wide);
        s.gap = static_cast<T>(wide.gap);
        if (wide.gap == 0) solve_wide(own, signal, wide, descends_from(wide.size), s);
    }

    bool descends_from(int64_t active) const {
        return args.method == LassoMethod::coordinate_descent || active > most_active / 2;
    }

    // c of some signals of a block.
    T* correlate(const LassoBlock<T>& block, int64_t row, int64_t rows) const {
        const int64_t stride = block.model.padded;
        T* c = reinterpret_cast<T*>(block.memory + layout.correlations) + row * stride;
        multiply_phi(row_range(args.x, block.first + row, rows), c, stride, block.memory,
                     layout.gemm_bytes, one_thread(target));
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = shape.atoms; j < stride; ++j) c[r * stride + j] = T(0);
        return c;
    }

    // c of all signals of a block, in the precision in which each looks at it.
    void correlate(LassoBlock<T>& block) const {
        bool narrow = false, wide = false;
        for (int64_t r = 0; r < block.rows; ++r) {
            const T energy = block.energy[r] = energy_of(args.x, block.first + r);
            (narrows(energy) ? narrow : wide) |= energy > T(0);
        }
        if (wide) correlate(block, 0, block.rows);
        if constexpr (sizeof(T) == 8) {
            if (!narrow) return;
            const NarrowCall call = narrow_call();
            call.correlate(row_range(args.x, block.first, block.rows), block.memory, target);
            block.narrow = call.model(block.model);
            block.narrow_scratch = solver_scratch<float>(layout.narrow.solver, block.memory);
        }
    }

    // The signal as `solve` takes it, in float32 and in residual form.
    template <class Solve>
    void see_narrow(LassoBlock<T>& block, int64_t row, const LassoSignal<T>& signal,
                    Solve solve) const {
        if constexpr (sizeof(T) == 8) {
            const ResidualSignal own =
                wide_signal(block.memory, at<const double>(layout.atoms), layout.width);
            for_each_entry(args.x, block.first + row,
                           [&](int64_t k, T value) { own.x[k] = value; });
            LassoSignal<float> seen{};
            seen.c = narrow_call().correlations_of(row, block.memory);
            seen.energy = static_cast<float>(signal.energy);
            const NarrowSignal narrow = {block.narrow, seen, block.narrow_scratch,
                                         at<const double>(layout.narrow.norms), shape.features};
            solve(narrow, own, block.model, signal, block.scratch);
        }
    }

    void pursue(LassoBlock<T>& block, int64_t row, const LassoSignal<T>& signal) const {
        if (!narrows(signal.energy))
            return solve_matching_pursuit(block.model, signal, block.scratch);
        see_narrow(block, row, signal, [](auto&... problem) { solve_narrow_pursuit(problem...); });
    }

    // In float32, from the codes in the float64 scratch, which receives those that it ends with.
    // Whether no more is to be done.
    bool solve_narrow(LassoBlock<T>& block, int64_t row, const LassoSignal<T>& signal) const {
        bool done = false;
        see_narrow(block, row, signal, [&](auto& narrow, auto& own, auto& m, auto& of, auto& s) {
            LassoScratch<float>& n = narrow.scratch;
            n.iterations = s.iterations;
            n.size = s.size;
            for (int64_t e = 0; e < n.size; ++e)
                n.atom[e] = s.atom[e], n.code[e] = static_cast<float>(s.code[e]);
            if (solve_active_set(narrow.model, narrow.signal, n) == Outcome::unable) return;
            certify_narrow(narrow, own, m, of, s);
            done = s.gap <= args.tolerance || s.iterations >= args.max_iterations;
        });
        return done;
    }

    void solve(LassoBlock<T>& block, int64_t row, const LassoSignal<T>& signal) const {
        const LassoModel<T>& m = block.model;
        LassoScratch<T>& s = block.scratch;
        if (is_pursuit()) return pursue(block, row, signal);
        const bool descend = descends_from(s.size), narrow = narrows(signal.energy);
        if (narrow && !descend && solve_narrow(block, row, signal)) return;
        if (narrow) correlate(block, row, 1);
        const Outcome outcome = descend ? Outcome::unable : solve_active_set(m, signal, s);
        if (outcome == Outcome::ended) return;
        // float32 leaves what its rounding stops to float64, and only a crowd of active atoms to
        // coordinate descent.
        const bool crowd = descend || s.size >= m.capacity;
        if (crowd || sizeof(T) == 8) solve_coordinate_descent(m, signal, s);
        const bool given_up = is_done(m, signal, s) || s.iterations >= m.max_iterations;
        if (sizeof(T) == 4 && !given_up) finish_wide(block.first + row, block.memory, s);
    }

    // The codes of signal i, which lie in any order in the scratch, at `indices` and `values` with
    // columns ascending, or into the dense row; how many are not zero.
    int64_t write(int64_t i, const LassoScratch<T>& s, int32_t* indices, T* values) const {
        if (args.codes.data) {
            T* row = args.codes.data + i * args.codes.row_stride;
            const int64_t stride = args.codes.col_stride;
            for (int64_t j = 0; j < shape.atoms; ++j) row[j * stride] = T(0);
            for (int64_t k = 0; k < s.size; ++k) row[s.atom[k] * stride] = s.code[k];
            return s.size;
        }
        return write_sorted(s, indices, values);
    }

    // Codes and gap of a signal of the block into the scratch.
    void code(LassoBlock<T>& block, int64_t row) const {
        const int64_t i = block.first + row;
        const LassoModel<T>& m = block.model;
        LassoScratch<T>& s = block.scratch;
        char* memory = block.memory;
        s.size = s.iterations = 0;
        if (shape.missing) {
            auto* features = reinterpret_cast<int64_t*>(memory + layout.observed);
            const int64_t count = list_observed(args, i, features);
            if (count < shape.features) return solve_observed(i, memory, features, count, s);
        }
        LassoSignal<T> signal{};
        signal.c = reinterpret_cast<const T*>(memory + layout.correlations) + row * m.padded;
        signal.energy = block.energy[row];
        s.gap = finite && is_finite(signal.energy) ? T(0) : T(__builtin_nan(""));
        if (s.gap != T(0) || !(signal.energy > T(0))) return;
        if (is_general()) {
            if (!block.has_penalties || has_own_penalties())
                fill_penalties(layout.solver, memory, i, signal,
                               [&](int64_t j) { return gram_square(j); });
            set_penalties(layout.solver, memory, signal);
            block.has_penalties = true;
        }
        read_start(i, signal, s);
        if (s.gap == T(0)) solve(block, row, signal);
    }

    void task(int64_t index, int thread) const {
        LassoBlock<T> block{};
        block.first = index * task_signals;
        block.rows = min_of(task_signals, shape.signals - block.first);
        block.memory = thread_memory(thread);
        block.model = model();
        block.scratch = solver_scratch<T>(layout.solver, block.memory);
        correlate(block);
        const LassoScratch<T>& s = block.scratch;
        const int64_t slab = index * task_signals * shape.atoms;
        int32_t* indices = at<int32_t>(layout.slab_indices) + slab;
        T* values = at<T>(layout.slab_values) + slab;
        for (int64_t r = 0; r < block.rows; ++r) {
            const int64_t i = block.first + r;
            code(block, r);
            const int64_t count = write(i, s, indices, values);
            if (!args.codes.data) args.counts.data[i * args.counts.stride] = count;
            args.gap.data[i * args.gap.stride] = s.gap;
            indices += count;
            values += count;
        }
    }

    Status run() {
        if (may_finish_wide<T>(shape) || narrows())
            copy_atoms(
                args.phi, layout.atom_rows, shape.features, [](int64_t k) { return k; },
                at<double>(layout.atoms));
        const Status status = make_gram();
        if (status != Status::ok) return status;
        const double flops = static_cast<double>(task_signals * shape.atoms) *
                             static_cast<double>(2 * shape.features + 100);
        return parallel(target, ceil_div(shape.signals, task_signals), flops,
                        [&](int64_t index, int thread) { task(index, thread); });
    }
};

template <class T>
static Status run(const LassoArgs<T>& args, const Target& target) {
    const LassoShape shape{operand_rows(args.x), args.phi.cols,
                           args.phi.rows,        args.codes.data == nullptr,
                           args.max_active,      args.nan_missing || args.missing.data != nullptr};
    return LassoRun<T>{args, target, shape, lasso_layout<T>(shape, target)}.run();
}

template <class T>
static Status compact(const LassoCompactArgs<T>& args, const Target& target) {
    const int64_t signals = args.indptr.size - 1, tasks = ceil_div(signals, task_signals);
    Taker taker;
    const Slabs slabs = take_slabs<T>(taker, {signals, 0, args.atoms, true, 0});
    const auto* memory = static_cast<const char*>(args.workspace);
    const auto* indices = reinterpret_cast<const int32_t*>(memory + slabs.indices);
    const auto* values = reinterpret_cast<const T*>(memory + slabs.values);
    const auto ends = [&](int64_t i) { return args.indptr.data[i * args.indptr.stride]; };
    return parallel(target, tasks, 1000, [&](int64_t t, int) {
        const int64_t begin = ends(t * task_signals);
        const auto count =
            static_cast<size_t>(ends(min_of((t + 1) * task_signals, signals)) - begin);
        const int64_t slab = t * task_signals * args.atoms;
        __builtin_memcpy(args.indices.data + begin, indices + slab, count * sizeof(int32_t));
        __builtin_memcpy(args.values.data + begin, values + slab, count * sizeof(T));
    });
}

template <class T>
static size_t slab_bytes(const LassoShape& shape) {
    Taker taker;
    take_slabs<T>(taker, shape);
    return taker.at;
}

template <class T>
static size_t workspace(const LassoShape& shape, const Target& target) {
    return lasso_layout<T>(shape, target).total;
}

template <class T>
static constexpr LassoFunctions<T> lasso_functions = {run<T>, compact<T>, workspace<T>,
                                                      slab_bytes<T>};

const LassoKernels& lasso_kernels() {
    static constexpr LassoKernels kernels = {lasso_functions<float>, lasso_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
