// What a family's binding tells the module besides its functions.
#pragma once

#include <pybind11/pybind11.h>

#include <initializer_list>

#include "core/target.h"

namespace layerwise {

// Lists the kernels that a family has on a device, for show_config and has_kernel.
void register_family(const char* family, Device device, std::initializer_list<const char*> ops);

// The same for the CPU and, where the build has CUDA, for CUDA.
inline void register_family(const char* family, std::initializer_list<const char*> ops) {
    register_family(family, Device::cpu, ops);
#ifdef LW_CUDA
    register_family(family, Device::cuda, ops);
#endif
}

// Whether an op, or the one that `<op>_workspace` and `<op>_min_workspace` are about, is listed.
bool has_kernel(const char* op, Device device);

// config, set_num_threads, get_num_threads, last_team_size.
void init_core(pybind11::module_& m);

}  // namespace layerwise
