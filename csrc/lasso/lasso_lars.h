// lars: the solutions of many signals over one dictionary as the penalty falls.
//
//   a(t) = argmin_a 1/2 ||x - a Phi||^2 + t ||a||_1 [, a >= 0]
//
// for each signal x, for t from alpha_max = max_j |x phi_j'|, where a is 0, down to alpha. a(t) is
// continuous and linear between knots. With the active atoms A, their signs s, c = x Phi',
// G = Phi Phi' and H = G_AA^-1,
//
//   a_A(t) = u - t w,               u = H c_A,      w = H s
//   (x - a(t) Phi) Phi' = p + t q,  p = c - u G_A,  q = w G_A
//
// until, at the next knot, the correlation of another atom meets t (it joins) or a code reaches
// zero (its atom leaves).
//
// Shapes    x (M,D) dense, bit-packed or CSR; phi (K,D) of any norms. Either codes (M,K), gap and
//           alphas (M,), of the last knot of each signal, or knots and counts (M,): how many knots
//           each has (with path = false the last only) and how many non-zeros at all of them. These
//           lie in slabs in the workspace, from where compact() takes them to alphas, gap and
//           sizes, one element a knot, and indices and values, one a non-zero: the rows of a CSR
//           matrix, columns ascending.
// Layout    any strides; what compact() writes is contiguous.
// Aliasing  no output overlaps anything else.
// Ends      at alpha, the last knot. Before it where the next atom would be one more than
//           max_active, after max_steps steps from knot to knot, or where rounding leaves no step
//           (ties that no order of joining resolves, atoms all but dependent). A signal whose
//           correlations do not exceed alpha has one knot, at alpha. The relative duality gap
//           (lasso.h) at each knot is that of the codes returned; NaN where x or Phi is not finite,
//           which has one knot of zero codes.
// Ties      events at one t happen one after the other, the atom of lowest index first, which ends
//           (Murty's rule for the linear complementarity problem that they are), and make one knot.
//           An atom in the span of the active ones, as the second of two equal ones, stays out;
//           one that leaves less than 1e-13 of its square norm outside of it counts as such, and
//           the gaps tell what that costs. Below 1e-12 alpha_max there are no knots but the end.
// Sums      in float64 for both dtypes; alphas and codes are rounded at the end. At every knot u,
//           w are made from c and s, and refined until what they leave of them is rounding: nothing
//           builds up along the path. A signal's result depends on nothing but itself, at any
//           thread count and batch.
// Cost      4 K |A| + 10 |A|^2 FLOPs an event, 2 K |A| more for each gap; 2 D K a signal, 2 K^2 D
//           once. Memory: 8 K^2 bytes; a thread 8 n^2, n = min(D, K, max_active); slabs of
//           (4 + sizeof(T)) n bytes a signal, times max_steps for a path.
// Source    Osborne, Presnell & Turlach 2000 (homotopy); Efron, Hastie, Johnstone & Tibshirani
//           2004, section 3.1 (LARS, lasso modification); Murty 1974 (least index).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "core/matrix.h"
#include "core/target.h"

namespace layerwise {

// Sizes that decide the workspace.
struct LarsShape {
    int64_t signals = 0, features = 0, atoms = 0;
    int64_t max_active = 0;
    int64_t kept = 0;  // knots in the slabs a signal: 0 with codes, else 1 or up to max_steps + 1
};

template <class T>
struct LarsArgs {
    Operand<T> x;
    Matrix<const T> phi;
    T alpha = 0;
    bool nonnegative = false;
    bool path = false;
    int64_t max_active = 0, max_steps = 0;
    Matrix<T> codes;
    Vector<T> gap, alphas;
    Vector<int64_t> knots, counts;  // where codes.data is null
    void* workspace = nullptr;
};

// Gathers what a run left in the same workspace.
template <class T>
struct LarsCompactArgs {
    LarsShape shape;
    Vector<const int64_t> knot_ends, code_ends;  // (M + 1,): sums of knots and of counts
    Vector<T> alphas, gap;                       // of each knot
    Vector<int64_t> sizes;                       // non-zeros of each knot
    Vector<int32_t> indices;
    Vector<T> values;
    const void* workspace = nullptr;
};

template <class T>
struct LarsFunctions {
    Status (*run)(const LarsArgs<T>&, const Target&);
    Status (*compact)(const LarsCompactArgs<T>&, const Target&);
    size_t (*workspace)(const LarsShape&, const Target&);
    size_t (*slab_bytes)(const LarsShape&);  // the first part of it
};

struct LarsKernels {
    LarsFunctions<float> f32;
    LarsFunctions<double> f64;
};
LW_DECLARE_KERNELS(LarsKernels, lasso_lars_kernels)

}  // namespace layerwise
