// Free energy and pseudo-likelihood on any device. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#include "core/simd_math.h"
#include "gemm/gemm_call.h"
#include "gibbs/gibbs.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Hidden pre-activations of a chunk: a few MB, enough for all threads; a GPU has more of them.
#ifdef __CUDACC__
constexpr int64_t energy_chunk_cells = int64_t(1) << 24;
#else
constexpr int64_t energy_chunk_cells = int64_t(1) << 19;
#endif

LW_INLINE int64_t energy_chunk_rows(int64_t batch, int64_t hidden) {
    return max_of(min_of(batch, energy_chunk_cells / max_of(hidden, 1)), 64);
}

// f(a + v w') for some rows, (rows, F) with row stride F.
template <class T>
static Status hidden_inputs(const Operand<T>& v, const Matrix<const T>& w, const Vector<const T>& a,
                            Activation f, T* out, void* workspace, size_t bytes,
                            const Target& target) {
    GemmArgs<T> g;
    g.a = v;
    g.b.dense = {w.data, w.cols, w.rows, w.col_stride, w.row_stride};
    g.epilogue.bias = a;
    g.epilogue.activation = f;
    g.mean = {out, operand_rows(v), w.rows, w.rows, 1};
    g.workspace = workspace;
    g.workspace_bytes = bytes;
    return gemm_functions<T>().run(g, target);
}

// --- free energy

// Of the device's own file: out_r -= sum_j units_rj; units (rows, hidden) without gaps.
template <class T>
static Status subtract_row_sums(const T* units, int64_t hidden, const Vector<T>& out,
                                const Target& target);

struct EnergyLayout {
    int64_t chunk;
    size_t hidden, gemm_bytes, total;  // hidden: bytes of the chunk's hidden units
};

template <class T>
static EnergyLayout energy_layout(const GibbsShape& s, const Target& target) {
    EnergyLayout l{};
    l.chunk = energy_chunk_rows(s.batch, s.hidden);
    l.hidden =
        static_cast<size_t>(round_up(l.chunk * s.hidden * static_cast<int64_t>(sizeof(T)), 64));
    l.gemm_bytes = gemm_functions<T>().workspace({l.chunk, s.hidden, s.visible, 0, false}, target);
    const size_t bias = gemm_functions<T>().workspace({s.batch, 1, s.visible, 0, false}, target);
    if (bias > l.gemm_bytes) l.gemm_bytes = bias;
    l.total = l.hidden + l.gemm_bytes;
    return l;
}

template <class T>
static Status free_energy(const FreeEnergyArgs<T>& args, const Target& target) {
    const int64_t batch = operand_rows(args.v), hidden = args.w.rows;
    const EnergyLayout layout = energy_layout<T>({batch, 0, args.w.cols, hidden}, target);
    T* units = static_cast<T*>(args.workspace);
    void* gemm_memory = static_cast<char*>(args.workspace) + layout.hidden;
    GemmArgs<T> visible;  // out = -v'b
    visible.a = args.v;
    visible.b.dense = {args.b.data, args.w.cols, 1, args.b.stride, 1};
    visible.epilogue.alpha = T(-1);
    visible.mean = {args.out.data, batch, 1, args.out.stride, 1};
    visible.workspace = gemm_memory;
    visible.workspace_bytes = layout.gemm_bytes;
    Status status = gemm_functions<T>().run(visible, target);
    for (int64_t i = 0; i < batch && status == Status::ok; i += layout.chunk) {
        const int64_t rows = min_of(layout.chunk, batch - i);
        status = hidden_inputs(row_range(args.v, i, rows), args.w, args.a, Activation::softplus,
                               units, gemm_memory, layout.gemm_bytes, target);
        if (status != Status::ok) return status;
        const Vector<T> out = {args.out.data + i * args.out.stride, rows, args.out.stride};
        status = subtract_row_sums(units, hidden, out, target);
    }
    return status;
}

template <class T>
static size_t free_energy_workspace(const GibbsShape& s, const Target& target) {
    return energy_layout<T>(s, target).total;
}

