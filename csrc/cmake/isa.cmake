# Instruction-set levels: each family's *_cpu.cpp compiled once a level.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(_known_levels v2 v3 v4)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(_known_levels neon)
else()
  message(FATAL_ERROR "layerwise: no instruction-set level for ${CMAKE_SYSTEM_PROCESSOR}")
endif()

set(_flags_v2 -march=x86-64-v2)
set(_flags_v3 -march=x86-64-v3)
set(_flags_v4 -march=x86-64-v4 -mprefer-vector-width=512)
set(_flags_neon -march=armv8-a)
set(_emulated_v4 0)
if(LAYERWISE_EMULATE_V4)
  set(_flags_v4 ${_flags_v3} -DLW_VECTOR_BYTES=64)
  set(_emulated_v4 1)
endif()

# No fused multiply-add but where the source writes one, or the bits would depend on the compiler;
# no exceptions or RTTI, whose tables are common symbols; vectors wider than the ABI's are passed
# only within one object (-Wno-psabi).
set(_kernel_flags -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti -Wno-psabi)

set(_levels ${LAYERWISE_ISA_LEVELS})
if(NOT _levels)
  set(_levels ${_known_levels})
endif()
set(_index 0)
set(_entries "")
foreach(_level IN LISTS _levels)
  if(NOT _level IN_LIST _known_levels)
    message(FATAL_ERROR "LAYERWISE_ISA_LEVELS: must be of ${_known_levels}; got ${_level}")
  endif()
  string(APPEND _entries " X(${_index}, ${_level}, __VA_ARGS__)")
  math(EXPR _index "${_index} + 1")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/layerwise_isa_levels.h
  CONTENT "#pragma once\n\n#define LW_ISA_LEVELS(X, ...)${_entries}\n")

# A header and not definitions: a change of these recompiles what reads them, not every binding.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/layerwise_build.h @ONLY
  CONTENT "#pragma once

#define LW_BUILD_TYPE \"@CMAKE_BUILD_TYPE@\"
#define LW_CORRUPT_NAME \"@LAYERWISE_CORRUPT@\"
#define LW_EMULATED_V4 @_emulated_v4@
")

if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12's own avx512fintrin.h sets it off.
  list(APPEND _flags_v4 -Wno-maybe-uninitialized)
endif()

if(LAYERWISE_CORRUPT)
  string(TOUPPER "LW_CORRUPT_${LAYERWISE_CORRUPT}" _corrupt)
endif()

# A family: csrc/<name>/*_bind.cpp into the module, csrc/<name>/*_cpu.cpp once a level,
# csrc/<name>/*_cuda.cu where CUDA is on.
function(layerwise_family name)
  set(directory ${PROJECT_SOURCE_DIR}/csrc/${name})
  file(GLOB bindings CONFIGURE_DEPENDS ${directory}/*_bind.cpp)
  target_sources(_core PRIVATE ${bindings})
  file(GLOB kernels CONFIGURE_DEPENDS ${directory}/*_cpu.cpp)
  foreach(level IN LISTS _levels)
    set(target ${name}_${level})
    add_library(${target} OBJECT ${kernels})
    target_include_directories(${target} PRIVATE
      ${PROJECT_SOURCE_DIR}/csrc ${CMAKE_BINARY_DIR}/generated)
    target_compile_definitions(${target} PRIVATE LW_ISA=${level} ${_corrupt})
    target_compile_options(${target} PRIVATE ${_flags_${level}} ${_kernel_flags})
    target_link_libraries(_core PRIVATE ${target})
    set_property(GLOBAL APPEND PROPERTY LAYERWISE_ISA_TARGETS ${target})
    set_property(GLOBAL APPEND_STRING PROPERTY LAYERWISE_ISA_OBJECTS
      "${level} $<JOIN:$<TARGET_OBJECTS:${target}>,\n${level} >\n")
  endforeach()
  file(GLOB cuda CONFIGURE_DEPENDS ${directory}/*_cuda.cu)
  set_property(GLOBAL APPEND PROPERTY LAYERWISE_CUDA_SOURCES ${cuda})
endfunction()

# _isa_symbols.txt: what each level's objects define, for the test that no symbol is shared.
function(layerwise_list_isa_symbols)
  get_property(objects GLOBAL PROPERTY LAYERWISE_ISA_OBJECTS)
  get_property(targets GLOBAL PROPERTY LAYERWISE_ISA_TARGETS)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/isa_objects.txt CONTENT "${objects}")
  set(depends "")
  foreach(target IN LISTS targets)
    list(APPEND depends $<TARGET_OBJECTS:${target}>)
  endforeach()
  add_custom_command(
    OUTPUT ${CMAKE_BINARY_DIR}/_isa_symbols.txt
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DOBJECTS=${CMAKE_BINARY_DIR}/isa_objects.txt
      -DOUTPUT=${CMAKE_BINARY_DIR}/_isa_symbols.txt
      -P ${PROJECT_SOURCE_DIR}/csrc/cmake/list_isa_symbols.cmake
    DEPENDS ${depends} ${PROJECT_SOURCE_DIR}/csrc/cmake/list_isa_symbols.cmake
    VERBATIM)
  add_custom_target(isa_symbols ALL DEPENDS ${CMAKE_BINARY_DIR}/_isa_symbols.txt)
endfunction()
