// lasso: sparse codes of many signals over one dictionary.
//
//   a = argmin 1/2 ||x - a Phi||^2 + alpha sum_j weight_j |a_j| + 1/2 sum_j ridge_j a_j^2
//
// for each signal x, on the Gram matrix G = Phi Phi' and the correlations c = x Phi' (both gemm).
// With r = c - a G - ridge a (what is left of the correlations) the duality gap at the dual point
// kappa (x - a Phi), kappa = min(1, min_j alpha weight_j / |r_j|), is
//
//   gap = sum_j (alpha weight_j |a_j| - kappa a_j r_j) + 1/2 (1 - kappa)^2 R,
//   R = ||x - a Phi||^2 + sum_j ridge_j a_j^2 = ||x||^2 - a (c + r)',
//
// a sum of terms that vanish at the solution, so that it is not lost in rounding. Reported is
// gap / (1/2 ||x||^2), 0 for a zero signal, NaN (and zero codes) where x or Phi is not finite, or
// the diagonal of a G that was given.
// With alpha = 0, where no finite gap exists, it is max_j |r_j| / (||phi_j|| ||x||).
//
// Shapes    x (M,D) dense, bit-packed or CSR; phi (K,D) of any norms; weights > 0 (+inf bars an
//           atom) and ridge >= 0 (1,K) for all signals or (M,K); start (M,K) in any encoding;
//           gram (K,K), G, which is made where it is not given; missing (M,D), of dense x;
//           codes (M,K), or slabs (below) and counts (M,); gap (M,).
// Layout    any strides. Non-negative: codes and start are >= 0, the dual bounds r from above only.
// Aliasing  no output overlaps anything else.
// Stop      each signal on its own: relative gap <= tolerance, or max_iterations passes over the
//           correlations of all atoms, or where rounding allows no step. The gap is that of the
//           codes returned, in T: its rounding error is about eps(T) sum_j |a_j| / ||x||.
//           float32 signals that its rounding keeps from the tolerance are solved on in float64, in
//           residual form, before their codes are rounded; their gap is that of the latter.
// Methods   active_set: the atoms that violate most join, the signed system of the active atoms is
//           solved exactly by the inverse of their Gram matrix, kept up to date by rank-one
//           changes; the first coefficient to change sign leaves. An atom in the span of the active
//           ones takes the place of one of them. Where the set grows past its capacity,
//           coordinate_descent carries on from there.
//           automatic is active_set unless start is too dense for it.
//           matching_pursuit has no alpha: at most max_active atoms join by OMP, the one with the
//           largest |r_j| / ||phi_j|| first, each time with the least-squares codes of all, until
//           the square residual ||x - a Phi||^2 <= tolerance, which `gap` receives. An atom that
//           depends on those active ends it. Weights, ridge, sign and start do not apply.
// Narrow    float64 signals of alpha alone are solved in float32 first, where the tolerance allows
//           it. The gap is then computed in float64: of the codes, the active atoms, and those
//           whose correlations, within the bound of their rounding, may be larger than alpha.
//           Where that misses the tolerance float64 goes on from the codes. A pursuit in float64
//           compares only the atoms that float32, within that bound, leaves in doubt.
// Residual  form: x - a Phi and its correlations with all atoms are made afresh in each pass,
//           products of atoms as they join. 2 D K FLOPs a pass.
// Missing   entries leave the problem of their signal, with what all atoms have there: it is solved
//           on a copy of the atoms' other entries, in residual form and float64. A signal of which
//           nothing is observed is a zero one, a signal without missing entries as any other.
// Sums      in T but for these. A signal's result depends on nothing but itself, at any thread
//           count and batch.
// Cost      2 D K FLOPs a signal for c and 2 K |S| for each pass; 2 K^2 D for G, once. Bytes: x and
//           codes once; G is read from cache, |S| rows of it a pass.
// Slabs     codes.data null: rows [64 t, 64 t + 64) leave their non-zeros, columns ascending, one
//           after the other in the t-th slab of the workspace; compact() gathers them into CSR.
// Source    Osborne, Presnell & Turlach 2000 (active set); Lee, Battle, Raina & Ng 2007
//           (feature-sign search); Friedman, Hastie & Tibshirani 2010 (coordinate descent);
//           Kim, Koh, Lustig, Boyd & Gorinevsky 2007 (gap); Pati, Rezaiifar & Krishnaprasad 1993,
//           Rubinstein, Zibulevsky & Elad 2008 (OMP, on the Gram matrix).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "core/matrix.h"
#include "core/target.h"

namespace layerwise {

enum class LassoMethod : uint8_t { automatic, active_set, coordinate_descent, matching_pursuit };

template <class T>
struct LassoArgs {
    Operand<T> x;
    Matrix<const T> phi;
    Matrix<const T> gram;           // data null: made of phi
    bool nan_missing = false;       // NaN in dense x is a missing entry,
    Matrix<const uint8_t> missing;  // and so is what is not 0 here; data null: nothing
    T alpha = 1;
    Matrix<const T> weights, ridge;  // data null: ones, zeros
    bool nonnegative = false;
    bool has_start = false;
    Operand<T> start;
    T tolerance = T(1e-4);
    int64_t max_iterations = 1000;
    int64_t max_active = 0;  // matching_pursuit
    LassoMethod method = LassoMethod::automatic;
    Matrix<T> codes;
    Vector<int64_t> counts;  // non-zeros of each row, where codes.data is null
    Vector<T> gap;
    void* workspace = nullptr;
};

// Gathers the slabs that a run with null codes left in the same workspace.
template <class T>
struct LassoCompactArgs {
    Vector<const int64_t> indptr;  // (M + 1,): sums of counts
    int64_t atoms = 0;
    Vector<int32_t> indices;  // contiguous
    Vector<T> values;         // contiguous
    const void* workspace = nullptr;
};

struct LassoShape {
    int64_t signals = 0, features = 0, atoms = 0;
    bool slabs = false;      // room for CSR output
    int64_t max_active = 0;  // of matching_pursuit; 0: another method
    bool missing = false;    // whether entries of x may be
};

template <class T>
struct LassoFunctions {
    Status (*run)(const LassoArgs<T>&, const Target&);
    Status (*compact)(const LassoCompactArgs<T>&, const Target&);
    size_t (*workspace)(const LassoShape&, const Target&);
    size_t (*slab_bytes)(const LassoShape&);  // the first part of it
};

struct LassoKernels {
    LassoFunctions<float> f32;
    LassoFunctions<double> f64;
};
LW_DECLARE_KERNELS(LassoKernels, lasso_kernels)

}  // namespace layerwise
