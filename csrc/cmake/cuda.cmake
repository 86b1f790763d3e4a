# The CUDA kernels: each family's *_cuda.cu, compiled as one more level, in namespace isa_cuda; by
# nvcc, or as C++ for the GPU that tests/emulated_cuda makes of a CPU's thread.

if(NOT LAYERWISE_EMULATE_CUDA)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # Machine code for A100 and H100 and their kin, PTX for what comes after.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 90-virtual)
  endif()
  enable_language(CUDA)
endif()

# As on the CPU, no fused multiply-add but where the source writes one.
set(_cuda_flags -fmad=false --expt-relaxed-constexpr -Xcompiler=-Wno-unknown-pragmas)
set(_emulated_flags -xc++ -ffp-contract=off -Wno-unknown-pragmas)

function(layerwise_add_cuda)
  get_property(sources GLOBAL PROPERTY LAYERWISE_CUDA_SOURCES)
  list(APPEND sources ${PROJECT_SOURCE_DIR}/csrc/core/cuda_device.cu)
  add_library(layerwise_cuda OBJECT ${sources})
  target_compile_definitions(layerwise_cuda PRIVATE LW_ISA=cuda)
  if(LAYERWISE_EMULATE_CUDA)
    set_source_files_properties(${sources} PROPERTIES LANGUAGE CXX)
    target_sources(layerwise_cuda PRIVATE tests/emulated_cuda/emulator.cpp)
    target_include_directories(layerwise_cuda PRIVATE tests/emulated_cuda)  # before csrc
    target_compile_definitions(layerwise_cuda PRIVATE __CUDACC__)
    target_compile_options(layerwise_cuda PRIVATE ${_emulated_flags})
  else()
    target_compile_options(layerwise_cuda PRIVATE ${_cuda_flags})
    set_target_properties(layerwise_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
      CUDA_VISIBILITY_PRESET hidden)
    # Linked statically: the module also loads where there is no CUDA.
    set_target_properties(_core PROPERTIES CUDA_RUNTIME_LIBRARY Static)
  endif()
  target_include_directories(layerwise_cuda PRIVATE csrc ${CMAKE_BINARY_DIR}/generated)
  target_compile_definitions(_core PRIVATE LW_CUDA)
  target_link_libraries(_core PRIVATE layerwise_cuda)
endfunction()
