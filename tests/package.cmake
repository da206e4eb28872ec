# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Tests of the tree itself: each is a small script, run by ctest with the label given. What one compiles
# by CMake goes through the cache of this build, if it has one.
set(check_environment "")
if(LORAPRO_CCACHE)
  set(check_environment CMAKE_CXX_COMPILER_LAUNCHER=${LORAPRO_CCACHE}
                        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1)
endif()
function(lorapro_add_check label name)
  add_test(NAME "${name}" COMMAND ${ARGN})
  set_tests_properties("${name}" PROPERTIES LABELS ${label} TIMEOUT 600 ENVIRONMENT
                                            "${check_environment}")
  if(label STREQUAL "consumer")
    # The longest first, so that no processor is idle at the end.
    set_tests_properties("${name}" PROPERTIES COST 100 TIMEOUT 1800)
  endif()
endfunction()

get_target_property(eigen_include Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
set(library_include ${PROJECT_SOURCE_DIR}/include)
set(scratch ${CMAKE_CURRENT_BINARY_DIR}/scratch)
set(compile ${CMAKE_CXX_COMPILER} -std=c++17 -I${library_include} -isystem ${eigen_include})
list(JOIN compile " " compile_line)

# An include goes only to the same or a lower layer.
lorapro_add_check(core "layering" ${CMAKE_COMMAND} -DROOT=${library_include} -P
                  ${CMAKE_CURRENT_SOURCE_DIR}/layering.cmake)
lorapro_add_check(core "layering names each offender" ${CMAKE_COMMAND} -DWORK=${scratch}/layering -P
                  ${CMAKE_CURRENT_SOURCE_DIR}/layering_selftest.cmake)

# The programs find their headers without the folders that tests have on their path.
set(program_includes ${CMAKE_CURRENT_SOURCE_DIR}/program_includes.cmake)
lorapro_add_check(core "program includes" ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/examples -P
                  ${program_includes})
file(CONFIGURE OUTPUT ${scratch}/program_includes/support/planted.hpp CONTENT
     "#include \"../support/planted.hpp\"\n#include \"examples/support/planted.hpp\"\n")
lorapro_add_check(core "program includes names an offender" ${CMAKE_COMMAND}
                  -DROOT=${scratch}/program_includes -P ${program_includes})
set_tests_properties(
  "program includes names an offender"
  PROPERTIES PASS_REGULAR_EXPRESSION
             "includes:[ \n]*support/planted.hpp: \"examples/support/planted.hpp\" is not there")

# Every header compiles alone, and twice.
file(
  GLOB_RECURSE headers
  RELATIVE ${library_include}
  CONFIGURE_DEPENDS ${library_include}/lorapro/*.hpp)
set(torch_compile "")
if(Torch_FOUND)
  # The compiler must meet its own folders in its own order.
  list(REMOVE_ITEM TORCH_INCLUDE_DIRS ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
  foreach(folder IN LISTS TORCH_INCLUDE_DIRS)
    list(APPEND torch_compile -isystem ${folder})
  endforeach()
else()
  list(FILTER headers EXCLUDE REGEX "adapters/torch")
endif()
set(mpi_compile "")
set(mpi_flags "")
if(MPI_CXX_FOUND)
  foreach(folder IN LISTS MPI_CXX_INCLUDE_DIRS)
    list(APPEND mpi_compile -isystem ${folder})
  endforeach()
  list(JOIN mpi_compile " " mpi_flags)
  list(JOIN MPI_CXX_LIBRARIES " " mpi_libraries)
  string(APPEND mpi_flags " ${mpi_libraries}")
else()
  list(FILTER headers EXCLUDE REGEX "adapters/mpi")
endif()
foreach(header IN LISTS headers)
  set(own_compile "")
  if(header MATCHES "adapters/mpi")
    set(own_compile ${mpi_compile})
  endif()
  if(header MATCHES "adapters/torch")
    # Those that name engines compile the rules: engines_float.hpp and engines_double.hpp are enough.
    set(own_compile ${torch_compile} -DLORAPRO_TORCH_EXTERN_ENGINES)
  endif()
  set(unit ${CMAKE_CURRENT_BINARY_DIR}/headers/${header}.cpp)
  file(CONFIGURE OUTPUT ${unit} CONTENT "#include <@header@>\n#include <@header@>\n" @ONLY)
  # To an object file, which a compiler's cache can keep; there is next to nothing in it.
  lorapro_add_check(
    package "header alone/${header}" ${CMAKE_CXX_COMPILER_LAUNCHER} ${compile} ${own_compile} -Wall
    -Wextra -Wpedantic -Wshadow -Werror -c ${unit} -o ${unit}.o)
endforeach()

# What must not compile, and the sentence that the compiler must say.
file(
  GLOB cases
  RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/compile_fail
  CONFIGURE_DEPENDS compile_fail/*.cpp)
foreach(case IN LISTS cases)
  lorapro_add_check(
    package "compile_fail/${case}" ${CMAKE_COMMAND}
    -DCASE=${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/${case} "-DCOMPILE=${compile_line}" -P
    ${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/run.cmake)
endforeach()

# A user's program against the library, by each way of getting it.
set(ways find_package add_subdirectory fetch_content)
find_program(LORAPRO_DPKG dpkg)
mark_as_advanced(LORAPRO_DPKG)
if(LORAPRO_DPKG)
  list(APPEND ways debian_package)
endif()
set(architecture all)
if(LORAPRO_DPKG AND TARGET lorapro_compiled)
  execute_process(COMMAND ${LORAPRO_DPKG} --print-architecture OUTPUT_VARIABLE architecture
                          OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
foreach(way IN LISTS ways)
  lorapro_add_check(
    consumer "consumer/${way}" ${CMAKE_COMMAND} -DWAY=${way} -DWORK=${scratch}/${way}
    -DLIBRARY=${PROJECT_SOURCE_DIR} -DLIBRARY_BUILD=${PROJECT_BINARY_DIR}
    -DCOMPILER=${CMAKE_CXX_COMPILER} -DGENERATOR=${CMAKE_GENERATOR}
    -DCPACK=${CMAKE_CPACK_COMMAND} -DVERSION=${PROJECT_VERSION} -DARCHITECTURE=${architecture} -P
    ${CMAKE_CURRENT_SOURCE_DIR}/consumer/run.cmake)
endforeach()
if(Torch_FOUND)
  lorapro_add_check(
    consumer "consumer/torch" ${CMAKE_COMMAND} -DWAY=torch -DWORK=${scratch}/torch
    -DLIBRARY_BUILD=${PROJECT_BINARY_DIR} -DCOMPILER=${CMAKE_CXX_COMPILER}
    -DGENERATOR=${CMAKE_GENERATOR} -P ${CMAKE_CURRENT_SOURCE_DIR}/consumer/run.cmake)
endif()
set(isas baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND isas x86-64-v3 x86-64-v4)
endif()
list(JOIN isas "," isas)
lorapro_add_check(
  consumer "consumer/compiled" ${CMAKE_COMMAND} -DWORK=${scratch}/compiled
  -DLIBRARY=${PROJECT_SOURCE_DIR} -DCOMPILER=${CMAKE_CXX_COMPILER}
  -DGENERATOR=${CMAKE_GENERATOR} -DISAS=${isas} -P
  ${CMAKE_CURRENT_SOURCE_DIR}/consumer/compiled.cmake)
lorapro_add_check(
  consumer "consumer/copied_headers" ${CMAKE_COMMAND} -DWORK=${scratch}/copied_headers
  -DLIBRARY=${PROJECT_SOURCE_DIR} -DCOMPILER=${CMAKE_CXX_COMPILER} -DEIGEN=${eigen_include} -P
  ${CMAKE_CURRENT_SOURCE_DIR}/consumer/copied_headers.cmake)
# Configured alone, but for one file. FetchContent takes the place of find_package from CMake 3.24 on.
set(LORAPRO_EIGEN5_DIR "" CACHE PATH "A source tree of Eigen 5, to test with it")
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.24)
  lorapro_add_check(
    consumer "consumer/eigen" ${CMAKE_COMMAND} -DWORK=${scratch}/eigen
    -DLIBRARY=${PROJECT_SOURCE_DIR} -DLIBRARY_BUILD=${PROJECT_BINARY_DIR}
    -DCOMPILER=${CMAKE_CXX_COMPILER} -DGENERATOR=${CMAKE_GENERATOR} -DEIGEN=${eigen_include}
    -DEIGEN5=${LORAPRO_EIGEN5_DIR} -P ${CMAKE_CURRENT_SOURCE_DIR}/consumer/eigen.cmake)
endif()
lorapro_add_check(
  consumer "consumer/components" ${CMAKE_COMMAND} -DWORK=${scratch}/components
  -DLIBRARY_BUILD=${PROJECT_BINARY_DIR} -DCOMPILER=${CMAKE_CXX_COMPILER}
  -DGENERATOR=${CMAKE_GENERATOR} -P ${CMAKE_CURRENT_SOURCE_DIR}/consumer/components.cmake)
lorapro_add_check(
  consumer "consumer/discarded report" ${CMAKE_COMMAND} -DWORK=${scratch}/discarded
  "-DCOMPILE=${compile_line}" -P ${CMAKE_CURRENT_SOURCE_DIR}/consumer/discarded_report.cmake)
find_program(LORAPRO_PKG_CONFIG pkg-config)
mark_as_advanced(LORAPRO_PKG_CONFIG)
if(LORAPRO_PKG_CONFIG)
  lorapro_add_check(
    consumer "consumer/pkg_config" ${CMAKE_COMMAND} -DWORK=${scratch}/pkg_config
    -DLIBRARY_BUILD=${PROJECT_BINARY_DIR} -DVERSION=${PROJECT_VERSION}
    -DCOMPILER=${CMAKE_CXX_COMPILER} -DPKG_CONFIG=${LORAPRO_PKG_CONFIG} -P
    ${CMAKE_CURRENT_SOURCE_DIR}/consumer/pkg_config.cmake)
endif()

# The files for package managers that are not at hand, as far as they can be checked without them.
lorapro_add_check(
  package "packaging/vcpkg" ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}
  -DVERSION=${PROJECT_VERSION} -DWORK=${scratch}/vcpkg -DGENERATOR=${CMAKE_GENERATOR} -P
  ${CMAKE_CURRENT_SOURCE_DIR}/packaging/vcpkg_port.cmake)
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  lorapro_add_check(
    package "packaging/conan" ${Python3_EXECUTABLE} -B
    ${CMAKE_CURRENT_SOURCE_DIR}/packaging/conan_recipe.py ${PROJECT_SOURCE_DIR}
    ${PROJECT_VERSION} ${scratch}/conan)
  lorapro_add_check(
    package "docs/scaling.md has the table of its model" ${Python3_EXECUTABLE} -B
    ${PROJECT_SOURCE_DIR}/bench/scaling_model.py --check ${PROJECT_SOURCE_DIR}/docs/scaling.md)
endif()
lorapro_add_check(
  consumer "programs of the documents" ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}
  -DWORK=${scratch}/documents "-DCOMPILE=${compile_line}" "-DMPI_FLAGS=${mpi_flags}" -P
  ${CMAKE_CURRENT_SOURCE_DIR}/documents.cmake)

# The set-up of a bare machine, with a package manager that only pretends.
find_program(LORAPRO_BASH bash)
mark_as_advanced(LORAPRO_BASH)
if(LORAPRO_BASH)
  lorapro_add_check(package "setup" ${LORAPRO_BASH} ${CMAKE_CURRENT_SOURCE_DIR}/setup_test.sh)
  lorapro_add_check(package "torch_gpu.sh" ${LORAPRO_BASH}
                    ${CMAKE_CURRENT_SOURCE_DIR}/adapters/torch_gpu_test.sh)
  lorapro_add_check(consumer "README diff" ${LORAPRO_BASH}
                    ${CMAKE_CURRENT_SOURCE_DIR}/adopting_diff.sh)
endif()

# The format is clang-format 14's; other versions differ in details.
find_program(LORAPRO_CLANG_FORMAT NAMES clang-format-14 clang-format)
mark_as_advanced(LORAPRO_CLANG_FORMAT)
if(LORAPRO_CLANG_FORMAT)
  execute_process(COMMAND ${LORAPRO_CLANG_FORMAT} --version OUTPUT_VARIABLE clang_format_version)
  if(clang_format_version MATCHES "version 14\\.")
    file(
      GLOB_RECURSE sources CONFIGURE_DEPENDS
      ${library_include}/*.hpp
      ${PROJECT_SOURCE_DIR}/cmake/*.[ch]pp
      ${PROJECT_SOURCE_DIR}/tests/*.[ch]pp
      ${PROJECT_SOURCE_DIR}/bench/*.[ch]pp
      ${PROJECT_SOURCE_DIR}/examples/*.[ch]pp)
    lorapro_add_check(package "format" ${LORAPRO_CLANG_FORMAT} --dry-run -Werror --ferror-limit=2 ${sources})
  endif()
endif()

find_package(Doxygen 1.9.4 QUIET)
if(Doxygen_FOUND)
  configure_file(${PROJECT_SOURCE_DIR}/docs/Doxyfile.in ${PROJECT_BINARY_DIR}/docs/Doxyfile @ONLY)
  lorapro_add_check(docs "docs" Doxygen::doxygen ${PROJECT_BINARY_DIR}/docs/Doxyfile)
endif()
