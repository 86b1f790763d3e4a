// gibbs: block Gibbs sampling in a Bernoulli-Bernoulli RBM and the statistics of CD-k and PCD.
//
//   P(h_j=1|v) = sigm(a_j + sum_i W_ji v_i)      P(v_i=1|h) = sigm(b_i + sum_j W_ji h_j)
//   F(v) = -b'v - sum_j softplus(a_j + sum_i W_ji v_i)
//   dw = E_data[h v'] - E_model[h v'], and likewise db (visible), da (hidden), each an average over
//   its own rows: B data rows, C chain rows.
//
// Shapes    w (F,D) as scikit-learn stores components_; v (B,D), h (B,F), b (D,), a (F,).
// CD-k      chains start at the data: B = C. One sweep s = 0..k-1 is h ~ P(h|v), v ~ P(v|h) (or the
//           means where visible_means); the positive statistics and the last hidden update use
//           means (Hinton 2010). PCD starts the sweeps at `chains` and leaves the new states there.
// Random    purpose gibbs_hidden / gibbs_visible, step = random.step + s; row id = data row's id
//           (CD) or chain_stream's (PCD).
// Storage   bfloat16: every half-step reads w rounded to bfloat16, an error of at most 2^-8 |w_ji|
//           in each normal weight (none in binary states; beyond the largest bfloat16 infinity):
//           the bits of the call with rounded w, but that a step moves w itself. Half the bytes of
//           the packed w on the CPU; one part a value on CUDA's tensor cores.
// Interrupt leaves parameters and chains alone: both are written at the very end, without a stop.
// Cost      (2k + 1) half-steps of 2 B D F FLOPs plus 4 B D F for dw, dense; sparse rows cost their
//           density's share.
// Source    Smolensky 1986; Hinton 2002 (CD), 2010 (what is sampled); Tieleman 2008 (PCD).
#pragma once

#include "gemm/gemm.h"

namespace layerwise {

// What becomes of the statistics: they move the parameters at once (w is the w of the call, and so
// on; biases do not decay), or go to dw, db, da where w.data is null.
template <class T>
struct GibbsCdStep {
    Matrix<T> w, w_velocity;
    Vector<T> b, b_velocity, a, a_velocity;
    Momentum<T> rule;
};

template <class T>
struct GibbsCdArgs {
    Operand<T> v;
    Matrix<const T> w;
    Vector<const T> b, a;
    int k = 1;
    bool visible_means = false;       // the chain's visible states are means (CD only)
    Storage storage = Storage::full;  // of w for the half-steps; bfloat16: float32 only
    BitMatrix<uint64_t> chains;       // (C,D) in and out; words null: CD, start at v
    RandomStream random;              // purpose ignored but for its layer bits
    Matrix<T> dw;                     // (F,D)
    Vector<T> db, da;
    GibbsCdStep<T> step;
    void* workspace = nullptr;
    size_t workspace_bytes = 0;
};

template <class T>
struct FreeEnergyArgs {
    Operand<T> v;
    Matrix<const T> w;
    Vector<const T> b, a;
    Vector<T> out;  // (B,): F(v)
    void* workspace = nullptr;
    size_t workspace_bytes = 0;
};

// out_n = sum_i log P(v_i | v_-i) = sum_i log sigm(F(v with v_i made 1 - v_i) - F(v)).
template <class T>
struct PseudoLikelihoodArgs {
    Operand<T> v;
    Matrix<const T> w;
    Vector<const T> b, a;
    Vector<T> out;  // (B,)
    void* workspace = nullptr;
    size_t workspace_bytes = 0;
};

struct GibbsShape {
    int64_t batch = 0;
    int64_t chains = 0;  // 0: CD, as many chains as data rows
    int64_t visible = 0, hidden = 0;
    Storage storage = Storage::full;
};

template <class T>
struct GibbsFunctions {
    Status (*cd)(const GibbsCdArgs<T>&, const Target&);
    Status (*free_energy)(const FreeEnergyArgs<T>&, const Target&);
    Status (*pseudo_likelihood)(const PseudoLikelihoodArgs<T>&, const Target&);
    size_t (*cd_workspace)(const GibbsShape&, const Target&);
    size_t (*free_energy_workspace)(const GibbsShape&, const Target&);
    size_t (*pseudo_likelihood_workspace)(const GibbsShape&, const Target&);
};

struct GibbsKernels {
    GibbsFunctions<float> f32;
    GibbsFunctions<double> f64;
};
LW_DECLARE_KERNELS(GibbsKernels, gibbs_kernels)

}  // namespace layerwise
