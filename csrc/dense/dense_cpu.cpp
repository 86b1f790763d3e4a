#include "core/parallel.h"
#include "core/philox.h"
#include "dense/dense.h"
#include "dense/dense_softmax.h"
#include "dense/dense_walk.h"
#include "dense/dropout_scale.h"
#include "gemm/gemm_epilogue.h"  // activation_slope: one text for dense_dx and activation_dx
#include "gemm/momentum_cpu.h"

namespace layerwise::LW_ISA_NAMESPACE {

constexpr int db_vectors = 8;  // columns of a task: eight sums fit the registers of every level
constexpr int64_t db_block = 64;
constexpr int64_t db_rows = int64_t{1} << 20;  // of one loop, so that a task ends soon for Ctrl-C

// Sums of rows [row, row_end) of one tile of columns; absent columns give zero.
template <class T>
LW_INLINE void db_block_sums(const Matrix<const T>& dz, int64_t row, int64_t row_end, int64_t col,
                             int64_t cols, int64_t col_stride, Vec<T>* sums) {
    for (int i = 0; i < db_vectors; ++i) sums[i] = Vec<T>{};
    const T* p = dz.data + row * dz.row_stride + col * col_stride;
    for (; row < row_end; ++row, p += dz.row_stride) {
#pragma GCC unroll 8
        for (int i = 0; i < db_vectors; ++i) {
            const int64_t n = min_of(lanes<T>, cols - i * lanes<T>);
            if (n > 0) sums[i] += load_lanes(p + i * lanes<T> * col_stride, col_stride, n);
        }
    }
}

template <class T>
struct DbWork {
    DenseDbArgs<T> args;
    bool onward = false;  // out has the sums of the rows before
};

template <class T>
static void db_task(void* context, int64_t task, int) {
    const auto& work = *static_cast<const DbWork<T>*>(context);
    const auto& args = work.args;
    constexpr int64_t tile = db_vectors * lanes<T>;
    const int64_t col = task * tile, cols = min_of(tile, args.dz.cols - col);
    TreeSum<T, db_vectors> tree;
    Vec<T> sums[db_vectors];
    for (int64_t row = 0; row < args.dz.rows; row += db_block) {
        const int64_t row_end = min_of(row + db_block, args.dz.rows);
        if (cols == tile && args.dz.col_stride == 1)
            db_block_sums<T>(args.dz, row, row_end, col, tile, 1, sums);
        else
            db_block_sums<T>(args.dz, row, row_end, col, cols, args.dz.col_stride, sums);
        add_block(tree, sums);
    }
    finish(tree, sums);
    const int64_t stride = args.out.stride;
    for (int i = 0; i * lanes<T> < cols; ++i) {
        T* out = args.out.data + (col + i * lanes<T>)*stride;
        const int64_t n = min_of(lanes<T>, cols - i * lanes<T>);
        const Vec<T> sum = sums[i] * args.alpha;
        store_lanes(out, stride, work.onward ? load_lanes<T>(out, stride, n) + sum : sum, n);
    }
}

template <class T>
static Status dense_db(const DenseDbArgs<T>& args, const Target& target) {
    const int64_t tile = db_vectors * lanes<T>, rows = args.dz.rows;
    DbWork<T> work{args};
    Status status = Status::ok;
    for (int64_t row = 0; status == Status::ok && (row == 0 || row < rows); row += db_rows) {
        work.onward = row > 0;
        work.args.dz.data = args.dz.data + row * args.dz.row_stride;
        work.args.dz.rows = min_of(db_rows, rows - row);
        const double cost = static_cast<double>(work.args.dz.rows) * static_cast<double>(tile);
        status = parallel_for(target, ceil_div(args.dz.cols, tile), cost, db_task<T>, &work);
    }
    return status;
}

template <class T>
struct ActivationDxWork {
    ActivationDxArgs<T> args;
    Tiling tiling;
};

template <class T, Activation activation>
static void activation_dx_task(void* context, int64_t task, int) {
    const auto& work = *static_cast<const ActivationDxWork<T>*>(context);
    const auto &dy = work.args.dy, &y = work.args.y;
    const Matrix<T>& out = work.args.out;
    const Tile2d tile = tile_at(work.tiling, task);
    for (int64_t r = tile.row; r < tile.row_end; ++r) {
        const T* dy_row = dy.data + r * dy.row_stride + tile.col * dy.col_stride;
        const T* y_row = y.data + r * y.row_stride + tile.col * y.col_stride;
        T* out_row = out.data + r * out.row_stride + tile.col * out.col_stride;
        const int64_t dy_stride = dy.col_stride, y_stride = y.col_stride, stride = out.col_stride;
        for_each_vector<T>(tile.cols, [=](int64_t c, int64_t n) {
            const Vec<T> value = load_lanes(y_row + c * y_stride, y_stride, n);
            const Vec<T> slope = activation_slope<T>(activation, value);
            const Vec<T> v = load_lanes(dy_row + c * dy_stride, dy_stride, n);
            store_lanes(out_row + c * stride, stride, v * slope, n);
        });
    }
}

template <class T>
static Status activation_dx(const ActivationDxArgs<T>& args, const Target& target) {
    ActivationDxWork<T> work{args, {}};
    straighten(work.args.dy, work.args.y, work.args.out);
    work.tiling = tiling_of(work.args.out.rows, work.args.out.cols);
    constexpr decltype(&activation_dx_task<T, Activation::none>) tasks[] = {
        activation_dx_task<T, Activation::none>, activation_dx_task<T, Activation::sigmoid>,
        activation_dx_task<T, Activation::relu>, activation_dx_task<T, Activation::softplus>,
        activation_dx_task<T, Activation::tanh>};
    const double cost = args.activation == Activation::softplus ? 20 : 3;
    return parallel_for(target, work.tiling.tasks, cost * elements_per_task(work.tiling),
                        tasks[static_cast<int>(args.activation)], &work);
}

template <class T>
struct DropoutWork {
    DropoutArgs<T> args;
    Tiling tiling;
    T threshold, scale;
};

template <class T>
static void dropout_task(void* context, int64_t task, int) {
    const auto& work = *static_cast<const DropoutWork<T>*>(context);
    const Matrix<const T>& x = work.args.x;
    const Matrix<T>& out = work.args.out;
    const RandomStream& random = work.args.random;
    const Tile2d tile = tile_at(work.tiling, task);
    const int64_t end = tile.col + tile.cols;
    for (int64_t r = tile.row; r < tile.row_end; ++r) {
        const uint32_t id = row_id(random, r);
        for (int64_t block = tile.col; block < end; block += philox_block) {
            uint32_t words[philox_block];
            philox_fill(random, id, block, philox_block, words);
            const int64_t block_end = min_of(block + philox_block, end);
            for (int64_t c = block; c < block_end; c += lanes<T>) {
                const int64_t n = min_of(lanes<T>, block_end - c);
                const Vec<T> v =
                    load_lanes(x.data + r * x.row_stride + c * x.col_stride, x.col_stride, n);
                const Vec<T> u = uniform_from_words<T>(words + (c - block));
                const Vec<T> kept = select<T>(u >= splat(work.threshold), v * work.scale, Vec<T>{});
                store_lanes(out.data + r * out.row_stride + c * out.col_stride, out.col_stride,
                            kept, n);
            }
        }
    }
}

template <class T>
static Status dropout(const DropoutArgs<T>& args, const Target& target) {
    DropoutWork<T> work{args, tiling_of(args.x.rows, args.x.cols), dropout_threshold<T>(args.rate),
                        dropout_scale<T>(args.rate)};
    return parallel_for(target, work.tiling.tasks, 15 * elements_per_task(work.tiling),
                        dropout_task<T>, &work);
}

template <class T>
struct SgdMomentumWork {
    SgdMomentumArgs<T> args;
    Tiling tiling;
};

template <class T>
static void sgd_momentum_task(void* context, int64_t task, int) {
    const auto& [args, tiling] = *static_cast<const SgdMomentumWork<T>*>(context);
    const auto& [w, velocity, dw, step] = args;
    const Momentum<T> rule = step;
    const Tile2d tile = tile_at(tiling, task);
    const int64_t ws = w.col_stride, vs = velocity.col_stride, ds = dw.col_stride;
    for (int64_t r = tile.row; r < tile.row_end; ++r) {
        T* w_row = w.data + r * w.row_stride + tile.col * ws;
        T* v_row = velocity.data + r * velocity.row_stride + tile.col * vs;
        const T* d_row = dw.data + r * dw.row_stride + tile.col * ds;
        for_each_vector<T>(tile.cols, [=](int64_t c, int64_t n) {
            Vec<T> x = load_lanes(w_row + c * ws, ws, n), v = load_lanes(v_row + c * vs, vs, n);
            momentum_step<T>(rule, load_lanes(d_row + c * ds, ds, n), x, v);
            store_lanes(v_row + c * vs, vs, v, n);
            store_lanes(w_row + c * ws, ws, x, n);
        });
    }
}

template <class T>
static Status sgd_momentum(const SgdMomentumArgs<T>& args, const Target& target) {
    SgdMomentumWork<T> work{args, {}};
    straighten(work.args.w, work.args.velocity, work.args.dw);
    work.tiling = tiling_of(work.args.w.rows, work.args.w.cols);
    return parallel_for(target, work.tiling.tasks, 6 * elements_per_task(work.tiling),
                        sgd_momentum_task<T>, &work);
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
