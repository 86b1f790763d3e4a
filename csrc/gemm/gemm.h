// gemm: the packed matrix product with a fused epilogue. conv, dense, gibbs and lasso build on it.
//
//   s = A B + tail_scale A' B'                       (A', B' optional: a second block of k)
//   z = alpha s + beta C + bias                      (bias one value a column)
//   y = f(z), or z f'(g) where gate g is given       (f' written in terms of f's own output g)
//   mean = y; sample = y plus noise:  none, Bernoulli: u < y, Gaussian: y + noise_scale n
//   step, if given: y is the gradient of a step with momentum (momentum.h), all or nothing
//
// Shapes    A (M,K), B (K,N), A' (M,K'), B' (K',N), C, gate, mean, sample (M,N), bias (N,).
// Layout    any strides; A and B dense, bit-packed or CSR; sample dense or bit-packed.
// Aliasing  mean or sample may be C or gate itself (same strides); no other overlap of an output
//           (step.w and step.velocity are outputs).
// Sums      in T: each s is one chain of fused multiply-adds (multiply, add at v2) over
//           ascending k, K first and then K', starting from +0. Sparse encodings skip the zeros,
//           which leaves the chain's bits alone as long as the other operand is finite (but for the
//           sign of a zero after underflow). So thread count, batch split and encoding do not
//           change a bit within one ISA level. float32 on CUDA has sums of its own, with the same
//           promise (gemm_cuda.cu).
// Random    Philox (core/philox.h): row ids from epilogue.rng, unit = column.
// Cost      2 M N (K+K') FLOPs dense; 2 N nnz(A) or 2 M nnz(B) on the sparse paths, taken under
//           the level's threshold of density. CUDA takes no CSR. Bytes: A, B and C once, plus the
//           packed copies (workspace).
// Source    Goto & van de Geijn 2008 (packing, blocking); Salmon et al. 2011 (Philox).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "core/matrix.h"
#include "core/random_stream.h"
#include "core/target.h"
#include "gemm/momentum.h"

namespace layerwise {

enum class Activation : uint8_t { none, sigmoid, relu, softplus, tanh };
enum class Noise : uint8_t { none, bernoulli, gaussian };

// How a packed B keeps its values: as they are, or rounded to bfloat16 (core/bfloat16.h), for
// float32 alone. The product is that of the rounded values, in float32 as ever.
enum class Storage : uint8_t { full, bfloat16 };

template <class T>
struct Epilogue {
    T alpha = 1, beta = 0;
    Matrix<const T> c;  // read where beta != 0
    Vector<const T> bias;
    Activation activation = Activation::none;
    Matrix<const T> gate;  // where given, activation names f and y = z f'(gate)
    Noise noise = Noise::none;
    T noise_scale = 1;
    RandomStream random;
    MomentumStep<T> step;
};

template <class T>
struct GemmArgs {
    Operand<T> a, b;
    Operand<T> a_tail, b_tail;  // cols / rows 0: no second block
    T tail_scale = 1;
    Epilogue<T> epilogue;
    Matrix<T> mean, sample;  // the data pointers may be null
    BitMatrix<uint64_t> sample_bits;
    const void* packed_b = nullptr;   // pack_b's result for b (no tail); b stays readable
    Storage storage = Storage::full;  // of packed_b; ignored where that is null
    void* workspace = nullptr;        // workspace() bytes, 64-byte aligned
    size_t workspace_bytes = 0;
};

// Sizes that decide the workspace.
struct GemmShape {
    int64_t m = 0, n = 0, k = 0;  // k counts both blocks
    size_t max_workspace = 0;     // 0: no bound; otherwise M and N are tiled to stay under it
    bool packed_b = false;        // B comes packed, the workspace holds no copy of it
};

template <class T>
struct GemmFunctions {
    Status (*run)(const GemmArgs<T>&, const Target&);
    size_t (*workspace)(const GemmShape&, const Target&);
    size_t (*min_workspace)(const GemmShape&, const Target&);  // the least max_workspace accepted
    size_t (*packed_b_bytes)(int64_t k, int64_t n, Storage);
    // `packed` 64-byte aligned; bfloat16 is for a dense b of float32 alone
    Status (*pack_b)(const Operand<T>& b, Storage, void* packed, const Target&);
};

struct GemmKernels {
    GemmFunctions<float> f32;
    GemmFunctions<double> f64;
};
LW_DECLARE_KERNELS(GemmKernels, gemm_kernels)

}  // namespace layerwise
