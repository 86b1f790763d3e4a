// The machine instructions of the tensor-core product (sm_80 on), each as one function. Include
// from
// *_cuda.cu files only.
#pragma once

#include "core/simd.h"

namespace layerwise::LW_ISA_NAMESPACE {

// The block's dynamic shared memory.
LW_DEVICE char* shared_memory() {
    extern __shared__ __align__(1024) char memory[];
    return memory;
}

// 16 bytes from global to shared memory, without waiting. Both addresses are aligned to 16 bytes.
LW_DEVICE void copy_async(char* to, const void* from) {
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from) : "memory");
}

// Closes a group of copies.
LW_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until at most `pending` groups of this thread are under way.
template <int pending>
LW_DEVICE void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

// Four 8 x 8 matrices of 16-bit elements: lanes 8i..8i+7 give the addresses of the rows of matrix
// i, and lane l gets elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of each.
LW_DEVICE void load_matrices(const char* row, uint32_t (&out)[4]) {
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
}

// To nearest, ties to even; beyond 65504 infinity.
LW_DEVICE uint16_t to_half(float x) {
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}

LW_DEVICE float from_half(uint16_t bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

// c (16,8) += a (16,16) b (16,8), a and b halves, c float32. Lane l holds, with g = l / 4 and
// t = 2 (l % 4): of c rows g (c[0], c[1]) and g + 8 (c[2], c[3]) in columns t, t + 1; of a the rows
// g, g + 8, g, g + 8 in columns t, t, t + 8, t + 8 and the next; of b column g, rows t and t + 8
// and the next.
LW_DEVICE void multiply_matrices(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace layerwise::LW_ISA_NAMESPACE
