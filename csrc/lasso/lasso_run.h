// One call: its arguments, and what is made once for all signals. Include from *_cpu.cpp files
// only.
#pragma once

#include "lasso/lasso.h"
#include "lasso/lasso_input.h"
#include "lasso/lasso_layout.h"
#include "lasso/lasso_narrow_call.h"

namespace layerwise::LW_ISA_NAMESPACE {

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
        Status status = gemm_functions<T>().pack_b(dense_operand(transposed(phi)), Storage::full,
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

    Status prepare() {
        if (may_finish_wide<T>(shape) || narrows())
            copy_atoms(
                args.phi, layout.atom_rows, shape.features, [](int64_t k) { return k; },
                at<double>(layout.atoms));
        return make_gram();
    }

    bool descends_from(int64_t active) const {
        return args.method == LassoMethod::coordinate_descent || active > most_active / 2;
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
