// lars on the CPU: G once, then blocks of signals as independent tasks, each with its correlations,
// paths and slab of output.
#include "lasso/lasso_lars.h"

#include "core/parallel_tasks.h"
#include "lasso/lasso_homotopy.h"
#include "lasso/lasso_input.h"
#include "lasso/lasso_layout.h"
#include "lasso/lasso_output.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t lars_task_signals = 16;

LW_INLINE int64_t lars_capacity(const LarsShape& shape) {
    return min_of(min_of(shape.features, shape.atoms), shape.max_active);
}

// Offsets of the slabs, of which every task has its part, and what one signal may take of them.
struct LarsSlabs {
    int64_t codes;
    size_t alphas, gap, sizes, indices, values;
};

template <class T>
LW_INLINE LarsSlabs take_lars_slabs(Taker& taker, const LarsShape& shape) {
    LarsSlabs slabs{};
    slabs.codes = lars_capacity(shape) * (shape.kept > 1 ? shape.kept - 1 : shape.kept);
    const int64_t rows = round_up(shape.signals, lars_task_signals);
    slabs.alphas = take(taker, rows * shape.kept, sizeof(T));
    slabs.gap = take(taker, rows * shape.kept, sizeof(T));
    slabs.sizes = take(taker, rows * shape.kept, sizeof(int32_t));
    slabs.indices = take(taker, rows * slabs.codes, sizeof(int32_t));
    slabs.values = take(taker, rows * slabs.codes, sizeof(T));
    return slabs;
}

// Where a task writes its next knot.
template <class T>
struct LarsCursor {
    T *alphas, *gap;
    int32_t *sizes, *indices;
    T* values;
};

template <class T>
LW_INLINE LarsCursor<T> cursor_at(const LarsSlabs& slabs, const LarsShape& shape, char* memory,
                                  int64_t task) {
    const int64_t knot = task * lars_task_signals * shape.kept;
    const int64_t code = task * lars_task_signals * slabs.codes;
    return {reinterpret_cast<T*>(memory + slabs.alphas) + knot,
            reinterpret_cast<T*>(memory + slabs.gap) + knot,
            reinterpret_cast<int32_t*>(memory + slabs.sizes) + knot,
            reinterpret_cast<int32_t*>(memory + slabs.indices) + code,
            reinterpret_cast<T*>(memory + slabs.values) + code};
}

enum LarsVector { lars_u, lars_p, lars_q, lars_left_codes, lars_left_sign, lars_vector_count };

struct LarsLayout {
    LarsSlabs slabs;
    int64_t ld, width;  // of an atom in float64
    size_t atoms, norms, packed_phi, gram, gram_gemm, gram_gemm_bytes;
    size_t threads, thread_bytes;  // scratch of the threads, which shares its place with gram_gemm
    // Of one thread:
    size_t gemm_bytes, x, correlations, vectors, refused;
    SolverLayout solver;
    size_t total;
};

template <class T>
static LarsLayout lars_layout(const LarsShape& shape, const Target& target) {
    LarsLayout l{};
    const GemmFunctions<double>& gemm = gemm_functions<double>();
    const int64_t k = shape.atoms, d = shape.features;
    const int64_t padded = round_up(max_of(k, 1), block_width<double>);
    l.ld = padded + 8;
    Taker taker;
    l.slabs = take_lars_slabs<T>(taker, shape);
    l.width = round_up(d, lanes<double>);
    l.atoms = take(taker, k * l.width, sizeof(double));
    l.norms = take(taker, padded, sizeof(double));
    l.packed_phi = take(taker, static_cast<int64_t>(gemm.packed_b_bytes(d, k, Storage::full)), 1);
    l.gram = take(taker, k * l.ld, sizeof(double));
    l.gram_gemm_bytes = gemm.workspace({k, k, d, 0, true}, target);
    l.threads = l.gram_gemm = taker.at;
    Taker own;
    l.gemm_bytes = gemm.workspace({lars_task_signals, k, d, 0, true}, one_thread(target));
    take(own, static_cast<int64_t>(l.gemm_bytes), 1);
    l.x = take(own, lars_task_signals * d, sizeof(double));
    l.correlations = take(own, lars_task_signals * padded, sizeof(double));
    l.vectors = take(own, lars_vector_count * padded, sizeof(double));
    l.refused = take(own, padded, sizeof(int32_t));
    l.solver = take_solver<double>(own, k, lars_capacity(shape));
    l.thread_bytes = own.at;
    const size_t all_threads = static_cast<size_t>(target.num_threads) * l.thread_bytes;
    l.total = taker.at + (all_threads > l.gram_gemm_bytes ? all_threads : l.gram_gemm_bytes);
    return l;
}

