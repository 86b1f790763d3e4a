// Where and how a kernel runs. Built by the binding, passed by const reference to every kernel.
#pragma once

#include <cstdint>

namespace layerwise {

enum class Device : uint8_t { cpu, cuda };

struct Target {
    Device device = Device::cpu;
    int isa = 0;          // index into isa_levels() (isa.h)
    int num_threads = 1;  // team size asked for; parallel_for may use fewer for little work
    void* stream = nullptr;

    // Asked between slices of at most 100 ms of work, on the calling thread; true means stop.
    bool (*poll)(void* context) = nullptr;
    void* poll_context = nullptr;
};

// What a kernel reports. Kernels never throw: everything that can be wrong with the arguments is
// checked by the binding, so the one thing left to say is that the user pressed Ctrl-C.
enum class Status : uint8_t { ok, interrupted };

}  // namespace layerwise
