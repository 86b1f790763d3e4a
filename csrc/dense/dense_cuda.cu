// dense on CUDA. Column sums are trees over the rows, sums over classes trees over the lanes of a
// warp; both fixed by the shape.
#include "dense/dense.h"

#include "core/cuda_launch.h"
#include "core/philox.h"
#include "core/reduce_cuda.h"
#include "dense/dropout_scale.h"
#include "dense/straighten.h"
#include "gemm/activation.h"
#include "gemm/momentum_step.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
__global__ void __launch_bounds__(sum_threads) dense_db_kernel(DenseDbArgs<T> args) {
    __shared__ ColumnSums<T> shared;
    const int64_t col = int64_t{blockIdx.x} * sum_cols + threadIdx.x % sum_cols;
    const T sum = column_sum(dense_operand(args.dz), col, shared);
    if (threadIdx.x < sum_cols && col < args.dz.cols)
        args.out.data[col * args.out.stride] = sum * args.alpha;
}

template <class T>
static Status dense_db(const DenseDbArgs<T>& args, const Target& target) {
    const Grid grid = {ceil_div(args.dz.cols, sum_cols), 1, sum_threads};
    return LW_LAUNCH(target, dense_db_kernel<T>, grid, args);
}

// --- elementwise: a thread a column, striding over the rows

constexpr int wide_threads = 256;

LW_INLINE Grid grid_of(int64_t rows, int64_t cols) {
    return {ceil_div(cols, wide_threads), min_of(rows, 65535), wide_threads};
}

// visit(row, column) for every element of this thread.
template <class Visit>
LW_DEVICE void for_each_element(int64_t rows, int64_t cols, Visit visit) {
    const int64_t col = int64_t{blockIdx.x} * wide_threads + threadIdx.x;
    if (col >= cols) return;
    for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) visit(row, col);
}

template <class T>
LW_DEVICE T& at(const Matrix<T>& x, int64_t row, int64_t col) {
    return x.data[row * x.row_stride + col * x.col_stride];
}

template <class T>
__global__ void __launch_bounds__(wide_threads) activation_dx_kernel(ActivationDxArgs<T> args) {
    for_each_element(args.out.rows, args.out.cols, [&](int64_t r, int64_t c) {
        const T slope = activation_slope<T>(args.activation, at(args.y, r, c));
        at(args.out, r, c) = at(args.dy, r, c) * slope;
    });
}

template <class T>
static Status activation_dx(const ActivationDxArgs<T>& given, const Target& target) {
    ActivationDxArgs<T> args = given;
    straighten(args.dy, args.y, args.out);
    return LW_LAUNCH(target, activation_dx_kernel<T>, grid_of(args.out.rows, args.out.cols), args);
}

template <class T>
__global__ void __launch_bounds__(wide_threads) sgd_momentum_kernel(SgdMomentumArgs<T> args) {
    for_each_element(args.w.rows, args.w.cols, [&](int64_t r, int64_t c) {
        momentum_step<T>(args.rule, at(args.dw, r, c), at(args.w, r, c), at(args.velocity, r, c));
    });
}

template <class T>
static Status sgd_momentum(const SgdMomentumArgs<T>& given, const Target& target) {
    SgdMomentumArgs<T> args = given;
    straighten(args.w, args.velocity, args.dw);
    return LW_LAUNCH(target, sgd_momentum_kernel<T>, grid_of(args.w.rows, args.w.cols), args);
}

// A thread takes the four units of a Philox counter.
template <class T>
__global__ void __launch_bounds__(wide_threads)
    dropout_kernel(DropoutArgs<T> args, T threshold, T scale) {
    for_each_element(args.x.rows, ceil_div(args.x.cols, 4), [&](int64_t r, int64_t quad) {
        uint32_t words[4];
        philox_fill(args.random, row_id(args.random, r), 4 * quad, 4, words);
        for (int i = 0; i < 4 && 4 * quad + i < args.x.cols; ++i) {
            const int64_t c = 4 * quad + i;
            const bool kept = T(uniform_from_words<float>(words + i)) >= threshold;
            at(args.out, r, c) = kept ? at(args.x, r, c) * scale : T(0);
        }
    });
}