// One call's state; a task is a block of signals.
template <class T>
struct LarsRun {
    const LarsArgs<T>& args;
    const Target& target;
    LarsShape shape;
    LarsLayout layout;
    bool finite = true;  // the atoms are

    char* at(size_t offset) const { return static_cast<char*>(args.workspace) + offset; }
    double* doubles(size_t offset) const { return reinterpret_cast<double*>(at(offset)); }

    // y (rows, padded) = x phi'
    Status multiply_phi(const Matrix<const double>& x, double* y, int64_t stride, void* workspace,
                        size_t bytes, const Target& with) const {
        GemmArgs<double> g;
        g.a = dense_operand(x);
        g.b.dense.rows = shape.features;
        g.b.dense.cols = shape.atoms;
        g.packed_b = at(layout.packed_phi);
        g.mean = {y, x.rows, shape.atoms, stride, 1};
        g.workspace = workspace;
        g.workspace_bytes = bytes;
        return gemm_functions<double>().run(g, with);
    }

    // The atoms and their Gram matrix in float64.
    Status make_gram() {
        const int64_t k = shape.atoms, d = shape.features;
        double *atoms = doubles(layout.atoms), *gram = doubles(layout.gram);
        double* norms = doubles(layout.norms);
        const Matrix<const T>& phi = args.phi;
        copy_atoms(phi, k, d, [](int64_t i) { return i; }, atoms);
        const Matrix<const double> view{atoms, k, d, layout.width, 1};
        Status status = gemm_functions<double>().pack_b(
            dense_operand(transposed(view)), Storage::full, at(layout.packed_phi), target);
        if (status != Status::ok) return status;
        status = multiply_phi(view, gram, layout.ld, at(layout.gram_gemm), layout.gram_gemm_bytes,
                              target);
        for (int64_t j = 0; j < layout.solver.padded; ++j) {
            norms[j] = j < k ? __builtin_sqrt(gram[j * layout.ld + j]) : 0;
            finite = finite && is_finite(norms[j]);
            for (int64_t i = k; j < k && i < layout.ld; ++i) gram[j * layout.ld + i] = 0;
        }
        return status;
    }

    LassoModel<double> model() const {
        LassoModel<double> m{};
        m.gram = doubles(layout.gram);
        m.atoms = shape.atoms;
        m.padded = layout.solver.padded;
        m.ld = layout.ld;
        m.capacity = layout.solver.capacity;
        m.nonnegative = args.nonnegative;
        m.unit = 1;
        return m;
    }

    HomotopyVectors vectors(char* memory) const {
        auto* first = reinterpret_cast<double*>(memory + layout.vectors);
        const auto which = [&](LarsVector name) { return first + name * layout.solver.padded; };
        return {doubles(layout.norms),
                which(lars_u),
                which(lars_p),
                which(lars_q),
                which(lars_left_codes),
                which(lars_left_sign),
                reinterpret_cast<int32_t*>(memory + layout.refused)};
    }

