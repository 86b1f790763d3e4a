// What bindings ask of the CUDA runtime; defined in cuda_device.cu where the build has CUDA.
// Nothing here includes CUDA's own headers.
#pragma once

#include <cstddef>
#include <string>

#include "core/target.h"

namespace layerwise {

// "13.0": the toolkit that compiled the kernels; "emulated" where none did (tests/emulated_cuda).
std::string cuda_toolkit();

// Devices that the driver offers; 0 also where there is no driver.
int cuda_device_count();

// What follows throws, on behalf of an op, where CUDA fails.

// The device that a pointer belongs to, -1 where it is not CUDA memory.
int cuda_device_of(const char* op, const void* pointer);

// Copies to host memory and waits for it, and for all that the stream was given before.
void cuda_copy_to_host(const char* op, void* to, const void* from, size_t bytes,
                       const Target& target);

// Makes the device current for the calling thread as long as it lives.
class CudaDeviceGuard {
public:
    CudaDeviceGuard(const char* op, int device_id);
    ~CudaDeviceGuard();
    CudaDeviceGuard(const CudaDeviceGuard&) = delete;
    CudaDeviceGuard& operator=(const CudaDeviceGuard&) = delete;

private:
    int previous_ = -1;  // -1: the device was current already
};

}  // namespace layerwise
