// The instructions of csrc/gemm/mma_cuda.h, emulated.
#pragma once

#include "core/simd.h"

namespace emulated {
char* shared_memory();
void copy_async(char* to, const void* from);
void commit_copies();
void wait_for_copies(int pending);
uint16_t to_half(float x);
float from_half(uint16_t bits);
void load_matrices(const char* row, uint32_t* out);
void multiply_matrices(float* c, const uint32_t* a, uint32_t b0, uint32_t b1);
}  // namespace emulated

namespace layerwise::LW_ISA_NAMESPACE {

using emulated::commit_copies;
using emulated::copy_async;
using emulated::from_half;
using emulated::load_matrices;
using emulated::multiply_matrices;
using emulated::shared_memory;
using emulated::to_half;

template <int pending>
void wait_for_copies() {
    emulated::wait_for_copies(pending);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
