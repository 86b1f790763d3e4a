#include "lasso/lasso_dictionary.h"

#include "core/operand.h"
#include "core/parallel_tasks.h"
#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int64_t statistics_atoms = 32;  // rows of A and B that a task owns
constexpr int64_t signals_a_poll = 256;   // between two looks out for Ctrl-C

template <class T>
LW_INLINE void scale_row(T* row, int64_t cols, int64_t stride, T keep) {
    for (int64_t j = 0; j < cols; ++j)
        row[j * stride] = keep == T(0) ? T(0) : row[j * stride] * keep;
}

// row += v x_i
template <class T>
LW_INLINE void add_signal(const Operand<T>& x, int64_t i, T v, T* row, int64_t stride) {
    if (x.encoding == Encoding::csr) {
        for (int64_t e = x.csr.indptr[i]; e < x.csr.indptr[i + 1]; ++e) {
            T& sum = row[x.csr.indices[e] * stride];
            sum = fma(splat(v), splat(csr_value(x.csr, e)), splat(sum))[0];
        }
        return;
    }
    if (x.encoding == Encoding::bits) {
        for (int64_t d = 0; d < x.bits.cols; ++d)
            if (bit_at(x.bits, i, d)) row[d * stride] += v;
        return;
    }
    const T* signal = x.dense.data + i * x.dense.row_stride;
    const int64_t cols = x.dense.cols, step = x.dense.col_stride;
    const Vec<T> scale = splat(v);
    for (int64_t d = 0; d < cols; d += lanes<T>) {
        const int64_t n = min_of(lanes<T>, cols - d);
        const Vec<T> sum = load_lanes(row + d * stride, stride, n);
        store_lanes(row + d * stride, stride,
                    fma(scale, load_lanes(signal + d * step, step, n), sum), n);
    }
}

template <class T>
static void statistics_task(const DictionaryStatisticsArgs<T>& args, int64_t task) {
    const CsrMatrix<T>& c = args.codes;
    const int64_t first = task * statistics_atoms;
    const int64_t last = min_of(first + statistics_atoms, c.cols);
    const Matrix<T>&a = args.a, &b = args.b;
    for (int64_t j = first; j < last; ++j) {
        scale_row(a.data + j * a.row_stride, a.cols, a.col_stride, args.keep);
        scale_row(b.data + j * b.row_stride, b.cols, b.col_stride, args.keep);
    }
    for (int64_t i = 0; i < c.rows; ++i) {
        if (i % signals_a_poll == signals_a_poll - 1 && stop_requested()) return;
        for (int64_t e = csr_lower_bound(c, i, first); e < c.indptr[i + 1]; ++e) {
            const int64_t j = c.indices[e];
            if (j >= last) break;
            const T v = csr_value(c, e);
            T* row = a.data + j * a.row_stride;
            for (int64_t other = c.indptr[i]; other < c.indptr[i + 1]; ++other)
                row[c.indices[other] * a.col_stride] += v * csr_value(c, other);
            add_signal(args.x, i, v, b.data + j * b.row_stride, b.col_stride);
        }
    }
}

template <class T>
static Status dictionary_statistics(const DictionaryStatisticsArgs<T>& args, const Target& target) {
    const CsrMatrix<T>& c = args.codes;
    const int64_t tasks = ceil_div(c.cols, statistics_atoms), features = operand_cols(args.x);
    // A signal has as many non-zeros as the average one, spread evenly.
    const double non_zeros = c.rows > 0 ? static_cast<double>(c.indptr[c.rows]) : 0;
    const double each = non_zeros / static_cast<double>(max_of(c.rows, 1));
    const double sums = 2 * non_zeros * (each + static_cast<double>(features));
    const double kept = static_cast<double>(c.cols * (c.cols + features));
    return parallel(target, tasks, (sums + kept) / static_cast<double>(max_of(tasks, 1)),
                    [&](int64_t task, int) { statistics_task(args, task); });
}

constexpr int64_t block_atoms = 32;
constexpr int tile_atoms = 4, tile_vectors = 2;  // eight sums, four atoms to each pass over phi
template <class T>
constexpr int64_t tile_width = tile_vectors * lanes<T>;

template <class T>
static size_t dictionary_workspace(int64_t atoms, int64_t features) {
    const int64_t width = round_up(features, tile_width<T>);
    return static_cast<size_t>((atoms + block_atoms + 1) * width) * sizeof(T);
}

template <class T>
struct DictionarySweep {
    const DictionaryUpdateArgs<T>& args;
    const Target& target;
    int64_t atoms, features, width;
    T *phi, *rest, *move;  // (atoms,width), (block_atoms,width) and (width,) of the workspace

    T a(int64_t i, int64_t j) const {
        return args.a.data[i * args.a.row_stride + j * args.a.col_stride];
    }

