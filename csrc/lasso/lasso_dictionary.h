// dictionary_statistics, dictionary_update: the dictionary that serves given codes best.
//
//   dictionary_statistics   A = keep A + C'C,  B = keep B + C'X
//
// for signals X and their codes C: all of them that the dictionary's objective knows.
//
//   dictionary_update       minimise over Phi, with ||phi_j|| <= 1 [, phi_j >= 0],
//                           1/2 tr(Phi' A Phi) - tr(B' Phi) = 1/2 ||X - C Phi||^2 + const
//
// atom by atom: a sweep takes the atoms in turn, each to its minimum given all the others,
//
//   u = phi_j + (b_j - a_j Phi) / a_jj,  u = max(u, 0) where non-negative,
//   phi_j = u / max(1, ||u||)
//
// Shapes    C (N,K) in CSR; X (N,D) dense, bit-packed or CSR; A (K,K), symmetric and positive
//           semi-definite; B and phi (K,D).
// Layout    any strides; phi is worked on in a copy with rows of whole vectors.
// Aliasing  what is overwritten (A and B; phi) overlaps nothing else.
// Atoms     whose a_jj is not above 0, which no code uses, stay as they are.
// Blocks    b_j - a_j Phi is worked out for 32 atoms at a time, as the product it is, and then
//           follows each of them as it moves: the sweep is still that of one atom after the other.
// Sums      in T. Elements of A and B: a chain over ascending signals from keep times what was
//           there; keep = 0 forgets NaN too. b_j - a_j Phi: a chain over ascending k from b_j, then
//           the moves within the block in their order. ||u||^2: one chain a lane, then sum_lanes.
//           So the thread count changes no bit.
// Interrupt A and B may be part way, and worth nothing; phi is as a whole sweep left it.
// Cost      2 (s + D) FLOPs a non-zero of C, s those of its signal; 2 K^2 D FLOPs a sweep. Bytes: A
//           and B once a call or sweep; phi is read from cache.
// Source    Mairal, Bach, Ponce & Sapiro 2010, algorithm 2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "core/matrix.h"
#include "core/target.h"

namespace layerwise {

template <class T>
struct DictionaryStatisticsArgs {
    CsrMatrix<T> codes;
    Operand<T> x;
    T keep = 0;
    Matrix<T> a, b;
};

template <class T>
struct DictionaryUpdateArgs {
    Matrix<const T> a, b;
    bool nonnegative = false;
    int64_t sweeps = 1;
    Matrix<T> phi;
    void* workspace = nullptr;
};

template <class T>
struct DictionaryFunctions {
    Status (*statistics)(const DictionaryStatisticsArgs<T>&, const Target&);
    Status (*update)(const DictionaryUpdateArgs<T>&, const Target&);
    size_t (*workspace)(int64_t atoms, int64_t features);
};

struct DictionaryKernels {
    DictionaryFunctions<float> f32;
    DictionaryFunctions<double> f64;
};
LW_DECLARE_KERNELS(DictionaryKernels, lasso_dictionary_kernels)

}  // namespace layerwise