template <class T>
static Status dropout(const DropoutArgs<T>& args, const Target& target) {
    const Grid grid = grid_of(args.x.rows, ceil_div(args.x.cols, 4));
    return LW_LAUNCH(target, dropout_kernel<T>, grid, args, dropout_threshold<T>(args.rate),
                     dropout_scale<T>(args.rate));
}

// --- softmax: a warp a row

constexpr int row_threads = 256;

LW_INLINE Grid grid_of_rows(int64_t rows) {
    return {ceil_div(rows, row_threads / 32), 1, row_threads};
}

LW_DEVICE int64_t row_of_warp() {
    return int64_t{blockIdx.x} * (row_threads / 32) + threadIdx.x / 32;
}

template <class T>
LW_DEVICE T greatest_of_row(const Matrix<const T>& z, int64_t r) {
    T most = at(z, r, 0);
    for (int64_t c = threadIdx.x % 32; c < z.cols; c += 32) most = Largest{}(at(z, r, c), most);
    return reduce_warp(most, Largest{});
}

// out_c = e^(z_c - most), each lane its own columns; returns their sum.
template <class T>
LW_DEVICE T exponentials_of_row(const Matrix<const T>& z, int64_t r, T most, const Matrix<T>& out) {
    T sum = 0;
    for (int64_t c = threadIdx.x % 32; c < z.cols; c += 32) {
        const T e = exp<T>(at(z, r, c) - most);
        at(out, r, c) = e;
        sum += e;
    }
    return reduce_warp(sum, Add{});
}

template <class T>
__global__ void __launch_bounds__(row_threads) softmax_kernel(SoftmaxArgs<T> args) {
    const int64_t r = row_of_warp();
    if (r >= args.z.rows) return;
    const T most = greatest_of_row(args.z, r);
    const T sum = exponentials_of_row(args.z, r, most, args.out);
    for (int64_t c = threadIdx.x % 32; c < args.z.cols; c += 32) at(args.out, r, c) /= sum;
}

template <class T>
static Status softmax(const SoftmaxArgs<T>& args, const Target& target) {
    if (args.z.cols == 0) return Status::ok;
    return LW_LAUNCH(target, softmax_kernel<T>, grid_of_rows(args.z.rows), args);
}

template <class T>
__global__ void __launch_bounds__(row_threads)
    softmax_cross_entropy_kernel(SoftmaxCrossEntropyArgs<T> args) {
    const int64_t r = row_of_warp();
    if (r >= args.z.rows) return;
    const int64_t label = args.labels.data[r * args.labels.stride];
    const T weight = args.weight.data ? args.weight.data[r * args.weight.stride] : T(1);
    const T most = greatest_of_row(args.z, r);
    const T gap = most - at(args.z, r, label);
    __syncwarp();  // every lane has read it: dz may be z itself
    const T sum = exponentials_of_row(args.z, r, most, args.dz);
    for (int64_t c = threadIdx.x % 32; c < args.z.cols; c += 32) {
        T& dz = at(args.dz, r, c);
        dz = c == label ? (dz / sum - T(1)) * weight : dz / sum * weight;
    }
    if (threadIdx.x % 32 == 0) args.loss.data[r * args.loss.stride] = (log<T>(sum) + gap) * weight;
}

template <class T>
static Status softmax_cross_entropy(const SoftmaxCrossEntropyArgs<T>& args, const Target& target) {
    return LW_LAUNCH(target, softmax_cross_entropy_kernel<T>, grid_of_rows(args.z.rows), args);
}

template <class T>
static constexpr DenseFunctions<T> functions = {dense_db<T>, activation_dx<T>,
                                                softmax<T>,  softmax_cross_entropy<T>,
                                                dropout<T>,  sgd_momentum<T>};

const DenseKernels& dense_kernels() {
    static constexpr DenseKernels kernels = {functions<float>, functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