    // A tile of b_j - a_j Phi for the atoms from j on, of which `rows` are there.
    void make_tile(int64_t j, int64_t rows, int64_t col, T* out) const {
        const Matrix<const T>& b = args.b;
        Vec<T> sum[tile_atoms][tile_vectors];
        for (int i = 0; i < tile_atoms; ++i)
            for (int v = 0; v < tile_vectors; ++v) {
                const int64_t first = col + v * lanes<T>, n = min_of(lanes<T>, features - first);
                sum[i][v] = i < rows && n > 0
                                ? load_lanes(b.data + (j + i) * b.row_stride + first * b.col_stride,
                                             b.col_stride, n)
                                : Vec<T>{};
            }
        const T* coefficient[tile_atoms];  // absent atoms repeat the last one
        for (int i = 0; i < tile_atoms; ++i)
            coefficient[i] = args.a.data + (j + min_of(i, rows - 1)) * args.a.row_stride;
        for (int64_t k = 0; k < atoms; ++k) {
            const T* atom = phi + k * width + col;
#pragma GCC unroll 4
            for (int i = 0; i < tile_atoms; ++i) {
                const Vec<T> scale = splat(-coefficient[i][k * args.a.col_stride]);
#pragma GCC unroll 2
                for (int v = 0; v < tile_vectors; ++v)
                    sum[i][v] = fma(scale, load(atom + v * lanes<T>), sum[i][v]);
            }
        }
        for (int64_t i = 0; i < rows; ++i)
            for (int v = 0; v < tile_vectors; ++v) store(out + i * width + v * lanes<T>, sum[i][v]);
    }

    // phi_j to its minimum; `move` becomes the way it goes.
    void move_atom(int64_t j, const T* r) const {
        const Vec<T> scale = splat(T(1) / a(j, j));
        T* atom = phi + j * width;
        Vec<T> squares = {};
        for (int64_t d = 0; d < width; d += lanes<T>) {
            Vec<T> u = fma(load(r + d), scale, load(atom + d));
            if (args.nonnegative) u = max_keep_nan<T>(u, Vec<T>{});
            store(move + d, u);
            squares = fma(u, u, squares);
        }
        const T square = sum_lanes<T>(squares);
        const Vec<T> shrink = splat(square > T(1) ? T(1) / T(__builtin_sqrt(square)) : T(1));
        for (int64_t d = 0; d < width; d += lanes<T>) {
            const Vec<T> u = load(move + d) * shrink, before = load(atom + d);
            store(atom + d, u);
            store(move + d, u - before);
        }
    }

    void finish_block(int64_t first, int64_t count) const {
        for (int64_t i = 0; i < count; ++i) {
            if (!(a(first + i, first + i) > T(0))) continue;
            move_atom(first + i, rest + i * width);
            for (int64_t later = i + 1; later < count; ++later) {
                T* r = rest + later * width;
                const Vec<T> scale = splat(-a(first + later, first + i));
                for (int64_t d = 0; d < width; d += lanes<T>)
                    store(r + d, fma(scale, load(move + d), load(r + d)));
            }
        }
    }

    Status sweep() const {
        const double flops = 2.0 * tile_atoms * static_cast<double>(atoms * width);
        for (int64_t first = 0; first < atoms; first += block_atoms) {
            const int64_t count = min_of(block_atoms, atoms - first);
            const Status status =
                parallel(target, ceil_div(count, tile_atoms), flops, [&](int64_t task, int) {
                    const int64_t i = task * tile_atoms, rows = min_of(tile_atoms, count - i);
                    for (int64_t col = 0; col < width; col += tile_width<T>)
                        make_tile(first + i, rows, col, rest + i * width + col);
                });
            if (status != Status::ok) return status;
            finish_block(first, count);
        }
        return Status::ok;
    }

    void copy_in() const {
        const Matrix<T>& given = args.phi;
        for (int64_t j = 0; j < atoms; ++j)
            for (int64_t d = 0; d < width; ++d)
                phi[j * width + d] =
                    d < features ? given.data[j * given.row_stride + d * given.col_stride] : T(0);
    }

    void copy_out() const {
        const Matrix<T>& out = args.phi;
        for (int64_t j = 0; j < atoms; ++j)
            for (int64_t d = 0; d < features; ++d)
                out.data[j * out.row_stride + d * out.col_stride] = phi[j * width + d];
    }
};

template <class T>
static Status dictionary_update(const DictionaryUpdateArgs<T>& args, const Target& target) {
    const int64_t atoms = args.phi.rows, features = args.phi.cols;
    const int64_t width = round_up(features, tile_width<T>);
    T* phi = static_cast<T*>(args.workspace);
    T* rest = phi + atoms * width;
    const DictionarySweep<T> run{args,  target, atoms, features,
                                 width, phi,    rest,  rest + block_atoms * width};
    run.copy_in();
    for (int64_t sweep = 0; sweep < args.sweeps; ++sweep) {
        const Status status = run.sweep();
        if (status != Status::ok) return status;
        run.copy_out();
    }
    return Status::ok;
}

template <class T>
static constexpr DictionaryFunctions<T> dictionary_functions = {
    dictionary_statistics<T>, dictionary_update<T>, dictionary_workspace<T>};

const DictionaryKernels& lasso_dictionary_kernels() {
    static constexpr DictionaryKernels kernels = {dictionary_functions<float>,
                                                  dictionary_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
