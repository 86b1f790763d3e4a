// Free energy and pseudo-likelihood on the CPU.
#pragma once

#include "core/parallel_tasks.h"
#include "core/simd_math.h"
#include "gemm/gemm_call.h"
#include "gibbs/gibbs.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Rows a chunk of hidden pre-activations holds: a few MB, enough for all threads.
LW_INLINE int64_t energy_chunk_rows(int64_t batch, int64_t hidden) {
    return max_of(min_of(batch, (int64_t(1) << 19) / max_of(hidden, 1)), 64);
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

// Sum of n contiguous values: lane sums over ascending steps, then a tree over the lanes.
template <class T>
LW_INLINE T row_sum(const T* x, int64_t n) {
    Vec<T> sum = {};
    int64_t j = 0;
    for (; j + lanes<T> <= n; j += lanes<T>) sum += load(x + j);
    if (j < n) sum += load_n(x + j, n - j);
    return sum_lanes<T>(sum);
}

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
        status = parallel(target, rows, static_cast<double>(hidden), [&](int64_t r, int) {
            args.out.data[(i + r) * args.out.stride] -= row_sum(units + r * hidden, hidden);
        });
    }
    return status;
}

template <class T>
static size_t free_energy_workspace(const GibbsShape& s, const Target& target) {
    return energy_layout<T>(s, target).total;
}

// --- pseudo-likelihood
// -----------------------------------------------------------------------------
//
// With x_j = a_j + sum_i W_ji v_i and d = 1 - 2 v_i the change that flips unit i,
//   F(v flipped) - F(v) = -b_i d - sum_j [softplus(x_j + d W_ji) - softplus(x_j)]
//   softplus(x + t) - softplus(x) = log(1 + sigm(x) (e^t - 1)),
// so for d = +-1 the sum over j is the log of a product of factors 1 + s_j E_ji, E = e^(+-W) - 1
// made once for all rows: two operations a weight in place of two softplus.

constexpr int64_t pseudo_rows = 16;       // rows that share a pass over the tables
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

template <class T>
static Status make_tables(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Target& target) {
    const int64_t hidden = args.w.rows;
    const double cost = 40.0 * static_cast<double>(hidden);
    return parallel(target, args.w.cols, cost, [&](int64_t i, int) {
        T largest = 0;
        T* w = tables.weights + i * hidden;
        for (int64_t j = 0; j < hidden; ++j) {
            w[j] = args.w.data[j * args.w.row_stride + i * args.w.col_stride];
            const T size = w[j] < 0 ? -w[j] : w[j];
            largest = size <= largest ? largest : size;  // NaN ends here, on the softplus path
        }
        tables.largest[i] = largest;
        for (int64_t j = 0; j < hidden; j += lanes<T>) {
            const int64_t n = min_of(lanes<T>, hidden - j);
            const Vec<T> x = load_n(w + j, n);
            store_n(tables.up + i * hidden + j, expm1<T>(x), n);
            store_n(tables.down + i * hidden + j, expm1<T>(-x), n);
        }
    });
}

// log of the product over j of 1 + s_j e_j. Each lane multiplies `run` factors before it takes a
// log.
template <class T>
LW_INLINE T log_product(const T* s, const T* e, int64_t n, int64_t run) {
    Vec<T> sum = {};
    const Vec<T> one = splat<T>(T(1));
    for (int64_t j = 0; j < n;) {
        Vec<T> product = one;
        const int64_t end = min_of(n, j + run * lanes<T>);
        for (; j + lanes<T> <= end; j += lanes<T>) product *= fma(load(s + j), load(e + j), one);
        if (j < end) {
            product *= fma(load_n(s + j, end - j), load_n(e + j, end - j), one);
            j = end;
        }
        sum += log<T>(product);
    }
    return sum_lanes<T>(sum);
}

// sum_j softplus(x_j + d w_j) - softplus(x_j), any d.
template <class T>
LW_INLINE T softplus_change(const T* x, const T* w, T d, int64_t n) {
    Vec<T> sum = {};
    for (int64_t j = 0; j < n; j += lanes<T>) {
        const int64_t m = min_of(lanes<T>, n - j);
        const Vec<T> before = load_n(x + j, m), change = load_n(w + j, m) * d;
        sum += softplus<T>(before + change) - softplus<T>(before);  // the lanes past m change by 0
    }
    return sum_lanes<T>(sum);
}

// Element (i, j) of an operand.
template <class T>
LW_INLINE T element(const Operand<T>& x, int64_t i, int64_t j) {
    if (x.encoding == Encoding::dense)
        return x.dense.data[i * x.dense.row_stride + j * x.dense.col_stride];
    if (x.encoding == Encoding::bits) return bit_at(x.bits, i, j) ? T(1) : T(0);
    const int64_t e = csr_lower_bound(x.csr, i, j);
    return e < x.csr.indptr[i + 1] && x.csr.indices[e] == j ? csr_value(x.csr, e) : T(0);
}

// Rows [r0, r0 + rows) of the chunk; x and s are the chunk's hidden inputs and their sigmoids.
template <class T>
static void pseudo_block(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                         const Operand<T>& v, int64_t r0, int64_t rows, const T* x, const T* s,
                         T* out, int64_t out_stride) {
    const int64_t hidden = args.w.rows, visible = args.w.cols;
    double total[pseudo_rows] = {};
    alignas(64) T margin[lanes<T>] = {};
    for (int64_t i = 0; i < visible; ++i) {
        const T largest = tables.largest[i], b = args.b.data[i * args.b.stride];
        const bool bounded = largest < T(pseudo_max_weight);
        // Each factor lies in [e^-largest, e^largest]; the product stays within e^80.
        const int64_t run =
            bounded ? max_of(min_of(64, static_cast<int64_t>(80 / (largest + T(0.01)))), 1) : 1;
        for (int64_t r = 0; r < rows; ++r) {
            const T d = T(1) - 2 * element(v, r0 + r, i);
            const int64_t row = (r0 + r) * hidden;
            T change;
            if (bounded && (d == T(1) || d == T(-1)))
                change = log_product(s + row, (d > 0 ? tables.up : tables.down) + i * hidden,
                                     hidden, run);
            else
                change = softplus_change(x + row, tables.weights + i * hidden, d, hidden);
            margin[0] = b * d + change;  // log sigm(F' - F) = -softplus(F - F')
            total[r] -= static_cast<double>(softplus<T>(load(margin))[0]);
        }
    }
    for (int64_t r = 0; r < rows; ++r) out[(r0 + r) * out_stride] = static_cast<T>(total[r]);
}

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
        const double cost = 3.0 * pseudo_rows * static_cast<double>(hidden * visible);
        status = parallel(target, ceil_div(rows, pseudo_rows), cost, [&](int64_t task, int) {
            const int64_t r0 = task * pseudo_rows, n = min_of(pseudo_rows, rows - r0);
            for (int64_t j = r0 * hidden; j < (r0 + n) * hidden; j += lanes<T>) {
                const int64_t m = min_of(lanes<T>, (r0 + n) * hidden - j);
                store_n(s + j, sigmoid<T>(load_n(x + j, m)), m);
            }
            pseudo_block(args, tables, v, r0, n, x, s, args.out.data + i * args.out.stride,
                         args.out.stride);
        });
    }
    return status;
}

template <class T>
static size_t pseudo_likelihood_workspace(const GibbsShape& s, const Target& target) {
    return pseudo_layout<T>(s, target).total;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
