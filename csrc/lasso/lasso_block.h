// A block of signals and the thread that codes it: correlations, method, output. Include from
// *_cpu.cpp files only.
#pragma once

#include "core/parallel.h"
#include "lasso/lasso_output.h"
#include "lasso/lasso_run.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A row is counted from the block's first signal.
template <class T>
struct LassoBlock {
    const LassoRun<T>& run;
    int64_t first, rows;
    char* memory;
    LassoModel<T> model;
    LassoScratch<T> scratch;
    LassoModel<float> narrow_model{};
    LassoScratch<float> narrow_scratch{};
    T energy[task_signals] = {};
    bool narrows[task_signals] = {};  // whether float32 looks at the signal first
    bool has_penalties = false;       // in the memory, of all signals

    double* wide_vectors() const {
        return reinterpret_cast<double*>(memory + run.layout.residual_vectors);
    }

    // x over atoms of this width.
    ResidualSignal wide_signal(const double* atoms, int64_t width, const double* x) const {
        double* vectors = wide_vectors();
        return {atoms, width, x, vectors + width, vectors + 2 * width};
    }

    // Over all features; in place where x is of whole vectors.
    ResidualSignal wide_signal(int64_t row) const {
        const Operand<T>& x = run.args.x;
        const auto* atoms = run.template at<const double>(run.layout.atoms);
        const int64_t width = run.layout.width;
        if constexpr (sizeof(T) == 8)
            if (x.encoding == Encoding::dense && x.dense.col_stride == 1 && x.dense.cols == width)
                return wide_signal(atoms, width, x.dense.data + (first + row) * x.dense.row_stride);
        double* values = wide_vectors();
        for (int64_t k = 0; k < width; ++k) values[k] = 0;
        for_each_entry(x, first + row, [&](int64_t k, T value) { values[k] = value; });
        return wide_signal(atoms, width, values);
    }

    static LassoSignal<double> with_energy(const ResidualSignal& own) {
        LassoSignal<double> signal{};
        for (int64_t k = 0; k < own.width; ++k) signal.energy += own.x[k] * own.x[k];
        return signal;
    }

    // From the codes in `wide`; the scratch receives those that it ends with.
    void solve_wide(const ResidualSignal& own, const LassoSignal<double>& signal,
                    LassoScratch<double>& wide, bool descend) {
        LassoScratch<T>& s = scratch;
        solve_residual(own, run.residual_model(), signal, wide, descend, sizeof(T) == 4);
        s.size = wide.size;
        for (int64_t e = 0; e < s.size; ++e)
            s.atom[e] = wide.atom[e], s.code[e] = static_cast<T>(wide.code[e]);
        s.gap = static_cast<T>(wide.gap);
    }

    // In float64 from the codes in the scratch, which receives those that it ends with.
    void finish_wide(int64_t row) {
        const SolverLayout& l = run.layout.residual;
        const ResidualSignal own = wide_signal(row);
        LassoScratch<T>& s = scratch;
        LassoSignal<double> signal = with_energy(own);
        run.fill_penalties(l, memory, first + row, signal,
                           [&](int64_t j) { return run.gram_square(j); });
        LassoScratch<double> wide = solver_scratch<double>(l, memory);
        wide.size = 0;
        const bool worse = !(s.gap <= T(1));  // than no codes
        for (int64_t e = 0; e < s.size; ++e) {
            if (worse || s.code[e] == T(0)) continue;
            wide.atom[wide.size] = s.atom[e];
            wide.code[wide.size++] = s.code[e];
        }
        wide.iterations = s.iterations;
        solve_wide(own, signal, wide, false);
    }

    // Over the features listed.
    void solve_observed(int64_t row, const int64_t* features, int64_t count) {
        const int64_t i = first + row;
        const SolverLayout& l = run.layout.residual;
        LassoScratch<T>& s = scratch;
        auto* atoms = reinterpret_cast<double*>(memory + run.layout.observed_atoms);
        const int64_t width = round_up(count, lanes<double>);
        double* values = wide_vectors();
        for (int64_t e = 0; e < width; ++e)
            values[e] = e < count ? dense_entry(run.args.x, i, features[e]) : T(0);
        const ResidualSignal own = wide_signal(atoms, width, values);
        LassoSignal<double> signal = with_energy(own);
        LassoScratch<double> wide = solver_scratch<double>(l, memory);
        wide.gap = run.finite && is_finite(static_cast<T>(signal.energy)) ? 0.0 : __builtin_nan("");
        s.gap = static_cast<T>(wide.gap);
        if (wide.gap != 0 || !(signal.energy > 0) || stop_requested()) return;
        copy_atoms(run.args.phi, l.padded, count, [&](int64_t e) { return features[e]; }, atoms);
        run.fill_penalties(l, memory, i, signal, [&](int64_t j) {
            double square = 0;
            for (int64_t k = 0; k < own.width; ++k)
                square += atoms[j * own.width + k] * atoms[j * own.width + k];
            return square;
        });
        wide.iterations = 0;
        run.read_start(i, signal, wide);
        s.gap = static_cast<T>(wide.gap);
        if (wide.gap == 0) solve_wide(own, signal, wide, run.descends_from(wide.size));
    }

    // c of some signals of the block.
    void correlate(int64_t row, int64_t count) const {
        const int64_t stride = model.padded;
        T* c = reinterpret_cast<T*>(memory + run.layout.correlations) + row * stride;
        run.multiply_phi(row_range(run.args.x, first + row, count), c, stride, memory,
                         run.layout.gemm_bytes, one_thread(run.target));
        for (int64_t r = 0; r < count; ++r)
            for (int64_t j = run.shape.atoms; j < stride; ++j) c[r * stride + j] = T(0);
    }