    // The relative gap at t of the codes in the scratch, as T has them both.
    double gap_at(double t, char* memory, LassoModel<double> m, LassoSignal<double> signal,
                  LassoScratch<double>& s) const {
        for (int64_t i = 0; i < s.size; ++i)
            s.code[i] = static_cast<double>(static_cast<T>(s.code[i]));
        m.alpha = static_cast<double>(static_cast<T>(t));
        if (m.alpha > 0) {
            const GramForm<double, false> form{m, signal};
            return relative_gap(form, s, form.refresh(s));
        }
        double* penalty = solver_vector<double>(layout.solver, memory, vector_penalty);
        double* scale = solver_vector<double>(layout.solver, memory, vector_inverse_penalty);
        const double *norms = doubles(layout.norms), length = __builtin_sqrt(signal.energy);
        for (int64_t j = 0; j < m.padded; ++j) {
            penalty[j] = 0;
            scale[j] = norms[j] > 0 ? 1 / (norms[j] * length) : 0;
        }
        signal.penalty = signal.ridge = penalty;
        signal.inverse_penalty = scale;
        const GramForm<double, true> form{m, signal};
        return relative_gap(form, s, form.refresh(s));
    }

    // The codes, gap and penalty of signal i into its rows.
    void write_row(int64_t i, double t, double gap, const LassoScratch<double>& s) const {
        T* row = args.codes.data + i * args.codes.row_stride;
        const int64_t stride = args.codes.col_stride;
        for (int64_t j = 0; j < shape.atoms; ++j) row[j * stride] = T(0);
        for (int64_t k = 0; k < s.size; ++k) row[s.atom[k] * stride] = static_cast<T>(s.code[k]);
        args.gap.data[i * args.gap.stride] = static_cast<T>(gap);
        args.alphas.data[i * args.alphas.stride] = static_cast<T>(t);
    }

    // Appends a knot; how many codes it has.
    static int64_t write(LarsCursor<T>& cursor, double t, double gap,
                         const LassoScratch<double>& s) {
        const int64_t count = write_sorted(s, cursor.indices, cursor.values);
        *cursor.alphas++ = static_cast<T>(t);
        *cursor.gap++ = static_cast<T>(gap);
        *cursor.sizes++ = static_cast<int32_t>(count);
        cursor.indices += count;
        cursor.values += count;
        return count;
    }

    // The knots of signal i, whose correlations are c.
    void follow(int64_t i, char* memory, const LassoModel<double>& m, const double* x, double* c,
                LassoScratch<double>& s, LarsCursor<T>& cursor) const {
        LassoSignal<double> signal{};
        signal.c = c;
        signal.energy = energy_of(
            dense_operand(Matrix<const double>{x, 1, shape.features, shape.features, 1}), 0);
        int64_t knots = 0, counts = 0;
        const HomotopyVectors v = vectors(memory);
        const GramForm<double, false> form{m, signal};
        const bool bounded = args.max_active < min_of(shape.features, shape.atoms);
        Homotopy path{form, s, v, static_cast<double>(args.alpha), bounded};
        s.size = 0;
        const auto add = [&](double gap) {
            if (args.codes.data) return write_row(i, path.t, gap, s);
            counts += write(cursor, path.t, gap, s);
            ++knots;
        };
        if (!finite || !is_finite(signal.energy) || !(signal.energy > 0)) {
            path.t = path.end;
            add(signal.energy == 0 && finite ? 0.0 : __builtin_nan(""));
        } else {
            int64_t steps = 0;
            path.run(form.refresh(s), [&] {
                if (args.path) add(gap_at(path.t, memory, m, signal, s));
                return ++steps <= args.max_steps;
            });
            if (!args.path) add(gap_at(path.t, memory, m, signal, s));
        }
        if (args.codes.data) return;
        args.knots.data[i * args.knots.stride] = knots;
        args.counts.data[i * args.counts.stride] = counts;
    }

