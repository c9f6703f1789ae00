# SPDX-License-Identifier: MIT
# The CUDA backend. RIN_CUDA: AUTO builds it where nvcc and cuBLASLt's header are found; ON wants them; OFF leaves it out;
# EMULATE builds its kernels for the CPU (tests/emulator), for tests on machines without a GPU.
set(RIN_CUDA AUTO CACHE STRING "CUDA backend: AUTO, ON, OFF, or EMULATE for tests")
set_property(CACHE RIN_CUDA PROPERTY STRINGS AUTO ON OFF EMULATE)
file(GLOB RIN_CUDA_SOURCES CONFIGURE_DEPENDS src/backend/cuda/*.c)
file(GLOB RIN_CUDA_KERNELS CONFIGURE_DEPENDS src/backend/cuda/kernels/*.cu)
set(RIN_CUDA_LIBRARIES "")

if(RIN_CUDA STREQUAL "AUTO" OR RIN_CUDA STREQUAL "ON")
  include(CheckLanguage)
  set(CMAKE_CUDA_ARCHITECTURES OFF) # named below
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit QUIET)
    find_path(RIN_CUBLASLT_INCLUDE cublasLt.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  endif()
  if(NOT CMAKE_CUDA_COMPILER OR NOT CUDAToolkit_FOUND OR NOT RIN_CUBLASLT_INCLUDE)
    if(RIN_CUDA STREQUAL "ON")
      message(FATAL_ERROR "RIN_CUDA=ON, but nvcc or cublasLt.h was not found: install the CUDA toolkit (12.4 or later) and put nvcc on PATH")
    endif()
    message(STATUS "No CUDA toolkit: the program will have no CUDA backend")
    set(RIN_CUDA OFF)
  endif()
elseif(RIN_CUDA STREQUAL "EMULATE")
  enable_language(CXX)
endif()
if(RIN_CUDA STREQUAL "OFF")
  return()
endif()

target_compile_definitions(rin_flags INTERFACE RIN_HAVE_CUDA)
add_library(rin_cuda OBJECT ${RIN_CUDA_SOURCES} ${RIN_CUDA_KERNELS})
target_link_libraries(rin_cuda PRIVATE rin_flags)
list(APPEND RIN_VARIANTS rin_cuda)

if(RIN_CUDA STREQUAL "EMULATE")
  list(FILTER RIN_CUDA_SOURCES EXCLUDE REGEX "/products.c$")
  set_property(TARGET rin_cuda PROPERTY SOURCES ${RIN_CUDA_SOURCES} ${RIN_CUDA_KERNELS} tests/emulator/emulator.cc
    tests/emulator/runtime.cc tests/emulator/products.c)
  set_source_files_properties(${RIN_CUDA_KERNELS} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++")
  target_compile_definitions(rin_cuda PRIVATE RIN_EMULATE)
  target_include_directories(rin_cuda BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/tests/emulator)
  target_compile_options(rin_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-std=c++17;-Wall;-Wextra;-Wno-unknown-pragmas;-fno-strict-aliasing>)
  set(RIN_CUDA_LIBRARIES stdc++)
else()
  # Machine code for the A100's and the H100's kind, and what drivers of later ones translate themselves.
  target_compile_options(rin_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++17;-O3;-Xcompiler=-fno-exceptions,-fno-rtti,-fno-threadsafe-statics;-gencode=arch=compute_80,code=[sm_80,compute_80];-gencode=arch=compute_90a,code=sm_90a>)
  target_include_directories(rin_cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS} ${RIN_CUBLASLT_INCLUDE})
  # Only the runtime is linked; cuBLASLt and the driver are loaded where there is a GPU.
  set(RIN_CUDA_LIBRARIES ${CUDAToolkit_LIBRARY_DIR}/libcudart_static.a dl rt)
endif()
