// Stands in for CUDA's header where the *_cuda.cu files are compiled as C++: one device, whose
// memory is the host's and whose threads are fibers (emulator.cpp). It shows what a kernel computes
// and whether it waits where it must; not how fast it is, nor that a GPU does the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>

#define CUDART_VERSION 0
#define __host__
#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static  // blocks run one after the other

using std::max;
using std::min;

struct dim3 {
    unsigned x, y;
    dim3(unsigned x_ = 1, unsigned y_ = 1) : x(x_), y(y_) {}
};
extern dim3 threadIdx, blockIdx, gridDim;

void __syncthreads();
int __syncthreads_or(int value);
void __syncwarp();

namespace emulated {
uint64_t exchange(uint64_t value, int lane_mask);
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int lane_mask) {
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    word = emulated::exchange(word, lane_mask);
    std::memcpy(&value, &word, sizeof value);
    return value;
}

inline void atomicMax(uint32_t* at, uint32_t value) { *at = max(*at, value); }

enum cudaError_t { cudaSuccess, cudaErrorInvalidConfiguration };
enum cudaMemoryType { cudaMemoryTypeDevice, cudaMemoryTypeManaged };
enum cudaMemcpyKind { cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaDevAttrMaxSharedMemoryPerBlockOptin, cudaFuncAttributeMaxDynamicSharedMemorySize };
using cudaStream_t = void*;

struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
};

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
};

namespace emulated {
cudaError_t run(const cudaLaunchConfig_t& config, const std::function<void()>& thread);
int shared_bytes();  // that a block may ask for
}  // namespace emulated

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
    return [&](Parameters... parameters) {
        return emulated::run(*config, [&] { kernel(parameters...); });
    }(arguments...);
}

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, int, int) {
    return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, int, int) {
    *value = emulated::shared_bytes();
    return cudaSuccess;
}

inline const char* cudaGetErrorString(cudaError_t) { return "invalid configuration argument"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void*) {
    *attributes = {cudaMemoryTypeDevice, 0};
    return cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
    std::memset(to, value, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                                   cudaStream_t) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                                     size_t width, size_t height, cudaMemcpyKind, cudaStream_t) {
    for (size_t i = 0; i < height; ++i)
        std::memcpy(static_cast<char*>(to) + i * to_pitch,
                    static_cast<const char*>(from) + i * from_pitch, width);
    return cudaSuccess;
}