    void task(int64_t index, int thread) const {
        const int64_t first = index * lars_task_signals, d = shape.features;
        const int64_t rows = min_of(lars_task_signals, shape.signals - first);
        char* memory = at(layout.threads + static_cast<size_t>(thread) * layout.thread_bytes);
        auto* x = reinterpret_cast<double*>(memory + layout.x);
        auto* c = reinterpret_cast<double*>(memory + layout.correlations);
        const LassoModel<double> m = model();
        for (int64_t k = 0; k < rows * d; ++k) x[k] = 0;
        for (int64_t r = 0; r < rows; ++r)
            for_each_entry(args.x, first + r, [&](int64_t k, T value) { x[r * d + k] = value; });
        multiply_phi({x, rows, d, d, 1}, c, m.padded, memory, layout.gemm_bytes,
                     one_thread(target));
        LassoScratch<double> s = solver_scratch<double>(layout.solver, memory);
        LarsCursor<T> cursor = cursor_at<T>(layout.slabs, shape, at(0), index);
        for (int64_t r = 0; r < rows; ++r) {
            double* own = c + r * m.padded;
            for (int64_t j = shape.atoms; j < m.padded; ++j) own[j] = 0;
            follow(first + r, memory, m, x + r * d, own, s, cursor);
        }
    }

    Status run() {
        const Status status = make_gram();
        if (status != Status::ok) return status;
        const double flops = static_cast<double>(lars_task_signals * shape.atoms) *
                             static_cast<double>(2 * shape.features + 200);
        return parallel(target, ceil_div(shape.signals, lars_task_signals), flops,
                        [&](int64_t index, int thread) { task(index, thread); });
    }
};

template <class T>
static Status run(const LarsArgs<T>& args, const Target& target) {
    const LarsShape shape{operand_rows(args.x), args.phi.cols, args.phi.rows, args.max_active,
                          args.codes.data ? 0 : (args.path ? args.max_steps + 1 : 1)};
    return LarsRun<T>{args, target, shape, lars_layout<T>(shape, target)}.run();
}

template <class T>
static Status compact(const LarsCompactArgs<T>& args, const Target& target) {
    const LarsShape& shape = args.shape;
    Taker taker;
    const LarsSlabs slabs = take_lars_slabs<T>(taker, shape);
    auto* memory = static_cast<char*>(const_cast<void*>(args.workspace));
    const int64_t tasks = ceil_div(shape.signals, lars_task_signals);
    const double moved = static_cast<double>(args.alphas.size + args.values.size);
    return parallel(
        target, tasks, moved / static_cast<double>(max_of(tasks, 1)), [&](int64_t t, int) {
            const int64_t first = t * lars_task_signals;
            const int64_t last = min_of(first + lars_task_signals, shape.signals);
            const auto part = [&](const Vector<const int64_t>& ends, int64_t* begin) {
                *begin = ends.data[first * ends.stride];
                return ends.data[last * ends.stride] - *begin;
            };
            int64_t knot, code;
            const int64_t knots = part(args.knot_ends, &knot), codes = part(args.code_ends, &code);
            const LarsCursor<T> from = cursor_at<T>(slabs, shape, memory, t);
            for (int64_t i = 0; i < knots; ++i) {
                args.alphas.data[knot + i] = from.alphas[i];
                args.gap.data[knot + i] = from.gap[i];
                args.sizes.data[knot + i] = from.sizes[i];
            }
            for (int64_t i = 0; i < codes; ++i) {
                args.indices.data[code + i] = from.indices[i];
                args.values.data[code + i] = from.values[i];
            }
        });
}

template <class T>
static size_t slab_bytes(const LarsShape& shape) {
    Taker taker;
    take_lars_slabs<T>(taker, shape);
    return taker.at;
}

template <class T>
static size_t workspace(const LarsShape& shape, const Target& target) {
    return lars_layout<T>(shape, target).total;
}

template <class T>
static constexpr LarsFunctions<T> lars_functions = {run<T>, compact<T>, workspace<T>,
                                                    slab_bytes<T>};

const LarsKernels& lasso_lars_kernels() {
    static constexpr LarsKernels kernels = {lars_functions<float>, lars_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
