// lasso on the CPU: G once, then blocks of signals as independent tasks, each with its own
// correlations, method and output.
#include "lasso/lasso.h"

#include "core/operand.h"
#include "core/parallel_tasks.h"
#include "gemm/gemm_call.h"
#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t task_signals = 64;
constexpr int64_t most_active = 256;

// Where the parts of a call's workspace lie. The slabs come first: compact() finds them without
// knowing the rest.
struct LassoLayout {
    int64_t padded, ld, capacity, inverse_ld;
    size_t slab_indices, slab_values;  // of all tasks
    size_t packed_phi, gram, gram_gemm, gram_gemm_bytes;
    size_t threads, thread_bytes;  // scratch of the threads, which shares its place with gram_gemm
    size_t gemm_bytes, correlations, inverse, vectors, vector_bytes, atoms;  // of one thread
    size_t total;
};

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

LW_INLINE Target one_thread(const Target& target) {
    Target alone = target;
    alone.num_threads = 1;
    alone.poll = nullptr;
    return alone;
}

// Vectors of `padded` elements that a thread works on.
enum ThreadVector {
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

template <class T>
static LassoLayout lasso_layout(const LassoShape& shape, const Target& target) {
    LassoLayout l{};
    const GemmFunctions<T>& gemm = gemm_functions<T>();
    const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    l.padded = round_up(max_of(shape.atoms, 1), block_width<T>);
    l.ld = l.padded + line;
    l.capacity = shape.max_active > 0 ? shape.max_active : min_of(shape.atoms, most_active);
    l.inverse_ld = round_up(l.capacity + 1, line) + line;
    Taker taker;
    if (shape.slabs) {
        const Slabs slabs = take_slabs<T>(taker, shape);
        l.slab_indices = slabs.indices;
        l.slab_values = slabs.values;
    }
    const auto packed = static_cast<int64_t>(gemm.packed_b_bytes(shape.features, shape.atoms));
    l.packed_phi = take(taker, packed, 1);
    l.gram = take(taker, shape.atoms * l.ld, sizeof(T));
    l.threads = l.gram_gemm = taker.at;
    l.gram_gemm_bytes = gemm.workspace({shape.atoms, shape.atoms, shape.features, 0, true}, target);
    Taker own;
    l.gemm_bytes =
        gemm.workspace({task_signals, shape.atoms, shape.features, 0, true}, one_thread(target));
    take(own, static_cast<int64_t>(l.gemm_bytes), 1);
    l.correlations = take(own, task_signals * l.padded, sizeof(T));
    l.inverse = take(own, l.capacity * l.inverse_ld, sizeof(T));
    l.vector_bytes = (static_cast<size_t>(l.padded + line) * sizeof(T) + 63) / 64 * 64;
    l.vectors = take(own, vector_count, l.vector_bytes);
    l.atoms = take(own, l.padded, sizeof(int32_t));
    l.thread_bytes = own.at;
    const size_t all_threads = static_cast<size_t>(target.num_threads) * l.thread_bytes;
    l.total = taker.at + (all_threads > l.gram_gemm_bytes ? all_threads : l.gram_gemm_bytes);
    return l;
}

// ||x_i||^2: element k goes to chain k % 32, so that zeros, listed or not, change no bit of it.
template <class T>
LW_INLINE T energy_of(const Operand<T>& x, int64_t i) {
    constexpr int64_t chains = 32, vectors = chains / lanes<T>;
    alignas(64) T sum[chains] = {};
    if (x.encoding == Encoding::csr) {
        for (int64_t e = x.csr.indptr[i]; e < x.csr.indptr[i + 1]; ++e) {
            const T value = csr_value(x.csr, e);
            T& chain = sum[x.csr.indices[e] % chains];
            chain = fma(splat(value), splat(value), splat(chain))[0];
        }
    } else if (x.encoding == Encoding::bits) {
        for (int64_t k = 0; k < x.bits.cols; ++k) sum[k % chains] += bit_at(x.bits, i, k) ? 1 : 0;
    } else {
        const T* row = x.dense.data + i * x.dense.row_stride;
        const int64_t cols = x.dense.cols, stride = x.dense.col_stride;
        Vec<T> total[vectors] = {};
        int64_t k = 0;
        for (; stride == 1 && k + chains <= cols; k += chains)
            for (int64_t v = 0; v < vectors; ++v) {
                const Vec<T> value = load(row + k + v * lanes<T>);
                total[v] = fma(value, value, total[v]);
            }
        for (int64_t v = 0; v < vectors; ++v) store(sum + v * lanes<T>, total[v]);
        for (; k < cols; ++k) {
            const T value = row[k * stride];
            sum[k % chains] = fma(splat(value), splat(value), splat(sum[k % chains]))[0];
        }
    }
    for (int64_t half = chains / 2; half > 0; half /= 2)
        for (int64_t k = 0; k < half; ++k) sum[k] += sum[k + half];
    return sum[0];
}

template <class T>
constexpr T max_finite = sizeof(T) == 4 ? T(__FLT_MAX__) : T(__DBL_MAX__);

template <class T>
LW_INLINE bool is_finite(T x) {
    return x - x == T(0);
}

// One call's state; a task is a block of signals.
template <class T>
struct LassoRun {
    const LassoArgs<T>& args;
    const Target& target;
    LassoShape shape;
    LassoLayout layout;
    bool finite = true;  // the atoms are

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
        status = multiply_phi(dense_operand(phi), gram, layout.ld, at<char>(layout.gram_gemm),
                              layout.gram_gemm_bytes, target);
        for (int64_t j = 0; j < shape.atoms; ++j) {
            for (int64_t i = shape.atoms; i < layout.ld; ++i) gram[j * layout.ld + i] = T(0);
            finite = finite && is_finite(gram[j * layout.ld + j]);
        }
        return status;
    }

