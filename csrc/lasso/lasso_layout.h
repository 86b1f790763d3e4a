// Where the parts of a call's workspace lie. Include from *_cpu.cpp files only.
#pragma once

#include "gemm/gemm_call.h"
#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t task_signals = 64;
constexpr int64_t most_active = 256;
constexpr int64_t most_active_residual = 1024;

struct Taker {
    size_t at = 0;
};
LW_INLINE size_t take(Taker& taker, int64_t elements, size_t size) {
    const size_t start = taker.at;
    taker.at += (static_cast<size_t>(elements) * size + 63) / 64 * 64;
    return start;
}

// Offsets of the slabs, which every task has its part of.
struct Slabs {
    size_t indices, values;
};
template <class T>
LW_INLINE Slabs take_slabs(Taker& taker, const LassoShape& shape) {
    const int64_t elements = round_up(shape.signals, task_signals) * shape.atoms;
    Slabs slabs{};
    slabs.indices = take(taker, elements, sizeof(int32_t));
    slabs.values = take(taker, elements, sizeof(T));
    return slabs;
}

// Vectors of `padded` elements that a method works on.
enum SolverVector {
    vector_r,
    vector_dense,
    vector_peaks,
    vector_sign,
    vector_gradient,
    vector_row,
    vector_step,
    vector_column,
    vector_code,
    vector_penalty,
    vector_inverse_penalty,
    vector_ridge,
    vector_count
};

// What a method works in, at T, from `at` on in a thread's memory.
struct SolverLayout {
    int64_t padded, capacity, inverse_ld;
    size_t inverse, vectors, vector_bytes, atoms;
};

template <class T>
LW_INLINE SolverLayout take_solver(Taker& own, int64_t atoms, int64_t capacity) {
    const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    SolverLayout l{};
    l.padded = round_up(max_of(atoms, 1), block_width<T>);
    l.capacity = capacity;
    l.inverse_ld = round_up(capacity + 1, line) + line;
    l.inverse = take(own, capacity * l.inverse_ld, sizeof(T));
    l.vector_bytes = (static_cast<size_t>(l.padded + line) * sizeof(T) + 63) / 64 * 64;
    l.vectors = take(own, vector_count, l.vector_bytes);
    l.atoms = take(own, l.padded, sizeof(int32_t));
    return l;
}

template <class T>
LW_INLINE T* solver_vector(const SolverLayout& l, char* memory, SolverVector which) {
    return reinterpret_cast<T*>(memory + l.vectors + static_cast<size_t>(which) * l.vector_bytes);
}

template <class T>
LW_INLINE LassoScratch<T> solver_scratch(const SolverLayout& l, char* memory) {
    LassoScratch<T> s{};
    s.r = solver_vector<T>(l, memory, vector_r);
    s.dense = solver_vector<T>(l, memory, vector_dense);
    s.peaks = solver_vector<T>(l, memory, vector_peaks);
    s.inverse = reinterpret_cast<T*>(memory + l.inverse);
    s.inverse_ld = l.inverse_ld;
    s.sign = solver_vector<T>(l, memory, vector_sign);
    s.gradient = solver_vector<T>(l, memory, vector_gradient);
    s.row = solver_vector<T>(l, memory, vector_row);
    s.step = solver_vector<T>(l, memory, vector_step);
    s.column = solver_vector<T>(l, memory, vector_column);
    s.code = solver_vector<T>(l, memory, vector_code);
    s.atom = reinterpret_cast<int32_t*>(memory + l.atoms);
    for (int64_t j = 0; j < l.padded; ++j) s.dense[j] = T(0), s.atom[j] = 0;
    return s;
}

// What the narrow form needs: of a call, and of one thread from x on.
struct NarrowLayout {
    int64_t ld;
    size_t norms, scale, packed_phi, gram;
    size_t phi, phi_bytes;  // shares its place with the threads' scratch
    size_t x, indptr, correlations;
    SolverLayout solver;
};

// The slabs come first: compact() finds them without knowing the rest.
struct LassoLayout {
    int64_t ld;
    size_t slab_indices, slab_values;  // of all tasks
    size_t packed_phi, gram, gram_gemm, gram_gemm_bytes;
    int64_t width;  // of an atom in float64
    int64_t atom_rows;
    size_t atoms;                  // (atom_rows, width) of the residual form
    size_t threads, thread_bytes;  // scratch of the threads, which shares its place with gram_gemm
    // Of one thread:
    size_t gemm_bytes, correlations;
    SolverLayout solver, residual;
    size_t residual_vectors;  // x, its residual, correlations
    NarrowLayout narrow;
    size_t observed;        // features of a signal with missing entries, and
    size_t observed_atoms;  // (padded, width or less): the atoms there
    size_t total;
};

