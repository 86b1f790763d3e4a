# The CUDA kernels: each family's *_cuda.cu, compiled as one more level, in namespace isa_cuda.

if(NOT CMAKE_CUDA_ARCHITECTURES)
  # Machine code for A100 and H100 and their kin, PTX for what comes after.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 90-virtual)
endif()
enable_language(CUDA)

# As on the CPU, no fused multiply-add but where the source writes one. The runtime is linked
# statically: the module also loads where there is no CUDA.
set(_cuda_flags -fmad=false --expt-relaxed-constexpr -Xcompiler=-Wno-unknown-pragmas)

function(layerwise_add_cuda)
  get_property(sources GLOBAL PROPERTY LAYERWISE_CUDA_SOURCES)
  add_library(layerwise_cuda OBJECT csrc/core/cuda_device.cu ${sources})
  target_include_directories(layerwise_cuda PRIVATE csrc ${CMAKE_BINARY_DIR}/generated)
  target_compile_definitions(layerwise_cuda PRIVATE LW_ISA=cuda)
  target_compile_options(layerwise_cuda PRIVATE ${_cuda_flags})
  set_target_properties(layerwise_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
    CUDA_VISIBILITY_PRESET hidden)
  set_target_properties(_core PROPERTIES CUDA_RUNTIME_LIBRARY Static)
  target_compile_definitions(_core PRIVATE LW_CUDA)
  target_link_libraries(_core PRIVATE layerwise_cuda)
endfunction()
