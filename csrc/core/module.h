// What a family's binding tells the module besides its functions.
#pragma once

#include <pybind11/pybind11.h>

#include <initializer_list>

#include "core/target.h"

namespace layerwise {

// Lists the kernels that a family has on a device, for show_config.
void register_family(const char* family, Device device, std::initializer_list<const char*> ops);

// config, set_num_threads, get_num_threads, last_team_size.
void init_core(pybind11::module_& m);

}  // namespace layerwise