LW_INLINE Target one_thread(const Target& target) {
    Target alone = target;
    alone.num_threads = 1;
    alone.poll = nullptr;
    return alone;
}

// Whether a call may finish signals in float64.
template <class T>
LW_INLINE bool may_finish_wide(const LassoShape& shape) {
    return sizeof(T) == 4 && shape.max_active == 0;
}

// Whether calls may look at signals in float32.
template <class T>
constexpr bool may_narrow = sizeof(T) == 8;

LW_INLINE size_t larger(size_t a, size_t b) { return a > b ? a : b; }

template <class T>
static LassoLayout lasso_layout(const LassoShape& shape, const Target& target) {
    LassoLayout l{};
    const GemmFunctions<T>& gemm = gemm_functions<T>();
    const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    const bool wide = may_finish_wide<T>(shape), narrow = may_narrow<T>;
    const int64_t padded = round_up(max_of(shape.atoms, 1), block_width<T>);
    const int64_t rows = l.atom_rows = round_up(max_of(shape.atoms, 1), block_width<double>);
    l.ld = padded + line;
    Taker taker;
    if (shape.slabs) {
        const Slabs slabs = take_slabs<T>(taker, shape);
        l.slab_indices = slabs.indices;
        l.slab_values = slabs.values;
    }
    l.width = round_up(shape.features, lanes<double>);
    if (wide || narrow) l.atoms = take(taker, rows * l.width, sizeof(double));
    const auto packed =
        static_cast<int64_t>(gemm.packed_b_bytes(shape.features, shape.atoms, Storage::full));
    l.packed_phi = take(taker, packed, 1);
    l.gram = take(taker, shape.atoms * l.ld, sizeof(T));
    l.gram_gemm_bytes = gemm.workspace({shape.atoms, shape.atoms, shape.features, 0, true}, target);
    const int64_t narrow_padded = round_up(max_of(shape.atoms, 1), block_width<float>);
    if (narrow) {
        const auto bytes =
            gemm_functions<float>().packed_b_bytes(shape.features, shape.atoms, Storage::full);
        l.narrow.ld = narrow_padded + 16;
        l.narrow.norms = take(taker, shape.atoms, sizeof(double));
        l.narrow.scale = take(taker, shape.atoms, sizeof(double));
        l.narrow.packed_phi = take(taker, static_cast<int64_t>(bytes), 1);
        l.narrow.gram = take(taker, shape.atoms * l.narrow.ld, sizeof(float));
        l.narrow.phi_bytes = static_cast<size_t>(shape.atoms * shape.features) * sizeof(float);
    }
    l.threads = l.gram_gemm = l.narrow.phi = taker.at;
    Taker own;
    const GemmShape block = {task_signals, shape.atoms, shape.features, 0, true};
    l.gemm_bytes = gemm.workspace(block, one_thread(target));
    if (narrow)
        l.gemm_bytes =
            larger(l.gemm_bytes, gemm_functions<float>().workspace(block, one_thread(target)));
    take(own, static_cast<int64_t>(l.gemm_bytes), 1);
    l.correlations = take(own, task_signals * padded, sizeof(T));
    const int64_t active =
        shape.max_active > 0 ? shape.max_active : min_of(shape.atoms, most_active);
    l.solver = take_solver<T>(own, shape.atoms, active);
    if (wide || shape.missing) {
        const int64_t most = min_of(max_of(shape.features, most_active), most_active_residual);
        l.residual = take_solver<double>(own, shape.atoms, min_of(shape.atoms, most));
    }
    if (wide || narrow || shape.missing)
        l.residual_vectors = take(own, 2 * l.width + rows, sizeof(double));
    if (narrow) {
        l.narrow.solver = take_solver<float>(own, shape.atoms, active);
        l.narrow.x = take(own, task_signals * shape.features, sizeof(float));
        l.narrow.indptr = take(own, task_signals + 1, sizeof(int64_t));
        l.narrow.correlations = take(own, task_signals * narrow_padded, sizeof(float));
    }
    if (shape.missing) {
        l.observed = take(own, shape.features, sizeof(int64_t));
        l.observed_atoms = take(own, rows * l.width, sizeof(double));
    }
    l.thread_bytes = own.at;
    const size_t all_threads = static_cast<size_t>(target.num_threads) * l.thread_bytes;
    l.total = taker.at + larger(all_threads, larger(l.gram_gemm_bytes, l.narrow.phi_bytes));
    return l;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
