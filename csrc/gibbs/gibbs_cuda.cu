// gibbs on CUDA: what gibbs_cd.h and gibbs_energy.h leave to the device. Means over rows and sums
// over units are trees fixed by the shape.
#include "gibbs/gibbs.h"

#include "core/cuda_launch.h"
#include "core/reduce_cuda.h"
#include "gemm/momentum_step.h"
#include "gibbs/gibbs_cd.h"
#include "gibbs/gibbs_energy.h"

namespace layerwise::LW_ISA_NAMESPACE {

// --- bias statistics

template <class T>
__global__ void __launch_bounds__(sum_threads)
    mean_difference_kernel(Operand<T> x, Operand<T> y, Vector<T> out, MomentumStep<T> step) {
    __shared__ ColumnSums<T> shared;
    const int64_t col = int64_t{blockIdx.x} * sum_cols + threadIdx.x % sum_cols;
    const T x_sum = column_sum(x, col, shared), y_sum = column_sum(y, col, shared);
    if (threadIdx.x >= sum_cols || col >= operand_cols(x)) return;
    const T x_scale = T(1) / static_cast<T>(operand_rows(x));
    const T y_scale = T(1) / static_cast<T>(operand_rows(y));
    const T difference = x_sum * x_scale - y_sum * y_scale;
    if (step.w.data) {
        T &w = step.w.data[col * step.w.col_stride],
          &velocity = step.velocity.data[col * step.velocity.col_stride];
        momentum_step<T>(step.rule, difference, w, velocity);
    } else {
        out.data[col * out.stride] = difference;
    }
}

template <class T>
static Status mean_difference(const Operand<T>& x, const Operand<T>& y, const Vector<T>& out,
                              const MomentumStep<T>& step, const Target& target) {
    const Grid grid = {ceil_div(operand_cols(x), sum_cols), 1, sum_threads};
    return LW_LAUNCH(target, mean_difference_kernel<T>, grid, x, y, out, step);
}

static bool packs_rows(Storage) { return true; }

static Status copy_bits(const BitMatrix<const uint64_t>& from, const BitMatrix<uint64_t>& to,
                        const Target& target) {
    const auto width = static_cast<size_t>(ceil_div(from.cols, 64)) * 8;
    const auto to_pitch = max_of(to.row_stride * 8, static_cast<int64_t>(width));
    if (width == 0) return Status::ok;
    return LW_CUDA_CALL(target,
                        cudaMemcpy2DAsync(to.words, static_cast<size_t>(to_pitch), from.words,
                                          static_cast<size_t>(from.row_stride) * 8, width,
                                          static_cast<size_t>(from.rows), cudaMemcpyDeviceToDevice,
                                          stream_of(target)));
}

// --- free energy: a warp a row

constexpr int row_threads = 256;

template <class T>
__global__ void __launch_bounds__(row_threads)
    subtract_row_sums_kernel(const T* units, int64_t hidden, Vector<T> out) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int64_t r = int64_t{blockIdx.x} * (row_threads / 32) + warp;
    if (r >= out.size) return;
    T sum = 0;
    for (int64_t j = lane; j < hidden; j += 32) sum += units[r * hidden + j];
    sum = reduce_warp(sum, Add{});
    if (lane == 0) out.data[r * out.stride] -= sum;
}

template <class T>
static Status subtract_row_sums(const T* units, int64_t hidden, const Vector<T>& out,
                                const Target& target) {
    const Grid grid = {ceil_div(out.size, row_threads / 32), 1, row_threads};
    return LW_LAUNCH(target, subtract_row_sums_kernel<T>, grid, units, hidden, out);
}

// --- pseudo-likelihood: a block a row, a warp a visible unit, lanes over the hidden units

