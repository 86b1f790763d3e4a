// dense: what a fully connected layer needs beside the matrix product. The affine maps themselves
// (dense, dense_dx, dense_dw, dense_dw_update) are gemm with an epilogue; see gemm/gemm.h.
//
//   dense_db               out_j = alpha sum_n dz_nj
//   activation_dx          out = dy f'(y), f' in terms of f's own output y:
//                          none 1, sigmoid y (1 - y), relu [y > 0], softplus 1 - e^-y, tanh 1 - y^2
//   softmax                p_nc = e^(z_nc - m_n) / s_n,  m_n = max_c z_nc,
//                          s_n = sum_c e^(z_nc - m_n)
//   softmax_cross_entropy  loss_n = r_n (log s_n + m_n - z_n,label),  dz_n = r_n (p_n - onehot),
//                          r_n the row's weight (1 where none is given)
//   dropout                out = x / (1 - rate) where u >= rate, +0 elsewhere whatever x holds; its
//                          own derivative, as no mask is stored but drawn again
//   sgd_momentum           velocity = momentum velocity + rate (dw - weight_decay w);
//                          w += velocity
//
// Shapes    dz, dy, y, z, x (N,F) or (N,C); db (F,); labels, weight, loss (N,);
//           w, velocity and dw of one shape.
// Layout    any strides. Unit column strides are fast; activation_dx and sgd_momentum are fast for
//           unit row strides too.
// Aliasing  the output of activation_dx, softmax, softmax_cross_entropy (dz) and dropout may be the
//           input itself (same strides); no other overlap of an output.
// Sums      in T. dense_db: each column is a chain over ascending n within blocks of 64 rows,
//           then a binary tree over the blocks of 2^20 rows, and a chain over those. softmax: lanes
//           run down the classes, a chain over 64 vectors is a block, then the binary tree over
//           blocks, then sum_lanes. So the thread count and the batch split (softmax) change no
//           bit; dense_db has the same bits at every level too. On CUDA the trees are over threads,
//           and fixed by the shape likewise.
// Numerics  z - m_n is at most 0, so no finite z overflows; its rounding gives p a relative
//           error of a few eps max(1, m_n - z_nc), loss an absolute one of a few
//           eps max(1, m_n - z_n,label).
//           A row that holds NaN or +inf, or nothing but -inf, gives NaN throughout.
// Random    Philox, purpose dropout, row ids from random, unit = column. As u is a multiple of
//           2^-24, comparing with rate rounded up to the next one is the same in both dtypes.
// Interrupt sgd_momentum may stop between tasks: each element is then updated whole or not at all.
// Cost      bytes: every array once (softmax: rows stay in cache for three passes). FLOPs an
//           element: dense_db 1, activation_dx 3 (softplus 20), softmax 25, dropout 15,
//           sgd_momentum 6.
// Source    Rumelhart, Hinton & Williams 1986; Bridle 1990 (softmax); Srivastava et al. 2014
//           (dropout, here in its inverted form); Polyak 1964 (momentum); Higham 1993 (pairwise
//           summation).
#pragma once

#include "gemm/gemm.h"

namespace layerwise {

template <class T>
struct DenseDbArgs {
    Matrix<const T> dz;
    T alpha = 1;
    Vector<T> out;
};

template <class T>
struct ActivationDxArgs {
    Matrix<const T> dy, y;
    Activation activation = Activation::none;
    Matrix<T> out;
};

template <class T>
struct SoftmaxArgs {
    Matrix<const T> z;
    Matrix<T> out;
};

template <class T>
struct SoftmaxCrossEntropyArgs {
    Matrix<const T> z;
    Vector<const int64_t> labels;  // each in [0, z.cols): checked by the binding
    Vector<const T> weight;        // data may be null
    Vector<T> loss;
    Matrix<T> dz;
};

template <class T>
struct DropoutArgs {
    Matrix<const T> x;
    double rate = 0;  // in [0, 1)
    RandomStream random;
    Matrix<T> out;
};

template <class T>
struct SgdMomentumArgs {
    Matrix<T> w, velocity;
    Matrix<const T> dw;
    Momentum<T> rule;
};

template <class T>
struct DenseFunctions {
    Status (*dense_db)(const DenseDbArgs<T>&, const Target&);
    Status (*activation_dx)(const ActivationDxArgs<T>&, const Target&);
    Status (*softmax)(const SoftmaxArgs<T>&, const Target&);
    Status (*softmax_cross_entropy)(const SoftmaxCrossEntropyArgs<T>&, const Target&);
    Status (*dropout)(const DropoutArgs<T>&, const Target&);
    Status (*sgd_momentum)(const SgdMomentumArgs<T>&, const Target&);
};

struct DenseKernels {
    DenseFunctions<float> f32;
    DenseFunctions<double> f64;
};
LW_DECLARE_KERNELS(DenseKernels, dense_kernels)

}  // namespace layerwise
