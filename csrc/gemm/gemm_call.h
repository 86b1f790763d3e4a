// Calling gemm from another family's kernels, at the same ISA level. Include from *_cpu.cpp and
// *_cuda.cu files only.
#pragma once

#include "core/operand.h"
#include "gemm/gemm.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
static const GemmFunctions<T>& gemm_functions() {
    if constexpr (sizeof(T) == 4)
        return gemm_kernels().f32;
    else
        return gemm_kernels().f64;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
