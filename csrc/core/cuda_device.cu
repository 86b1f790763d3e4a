// The CUDA runtime, for the bindings.
#include "core/cuda_device.h"

#include <cuda_runtime.h>

#include "core/errors.h"

namespace layerwise {
namespace {

void require(cudaError_t error, const char* op, const char* call, const char* place) {
    if (error == cudaSuccess) return;
    cudaGetLastError();  // or the next call would report this one again
    throw runtime_error(op, ": ", call, " must succeed (", place, "); got CUDA error '",
                        cudaGetErrorString(error), "'");
}

#define LW_TEXT_(x) #x
#define LW_TEXT(x) LW_TEXT_(x)
#define LW_REQUIRE(op, call) require(call, op, #call, "cuda_device.cu:" LW_TEXT(__LINE__))

}  // namespace

std::string cuda_toolkit() {
    if (CUDART_VERSION == 0) return "emulated";
    return std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);
}

int cuda_device_count() {
    int count = 0;
    if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
    cudaGetLastError();  // no driver or no device: an answer, and no error
    return 0;
}

int cuda_device_of(const char* op, const void* pointer) {
    cudaPointerAttributes attributes{};
    LW_REQUIRE(op, cudaPointerGetAttributes(&attributes, pointer));
    const bool on_device =
        attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
    return on_device ? attributes.device : -1;
}

void cuda_copy_to_host(const char* op, void* to, const void* from, size_t bytes,
                       const Target& target) {
    const CudaDeviceGuard guard(op, target.device_id);
    const auto stream = static_cast<cudaStream_t>(target.stream);
    LW_REQUIRE(op, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream));
    LW_REQUIRE(op, cudaStreamSynchronize(stream));
}

CudaDeviceGuard::CudaDeviceGuard(const char* op, int device_id) {
    int current = 0;
    LW_REQUIRE(op, cudaGetDevice(&current));
    if (current == device_id) return;
    LW_REQUIRE(op, cudaSetDevice(device_id));
    previous_ = current;
}

CudaDeviceGuard::~CudaDeviceGuard() {
    if (previous_ >= 0) cudaSetDevice(previous_);
}

}  // namespace layerwise