    LassoModel<T> model() const {
        return {.gram = at<const T>(layout.gram),
                .atoms = shape.atoms,
                .padded = layout.padded,
                .ld = layout.ld,
                .capacity = layout.capacity,
                .alpha = args.alpha,
                .tolerance = args.tolerance,
                .nonnegative = args.nonnegative,
                .max_iterations = args.max_iterations};
    }

    char* thread_memory(int thread) const {
        return at<char>(layout.threads + static_cast<size_t>(thread) * layout.thread_bytes);
    }

    T* thread_vector(int thread, ThreadVector which) const {
        return reinterpret_cast<T*>(thread_memory(thread) + layout.vectors +
                                    static_cast<size_t>(which) * layout.vector_bytes);
    }

    LassoScratch<T> scratch_of(int thread) const {
        LassoScratch<T> s{};
        s.r = thread_vector(thread, vector_r);
        s.dense = thread_vector(thread, vector_dense);
        s.peaks = thread_vector(thread, vector_peaks);
        s.inverse = reinterpret_cast<T*>(thread_memory(thread) + layout.inverse);
        s.inverse_ld = layout.inverse_ld;
        s.sign = thread_vector(thread, vector_sign);
        s.gradient = thread_vector(thread, vector_gradient);
        s.row = thread_vector(thread, vector_row);
        s.step = thread_vector(thread, vector_step);
        s.column = thread_vector(thread, vector_column);
        s.code = thread_vector(thread, vector_code);
        s.atom = reinterpret_cast<int32_t*>(thread_memory(thread) + layout.atoms);
        return s;
    }

    bool is_pursuit() const { return args.method == LassoMethod::matching_pursuit; }

    bool is_general() const { return args.weights.data || args.ridge.data || args.alpha == T(0); }

    // Whether penalties and ridges differ from signal to signal.
    bool has_own_penalties() const {
        return args.weights.row_stride != 0 || args.ridge.row_stride != 0 ||
               (args.alpha == T(0) && !is_pursuit());
    }

    // Penalty and ridge of signal i. With alpha = 0 the scale makes r_j relative to what it could
    // be, in units of the tolerance; a pursuit compares r_j / ||phi_j||.
    void fill_penalties(int thread, int64_t i, T energy) const {
        T* penalty = thread_vector(thread, vector_penalty);
        T* inverse = thread_vector(thread, vector_inverse_penalty);
        T* ridge = thread_vector(thread, vector_ridge);
        const Matrix<const T>&w = args.weights, &q = args.ridge;
        const T* gram = at<const T>(layout.gram);
        const T scale = is_pursuit() ? T(1) : args.tolerance * args.tolerance * energy;
        for (int64_t j = 0; j < layout.padded; ++j) {
            const bool inside = j < shape.atoms;
            const T weight = w.data && inside ? w.data[i * w.row_stride + j * w.col_stride] : T(1);
            ridge[j] = q.data && inside ? q.data[i * q.row_stride + j * q.col_stride] : T(0);
            penalty[j] = args.alpha * weight;
            inverse[j] = T(1) / penalty[j];
            if (args.alpha != T(0)) continue;
            const T square = inside ? (gram[j * layout.ld + j] + ridge[j]) * scale : T(0);
            penalty[j] = T(0);
            inverse[j] = square > T(0) ? T(1) / __builtin_sqrt(square) : T(0);
        }
    }

    void set_penalties(int thread, LassoSignal<T>& signal) const {
        signal.penalty = thread_vector(thread, vector_penalty);
        signal.inverse_penalty = thread_vector(thread, vector_inverse_penalty);
        signal.ridge = thread_vector(thread, vector_ridge);
    }

