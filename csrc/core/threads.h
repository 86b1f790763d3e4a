// How many threads, and facts of the OpenMP runtime that says so.
#pragma once

namespace layerwise {

constexpr int max_num_threads = 4096;

// Team size where the caller names none: what set_num_threads fixed, else OpenMP's own default
// (OMP_NUM_THREADS, threadpoolctl), at most the CPUs this process may run on.
int default_num_threads();

// Process-wide; 0 returns to OpenMP's default.
void set_default_num_threads(int num_threads);

int openmp_version();               // _OPENMP: yyyymm of the specification
const char* openmp_library_path();  // file of the runtime in use; "" where unknown

}  // namespace layerwise