// --- pseudo-likelihood
//
// With x_j = a_j + sum_i W_ji v_i and d = 1 - 2 v_i the change that flips unit i,
//   F(v flipped) - F(v) = -b_i d - sum_j [softplus(x_j + d W_ji) - softplus(x_j)]
//   softplus(x + t) - softplus(x) = log(1 + sigm(x) (e^t - 1)),
// so for d = +-1 the sum over j is the log of a product of factors 1 + s_j E_ji, E = e^(+-W) - 1
// made once for all rows: two operations a weight in place of two softplus.

constexpr double pseudo_max_weight = 40;  // beyond it the factors could overflow: take softplus

template <class T>
struct PseudoTables {
    T* up;       // (D,F) e^W - 1, for d = 1
    T* down;     // (D,F) e^-W - 1, for d = -1
    T* weights;  // (D,F) W'
    T* largest;  // (D,) max_j |W_ji|
};

template <class T>
LW_INLINE Vec<T> expm1(Vec<T> x) {
    const Vec<T> negative = expm1_negative<T>(-absolute<T>(x));  // e^-|x| - 1
    return select<T>(x > T(0), -negative / (negative + T(1)), negative);
}

// How many factors of unit i may be multiplied before a logarithm is taken: each lies in
// [e^-largest, e^largest], and the product stays within e^80.
template <class T>
LW_INLINE int64_t factors_a_log(T largest) {
    return max_of(min_of(64, static_cast<int64_t>(80 / (largest + T(0.01)))), 1);
}

// Of the device's own file: fills the tables; and the results for the rows of a chunk, x being its
// hidden inputs and s room for their sigmoids.
template <class T>
static Status make_tables(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Target& target);
template <class T>
static Status pseudo_rows(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Operand<T>& v, const T* x, T* s, const Vector<T>& out,
                          const Target& target);

struct PseudoLayout {
    EnergyLayout energy;
    size_t sigmoids, tables, largest, total;  // tables: bytes of one
};

template <class T>
static PseudoLayout pseudo_layout(const GibbsShape& s, const Target& target) {
    PseudoLayout l{};
    l.energy = energy_layout<T>(s, target);
    l.sigmoids = l.energy.hidden;
    const auto size = static_cast<int64_t>(sizeof(T));
    l.tables = static_cast<size_t>(round_up(s.visible * s.hidden * size, 64));
    l.largest = static_cast<size_t>(round_up(s.visible * size, 64));
    l.total = l.energy.total + l.sigmoids + 3 * l.tables + l.largest;
    return l;
}

template <class T>
static Status pseudo_likelihood(const PseudoLikelihoodArgs<T>& args, const Target& target) {
    const int64_t batch = operand_rows(args.v), hidden = args.w.rows, visible = args.w.cols;
    const PseudoLayout l = pseudo_layout<T>({batch, 0, visible, hidden}, target);
    char* at = static_cast<char*>(args.workspace);
    T* x = reinterpret_cast<T*>(at);
    T* s = reinterpret_cast<T*>(at += l.energy.hidden);
    PseudoTables<T> tables;
    tables.up = reinterpret_cast<T*>(at += l.sigmoids);
    tables.down = reinterpret_cast<T*>(at += l.tables);
    tables.weights = reinterpret_cast<T*>(at += l.tables);
    tables.largest = reinterpret_cast<T*>(at += l.tables);
    void* gemm_memory = at + l.largest;
    Status status = make_tables(args, tables, target);
    for (int64_t i = 0; i < batch && status == Status::ok; i += l.energy.chunk) {
        const int64_t rows = min_of(l.energy.chunk, batch - i);
        const Operand<T> v = row_range(args.v, i, rows);
        status = hidden_inputs(v, args.w, args.a, Activation::none, x, gemm_memory,
                               l.energy.gemm_bytes, target);
        if (status != Status::ok) return status;
        const Vector<T> out = {args.out.data + i * args.out.stride, rows, args.out.stride};
        status = pseudo_rows(args, tables, v, x, s, out, target);
    }
    return status;
}

template <class T>
static size_t pseudo_likelihood_workspace(const GibbsShape& s, const Target& target) {
    return pseudo_layout<T>(s, target).total;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