    // The start's non-zeros into the scratch.
    void read_start(int64_t i, const LassoSignal<T>& signal, LassoScratch<T>& s) const {
        s.size = 0;
        if (!args.has_start) return;
        const Operand<T>& x = args.start;
        const auto put = [&](int64_t j, T value) {
            if (value == T(0) || (args.nonnegative && value < T(0))) return;
            if (signal.penalty && signal.penalty[j] > max_finite<T>) return;  // barred
            s.atom[s.size] = static_cast<int32_t>(j);
            s.code[s.size++] = value;
        };
        if (x.encoding == Encoding::csr) {
            for (int64_t e = x.csr.indptr[i]; e < x.csr.indptr[i + 1]; ++e)
                put(x.csr.indices[e], csr_value(x.csr, e));
            return;
        }
        for (int64_t j = 0; j < shape.atoms; ++j)
            put(j, x.encoding == Encoding::bits
                       ? T(bit_at(x.bits, i, j))
                       : x.dense.data[i * x.dense.row_stride + j * x.dense.col_stride]);
    }

    void solve(const LassoModel<T>& m, const LassoSignal<T>& signal, LassoScratch<T>& s) const {
        s.iterations = 0;
        if (is_pursuit()) return solve_matching_pursuit(m, signal, s);
        const bool descend =
            args.method == LassoMethod::coordinate_descent || s.size > layout.capacity / 2;
        if (descend || !solve_active_set(m, signal, s)) solve_coordinate_descent(m, signal, s);
    }

    // The codes of signal i, which lie in any order in the scratch, at `indices` and `values` with
    // columns ascending, or into the dense row; how many are not zero.
    int64_t write(int64_t i, LassoScratch<T>& s, int32_t* indices, T* values) const {
        if (args.codes.data) {
            T* row = args.codes.data + i * args.codes.row_stride;
            const int64_t stride = args.codes.col_stride;
            for (int64_t j = 0; j < shape.atoms; ++j) row[j * stride] = T(0);
            for (int64_t k = 0; k < s.size; ++k) row[s.atom[k] * stride] = s.code[k];
            return s.size;
        }
        int64_t count = 0;
        for (int64_t k = 0; k < s.size; ++k) {  // by insertion: the lists are short
            if (s.code[k] == T(0)) continue;
            int64_t place = count++;
            for (; place > 0 && indices[place - 1] > s.atom[k]; --place) {
                indices[place] = indices[place - 1];
                values[place] = values[place - 1];
            }
            indices[place] = s.atom[k];
            values[place] = s.code[k];
        }
        return count;
    }

    void task(int64_t index, int thread) const {
        const int64_t first = index * task_signals;
        const int64_t rows = min_of(task_signals, shape.signals - first);
        const LassoModel<T> m = model();
        LassoScratch<T> s = scratch_of(thread);
        T* c = reinterpret_cast<T*>(thread_memory(thread) + layout.correlations);
        multiply_phi(row_range(args.x, first, rows), c, layout.padded, thread_memory(thread),
                     layout.gemm_bytes, one_thread(target));
        for (int64_t j = 0; j < layout.padded; ++j) s.dense[j] = T(0);
        const int64_t slab = index * task_signals * shape.atoms;
        int32_t* indices = at<int32_t>(layout.slab_indices) + slab;
        T* values = at<T>(layout.slab_values) + slab;
        bool filled = false;
        for (int64_t r = 0; r < rows; ++r) {
            const int64_t i = first + r;
            T* own = c + r * layout.padded;
            for (int64_t j = shape.atoms; j < layout.padded; ++j) own[j] = T(0);
            LassoSignal<T> signal{};
            signal.c = own;
            signal.energy = energy_of(args.x, i);
            s.gap = finite && is_finite(signal.energy) ? T(0) : T(__builtin_nan(""));
            s.size = 0;
            if (s.gap == T(0) && signal.energy > T(0)) {
                if (is_general() && (!filled || has_own_penalties()))
                    fill_penalties(thread, i, signal.energy);
                filled = true;
                if (is_general()) set_penalties(thread, signal);
                read_start(i, signal, s);
                solve(m, signal, s);
            }
            const int64_t count = write(i, s, indices, values);
            if (!args.codes.data) args.counts.data[i * args.counts.stride] = count;
            args.gap.data[i * args.gap.stride] = s.gap;
            indices += count;
            values += count;
        }
    }

    Status run() {
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
    const LassoShape shape{operand_rows(args.x), args.phi.cols, args.phi.rows,
                           args.codes.data == nullptr, args.max_active};
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