template <class T>
__global__ void __launch_bounds__(row_threads)
    make_tables_kernel(Matrix<const T> given, PseudoTables<T> tables) {
    __shared__ T shared[row_threads / 32];
    const int64_t i = blockIdx.x, hidden = given.rows;
    T largest = 0;
    for (int64_t j = threadIdx.x; j < hidden; j += row_threads) {
        const T w = given.data[j * given.row_stride + i * given.col_stride];
        const T size = w < 0 ? -w : w;
        if (!(size <= largest)) largest = size == size ? size : T(INFINITY);  // NaN: softplus path
        tables.weights[i * hidden + j] = w;
        tables.up[i * hidden + j] = expm1<T>(w);
        tables.down[i * hidden + j] = expm1<T>(-w);
    }
    largest = reduce_block<row_threads>(largest, shared, Largest{});
    if (threadIdx.x == 0) tables.largest[i] = largest;
}

template <class T>
static Status make_tables(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Target& target) {
    const Grid grid = {args.w.cols, 1, row_threads};
    return LW_LAUNCH(target, make_tables_kernel<T>, grid, args.w, tables);
}

// log of the product over j of 1 + s_j e_j, this lane's share.
template <class T>
LW_DEVICE T log_product(const T* s, const T* e, int64_t n, int64_t run) {
    T sum = 0, product = 1;
    int64_t factors = 0;
    for (int64_t j = threadIdx.x % 32; j < n; j += 32) {
        product *= fma(s[j], e[j], T(1));
        if (++factors == run) {
            sum += log<T>(product);
            product = 1;
            factors = 0;
        }
    }
    return sum + log<T>(product);
}

// sum_j softplus(x_j + d w_j) - softplus(x_j), this lane's share.
template <class T>
LW_DEVICE T softplus_change(const T* x, const T* w, T d, int64_t n) {
    T sum = 0;
    for (int64_t j = threadIdx.x % 32; j < n; j += 32)
        sum += softplus<T>(x[j] + w[j] * d) - softplus<T>(x[j]);
    return sum;
}

template <class T>
__global__ void __launch_bounds__(row_threads)
    pseudo_rows_kernel(Operand<T> v, Vector<const T> b, PseudoTables<T> tables, int64_t hidden,
                       const T* x, T* s, Vector<T> out) {
    __shared__ double shared[row_threads / 32];
    const int64_t r = blockIdx.x, visible = operand_cols(v);
    const int warp = static_cast<int>(threadIdx.x) / 32;
    x += r * hidden;
    s += r * hidden;
    for (int64_t j = threadIdx.x; j < hidden; j += row_threads) s[j] = sigmoid<T>(x[j]);
    __syncthreads();
    double total = 0;
    for (int64_t i = warp; i < visible; i += row_threads / 32) {
        const T largest = tables.largest[i], d = T(1) - 2 * element(v, r, i);
        T change;
        if (largest < T(pseudo_max_weight) && (d == T(1) || d == T(-1)))
            change = log_product(s, (d > 0 ? tables.up : tables.down) + i * hidden, hidden,
                                 factors_a_log(largest));
        else
            change = softplus_change(x, tables.weights + i * hidden, d, hidden);
        // log sigm(F' - F) = -softplus(F - F')
        const T margin = b.data[i * b.stride] * d + reduce_warp(change, Add{});
        total -= static_cast<double>(softplus<T>(margin));
    }
    if (threadIdx.x % 32 == 0) shared[warp] = total;  // every lane holds its warp's total
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int other = 1; other < row_threads / 32; ++other) total += shared[other];
    out.data[r * out.stride] = static_cast<T>(total);
}

template <class T>
static Status pseudo_rows(const PseudoLikelihoodArgs<T>& args, const PseudoTables<T>& tables,
                          const Operand<T>& v, const T* x, T* s, const Vector<T>& out,
                          const Target& target) {
    const Grid grid = {out.size, 1, row_threads};
    return LW_LAUNCH(target, pseudo_rows_kernel<T>, grid, v, args.b, tables, args.w.rows, x, s,
                     out);
}

template <class T>
static constexpr GibbsFunctions<T> gibbs_functions = {
    cd<T>,           free_energy<T>,           pseudo_likelihood<T>,
    cd_workspace<T>, free_energy_workspace<T>, pseudo_likelihood_workspace<T>};

const GibbsKernels& gibbs_kernels() {
    static constexpr GibbsKernels kernels = {gibbs_functions<float>, gibbs_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