    // c of all signals, in the precision in which each looks at it.
    void correlate() {
        bool narrow = false, wide = false;
        for (int64_t r = 0; r < rows; ++r) {
            energy[r] = energy_of(run.args.x, first + r);
            narrows[r] = run.narrows(energy[r]);
            (narrows[r] ? narrow : wide) |= energy[r] > T(0);
        }
        if (wide) correlate(0, rows);
        if constexpr (sizeof(T) == 8) {
            if (!narrow) return;
            const NarrowCall call = run.narrow_call();
            call.correlate(row_range(run.args.x, first, rows), memory, run.target);
            narrow_model = call.model(model);
            narrow_scratch = solver_scratch<float>(run.layout.narrow.solver, memory);
        }
    }

    // The signal as `solve_both` takes it, in float32 and in residual form.
    template <class Solve>
    void see_narrow(int64_t row, const LassoSignal<T>& signal, Solve solve_both) {
        if constexpr (sizeof(T) == 8) {
            const ResidualSignal own = wide_signal(row);
            LassoSignal<float> seen{};
            seen.c = run.narrow_call().correlations_of(row, memory);
            seen.energy = static_cast<float>(signal.energy);
            const auto* norms = run.template at<const double>(run.layout.narrow.norms);
            const NarrowSignal narrow = {narrow_model, seen, narrow_scratch, norms,
                                         run.shape.features};
            solve_both(narrow, own, model, signal, scratch);
        }
    }

    void pursue(int64_t row, const LassoSignal<T>& signal) {
        if (!narrows[row]) return solve_matching_pursuit(model, signal, scratch);
        see_narrow(row, signal, [](auto&... problem) { solve_narrow_pursuit(problem...); });
    }

    // In float32, from the codes in the float64 scratch, which receives those that it ends with.
    // Whether no more is to be done.
    bool solve_narrow(int64_t row, const LassoSignal<T>& signal) {
        bool done = false;
        see_narrow(row, signal, [&](auto& narrow, auto& own, auto& m, auto& of, auto& s) {
            LassoScratch<float>& n = narrow.scratch;
            n.iterations = s.iterations;
            n.size = s.size;
            for (int64_t e = 0; e < n.size; ++e)
                n.atom[e] = s.atom[e], n.code[e] = static_cast<float>(s.code[e]);
            if (solve_active_set(narrow.model, narrow.signal, n) == Outcome::unable) return;
            certify_narrow(narrow, own, m, of, s);
            done = s.gap <= run.args.tolerance || s.iterations >= run.args.max_iterations;
        });
        return done;
    }

    void solve(int64_t row, const LassoSignal<T>& signal) {
        LassoScratch<T>& s = scratch;
        if (run.is_pursuit()) return pursue(row, signal);
        const bool descend = run.descends_from(s.size), narrow = narrows[row];
        if (narrow && !descend && solve_narrow(row, signal)) return;
        if (narrow) correlate(row, 1);
        const Outcome outcome = descend ? Outcome::unable : solve_active_set(model, signal, s);
        if (outcome == Outcome::ended) return;
        // float32 leaves what its rounding stops to float64, and only a crowd of active atoms to
        // coordinate descent.
        const bool crowd = descend || s.size >= model.capacity;
        if (crowd || sizeof(T) == 8) solve_coordinate_descent(model, signal, s);
        const bool given_up = is_done(model, signal, s) || s.iterations >= model.max_iterations;
        if (sizeof(T) == 4 && !given_up) finish_wide(row);
    }

    // The codes in the scratch, which lie in any order, at `indices` and `values` with columns
    // ascending, or into the dense row; how many are not zero.
    int64_t write(int64_t row, int32_t* indices, T* values) const {
        const Matrix<T>& codes = run.args.codes;
        const LassoScratch<T>& s = scratch;
        if (!codes.data) return write_sorted(s, indices, values);
        T* out = codes.data + (first + row) * codes.row_stride;
        for (int64_t j = 0; j < run.shape.atoms; ++j) out[j * codes.col_stride] = T(0);
        for (int64_t k = 0; k < s.size; ++k) out[s.atom[k] * codes.col_stride] = s.code[k];
        return s.size;
    }

    // Codes and gap of a signal into the scratch.
    void code(int64_t row) {
        const int64_t i = first + row;
        LassoScratch<T>& s = scratch;
        s.size = s.iterations = 0;
        if (run.shape.missing) {
            auto* features = reinterpret_cast<int64_t*>(memory + run.layout.observed);
            const int64_t count = list_observed(run.args, i, features);
            if (count < run.shape.features) return solve_observed(row, features, count);
        }
        LassoSignal<T> signal{};
        signal.c =
            reinterpret_cast<const T*>(memory + run.layout.correlations) + row * model.padded;
        signal.energy = energy[row];
        s.gap = run.finite && is_finite(signal.energy) ? T(0) : T(__builtin_nan(""));
        if (s.gap != T(0) || !(signal.energy > T(0))) return;
        if (run.is_general()) {
            if (!has_penalties || run.has_own_penalties())
                run.fill_penalties(run.layout.solver, memory, i, signal,
                                   [&](int64_t j) { return run.gram_square(j); });
            run.set_penalties(run.layout.solver, memory, signal);
            has_penalties = true;
        }
        run.read_start(i, signal, s);
        if (s.gap == T(0)) solve(row, signal);
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
