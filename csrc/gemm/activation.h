// Activations and their slopes, on vectors. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#include "core/simd_math.h"
#include "gemm/gemm.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
LW_INLINE Vec<T> activate(Activation f, Vec<T> z) {
    switch (f) {
        case Activation::sigmoid:
            return sigmoid<T>(z);
        case Activation::relu:
            return max_keep_nan<T>(z, Vec<T>{});
        case Activation::softplus:
            return softplus<T>(z);
        case Activation::tanh:
            return tanh<T>(z);
        case Activation::none:
            break;
    }
    return z;
}

// f'(z) in terms of y = f(z).
template <class T>
LW_INLINE Vec<T> activation_slope(Activation f, Vec<T> y) {
    switch (f) {
        case Activation::sigmoid:
            return y * (T(1) - y);
        case Activation::relu:
            return select<T>(y > T(0), splat<T>(T(1)), Vec<T>{});
        case Activation::softplus:
            return -expm1_negative<T>(-y);
        case Activation::tanh:
            return (T(1) - y) * (T(1) + y);
        case Activation::none:
            break;
    }
    return splat<T>(T(1));
}

// body.template operator()<f>()
template <class Body>
LW_INLINE void visit_activation(Activation f, const Body& body) {
    switch (f) {
        case Activation::none:
            return body.template operator()<Activation::none>();
        case Activation::sigmoid:
            return body.template operator()<Activation::sigmoid>();
        case Activation::relu:
            return body.template operator()<Activation::relu>();
        case Activation::softplus:
            return body.template operator()<Activation::softplus>();
        case Activation::tanh:
            return body.template operator()<Activation::tanh>();
    }
}

}  // namespace layerwise::LW_ISA_NAMESPACE
