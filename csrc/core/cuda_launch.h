// Launching kernels: every CUDA call is checked, and a failure goes to the target with its place.
// Include from *_cuda.cu files only.
#pragma once

#include <cuda_runtime.h>

#include "core/simd.h"
#include "core/target.h"

namespace layerwise::LW_ISA_NAMESPACE {

#define LW_TEXT_(x) #x
#define LW_TEXT(x) LW_TEXT_(x)
#define LW_PLACE __FILE__ ":" LW_TEXT(__LINE__)

inline Status cuda_status(cudaError_t error, const char* call, const char* place,
                          const Target& target) {
    if (error == cudaSuccess) return Status::ok;
    cudaGetLastError();  // or the next call would report this one again
    *target.failure = {call, place, cudaGetErrorString(error)};
    return Status::failed;
}

// A call of the runtime: LW_CUDA_CALL(target, cudaMemsetAsync(...)) is a Status.
#define LW_CUDA_CALL(target, call) cuda_status(call, #call, LW_PLACE, target)

inline cudaStream_t stream_of(const Target& target) {
    return static_cast<cudaStream_t>(target.stream);
}

struct Grid {
    int64_t x = 1, y = 1;
    int threads = 256;
    size_t shared = 0;  // bytes of dynamic shared memory
};

constexpr int64_t max_grid_x = (int64_t(1) << 31) - 1, max_grid_y = 65535;
constexpr size_t free_shared = 48 * 1024;  // more than this has to be asked for

// Arguments are converted to the kernel's parameters; an empty grid is no launch.
template <class... Parameters, class... Arguments>
Status launch(const Target& target, const char* name, const char* place,
              void (*kernel)(Parameters...), const Grid& grid, const Arguments&... arguments) {
    if (grid.x == 0 || grid.y == 0) return Status::ok;
    cudaError_t error = cudaSuccess;
    if (grid.x > max_grid_x || grid.y > max_grid_y) error = cudaErrorInvalidConfiguration;
    if (grid.shared > free_shared && error == cudaSuccess)
        error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     static_cast<int>(grid.shared));
    if (error != cudaSuccess) return cuda_status(error, name, place, target);
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y));
    config.blockDim = dim3(static_cast<unsigned>(grid.threads));
    config.dynamicSmemBytes = grid.shared;
    config.stream = stream_of(target);
    return cuda_status(cudaLaunchKernelEx(&config, kernel, arguments...), name, place, target);
}

#define LW_LAUNCH(target, kernel, ...) launch(target, #kernel, LW_PLACE, kernel, __VA_ARGS__)

}  // namespace layerwise::LW_ISA_NAMESPACE
