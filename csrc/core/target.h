// Where and how a kernel runs. Built by the binding, passed by const reference to every kernel.
#pragma once

#include <cstdint>

namespace layerwise {

enum class Device : uint8_t { cpu, cuda };

// A CUDA call that failed: which, where in the source, and what CUDA said.
struct CudaFailure {
    const char* call = nullptr;
    const char* place = nullptr;
    const char* reason = nullptr;
};

struct Target {
    Device device = Device::cpu;
    int isa = 0;          // index into isa_levels() (isa.h), or cuda_level
    int num_threads = 1;  // team size asked for; parallel_for may use fewer for little work

    int device_id = 0;               // of a CUDA device
    void* stream = nullptr;          // CUDA: what is launched goes there, and nothing waits for it
    CudaFailure* failure = nullptr;  // CUDA: filled in before Status::failed is returned

    // Asked between slices of at most 100 ms of work, on the calling thread; true means stop.
    bool (*poll)(void* context) = nullptr;
    void* poll_context = nullptr;
};

// What a kernel reports. Kernels never throw: everything that can be wrong with the arguments is
// checked by the binding, so what is left to say is that the user pressed Ctrl-C or CUDA failed.
enum class Status : uint8_t { ok, interrupted, failed };

}  // namespace layerwise
