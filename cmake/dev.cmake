# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# lorapro_dev carries the flags of our own tests, examples and benchmarks, and what the rules come from:
# the headers, or lorapro::compiled where it is built. Users of the library get none of them.
# lorapro_options has the flags alone.
option(LORAPRO_OPENMP "Compile tests, examples and benchmarks with OpenMP" OFF)
set(LORAPRO_MARCH "" CACHE STRING
    "-march of tests, examples and benchmarks: native, x86-64-v3...; empty: the compiler's baseline")
set(LORAPRO_EXAMPLE_OPTIONS "" CACHE STRING
    "Compiler options of the examples and of the tests of their headers, after all others")
set(LORAPRO_TEST_PREFIX "" CACHE STRING "Put before the names of the tests of this build")
set(LORAPRO_TEST_BATCH 12 CACHE STRING "How many test files of a folder share a translation unit at most")

add_library(lorapro_options INTERFACE)
add_library(lorapro_dev INTERFACE)
target_link_libraries(lorapro_dev INTERFACE lorapro_options lorapro::lorapro)
if(LORAPRO_BUILD_COMPILED)
  target_link_libraries(lorapro_dev INTERFACE lorapro::compiled)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  set(shadow -Wshadow)
  if(LORAPRO_TEST_BATCH GREATER 1 AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Nothing is shadowed by another file that only shares the translation unit.
    set(shadow -Wshadow=local)
  endif()
  target_compile_options(lorapro_options INTERFACE -Wall -Wextra -Wpedantic ${shadow})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # The macros of Catch2 3 leave out variadic arguments, as C++20 allows.
    target_compile_options(lorapro_options INTERFACE -Wno-c++20-extensions)
  endif()
endif()
if(LORAPRO_MARCH)
  target_compile_options(lorapro_options INTERFACE -march=${LORAPRO_MARCH})
  if(LORAPRO_MARCH STREQUAL "native"
     AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU"
     AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 warns hundreds of times about its own AVX-512 header (GCC bug 105593).
    target_compile_options(lorapro_options INTERFACE -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
endif()
if(LORAPRO_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(lorapro_options INTERFACE OpenMP::OpenMP_CXX)
endif()

# Through ccache where there is one. Its keys do not hold the folder of the tree, so that a fresh copy
# finds what another has compiled. They are the bytes of all files that were read, not what the
# preprocessor leaves of them: a precompiled header remembers the bytes of its headers, and one from
# before a comment was changed would not fit the headers that there are.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LORAPRO_CCACHE ccache)
  mark_as_advanced(LORAPRO_CCACHE)
  if(LORAPRO_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${LORAPRO_CCACHE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # Precompiled headers that are equal have equal bytes.
      add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
  endif()
endif()
