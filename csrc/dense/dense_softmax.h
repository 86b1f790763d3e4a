// softmax and softmax_cross_entropy: three passes over a row that stays in cache. Include from
// *_cpu.cpp files only.
#pragma once

#include "core/parallel.h"
#include "core/simd_math.h"
#include "dense/dense.h"
#include "dense/dense_walk.h"

namespace layerwise::LW_ISA_NAMESPACE {

// The greatest of n >= 1 elements; NaN is passed over here and comes back through the sum.
template <class T>
LW_INLINE T greatest(const T* z, int64_t stride, int64_t n) {
    Vec<T> most = splat(z[0]);
    for_each_vector<T>(n, [&](int64_t c, int64_t count) {
        Vec<T> v = load_lanes(z + c * stride, stride, count);
        if (count < lanes<T>) v = pad_lanes<T>(v, count, z[0]);
        most = v > most ? v : most;
    });
    T out = most[0];
    for (int64_t i = 1; i < lanes<T>; ++i) out = most[i] > out ? most[i] : out;
    return out;
}

// out_c = e^(z_c - most); returns their sum in the order that dense.h promises.
template <class T>
LW_INLINE T exponentials(const T* z, int64_t stride, int64_t n, T most, T* out,
                         int64_t out_stride) {
    constexpr int64_t block = 64 * lanes<T>;
    TreeSum<T, 1> tree;
    for (int64_t first = 0; first < n; first += block) {
        Vec<T> sum = {};
        const T* from = z + first * stride;
        T* to = out + first * out_stride;
        for_each_vector<T>(min_of(block, n - first), [&](int64_t c, int64_t count) {
            Vec<T> e = exp<T>(load_lanes(from + c * stride, stride, count) - most);
            if (count < lanes<T>) e = pad_lanes<T>(e, count, T(0));
            store_lanes(to + c * out_stride, out_stride, e, count);
            sum += e;
        });
        add_block(tree, &sum);
    }
    Vec<T> sum;
    finish(tree, &sum);
    return sum_lanes<T>(sum);
}

// out_c = weight out_c / sum
template <class T>
LW_INLINE void normalise(T* out, int64_t stride, int64_t n, T sum, T weight) {
    for_each_vector<T>(n, [=](int64_t c, int64_t count) {
        const Vec<T> p = load_lanes(out + c * stride, stride, count) / sum * weight;
        store_lanes(out + c * stride, stride, p, count);
    });
}

// Rows of one task: 8 Ki elements, about 200 thousand operations.
LW_INLINE int64_t softmax_rows(int64_t cols) { return max_of(1, 8192 / max_of(1, cols)); }

constexpr double softmax_flops = 25;  // an element

template <class T>
static void softmax_task(void* context, int64_t task, int) {
    const auto& [z, out] = *static_cast<const SoftmaxArgs<T>*>(context);
    const int64_t rows = softmax_rows(z.cols);
    for (int64_t r = task * rows; r < min_of((task + 1) * rows, z.rows); ++r) {
        const T* from = z.data + r * z.row_stride;
        T* to = out.data + r * out.row_stride;
        const T most = greatest(from, z.col_stride, z.cols);
        const T sum = exponentials(from, z.col_stride, z.cols, most, to, out.col_stride);
        normalise(to, out.col_stride, z.cols, sum, T(1));
    }
}

template <class T>
static Status softmax(const SoftmaxArgs<T>& args, const Target& target) {
    if (args.z.cols == 0) return Status::ok;
    const int64_t rows = softmax_rows(args.z.cols);
    const double cost =
        softmax_flops * static_cast<double>(rows) * static_cast<double>(args.z.cols);
    return parallel_for(target, ceil_div(args.z.rows, rows), cost, softmax_task<T>,
                        const_cast<SoftmaxArgs<T>*>(&args));
}

template <class T>
static void softmax_cross_entropy_task(void* context, int64_t task, int) {
    const auto& [z, labels, weight, loss, dz] =
        *static_cast<const SoftmaxCrossEntropyArgs<T>*>(context);
    const int64_t rows = softmax_rows(z.cols);
    for (int64_t r = task * rows; r < min_of((task + 1) * rows, z.rows); ++r) {
        const T* from = z.data + r * z.row_stride;
        T* to = dz.data + r * dz.row_stride;
        const int64_t label = labels.data[r * labels.stride];
        const T w = weight.data ? weight.data[r * weight.stride] : T(1);
        const T most = greatest(from, z.col_stride, z.cols);
        const T gap = most - from[label * z.col_stride];  // read before z is overwritten in place
        const T sum = exponentials(from, z.col_stride, z.cols, most, to, dz.col_stride);
        const T target = to[label * dz.col_stride];
        normalise(to, dz.col_stride, z.cols, sum, w);
        to[label * dz.col_stride] = (target / sum - T(1)) * w;
        loss.data[r * loss.stride] = (log<T>(splat(sum))[0] + gap) * w;
    }
}

template <class T>
static Status softmax_cross_entropy(const SoftmaxCrossEntropyArgs<T>& args, const Target& target) {
    const int64_t rows = softmax_rows(args.z.cols);
    const double cost =
        softmax_flops * static_cast<double>(rows) * static_cast<double>(args.z.cols);
    return parallel_for(target, ceil_div(args.z.rows, rows), cost, softmax_cross_entropy_task<T>,
                        const_cast<SoftmaxCrossEntropyArgs<T>*>(&args));
}

}  // namespace layerwise::LW_ISA_NAMESPACE
