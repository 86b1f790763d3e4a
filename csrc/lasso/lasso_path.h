// lasso_path: one signal over many features, for a list of penalties.
//
//   w, b = argmin 1/2 sum_i s_i (y_i - x_i w - b)^2 + l sum_j weight_j |w_j| + 1/2 r ||w||^2
//
// for each pair (l, r) of `penalty` and `ridge`, every one from the solution of the one before.
// scikit-learn's objective is this divided by S = sum_i s_i: l = S alpha l1_ratio,
// r = S alpha (1 - l1_ratio). Below, e = y - X w - b and c = X' (s e) - r w, with columns and y
// centred (weighted means, implicit: X stays as it is) where b is free. The duality gap at the dual
// point kappa e, kappa = min(1, min_j l weight_j / |c_j|), is
//
//   gap = sum_j (l weight_j |w_j| - kappa w_j c_j) + 1/2 (1 - kappa)^2 (sum_i s_i e_i^2 + r |w|^2)
//
// over all features; reported is gap / sum_i s_i y_i^2 (y centred), 0 for a zero y, NaN (and zero
// codes) where something is not finite. With l = 0 it is max_j |c_j| / (||x_j|| ||y||) instead.
//
// Shapes    columns (P,N) is X': dense, or CSR, which is CSC of X; y (N,); sample_weights s (N,)
//           >= 0; weights (P,) > 0 (+inf bars a feature); start (P,); penalty, ridge (A,) float64,
//           >= 0; codes (A,P); intercept, gap (A,); iterations (A,) int64.
// Layout    any strides. A column of X that is no run of elements is copied first, with the others.
//           Non-negative: codes are >= 0 (negative ones in start are zero), c bounded from above
//           only.
// Aliasing  no output overlaps anything else.
// Stop      gap <= tolerance, or max_iterations epochs of coordinate descent for one penalty, or
//           where rounding allows no step.
// Method    A working set of features and its Gram matrix. On it epochs of coordinate descent,
//           which find the support, take turns with Newton steps on the support, by an inverse of
//           its Gram matrix that is kept up to date in blocks. Features that violate the optimality
//           conditions join; far from the solution the penalty is lowered in steps. A working set
//           beyond its capacity is solved by coordinate descent on the residual.
//           A correlation moves by at most ||x_j|| times what the residual has moved since it was
//           computed (Cauchy and Schwarz): columns that this leaves within l weight_j are not read,
//           and the gap is that of a pass over all columns all the same.
// Sums      in float64 for both dtypes; the bits do not depend on the number of threads.
// Cost      2 N P FLOPs for the first pass over X, and the bytes of X once (three times where it is
//           copied); later passes read some of the columns. 2 N |W| for each feature that joins the
//           working set W, 2 |W| for each coordinate that moves in an epoch, 8 |S|^2 for each
//           change of the support S.
// Memory    8 |W|^2 bytes for the Gram matrix, 8 |S|^2 for the inverse, with |W| <= 4096 and
//           |S| <= 2048; pages that are not needed are not touched.
// Source    Massias, Gramfort & Salmon 2018 (working sets); Fercoq, Gramfort & Salmon 2015 (gap,
//           screening); Friedman, Hastie & Tibshirani 2010 (coordinate descent, warm starts);
//           Bertrand et al. 2022 (the objective's generality).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "core/matrix.h"
#include "core/target.h"

namespace layerwise {

template <class T>
struct LassoPathArgs {
    Operand<T> columns;
    Vector<const T> y, sample_weights;  // data null: ones
    Vector<const T> weights, start;     // data null: ones, zeros
    Vector<const double> penalty, ridge;
    bool intercept = true;
    bool nonnegative = false;
    double tolerance = 1e-4;
    int64_t max_iterations = 1000;
    Matrix<T> codes;
    Vector<T> intercepts, gap;
    Vector<int64_t> iterations;
    void* workspace = nullptr;
};

struct LassoPathShape {
    int64_t samples = 0, features = 0;
    bool copied = false;  // X is dense and its columns are no runs of elements
};

template <class T>
struct LassoPathFunctions {
    Status (*run)(const LassoPathArgs<T>&, const Target&);
    size_t (*workspace)(const LassoPathShape&);
};

struct LassoPathKernels {
    LassoPathFunctions<float> f32;
    LassoPathFunctions<double> f64;
};
LW_DECLARE_KERNELS(LassoPathKernels, lasso_path_kernels)

}  // namespace layerwise
