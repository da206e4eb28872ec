# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# What the package says where nlohmann-json, libtorch and MPI are not to be found.
# cmake -DWORK= -DLIBRARY_BUILD= -DCOMPILER= -DGENERATOR= -P components.cmake
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
execute_process(
  COMMAND ${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${WORK}/prefix
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# MPI is looked for, by names and in folders that there are not.
set(ENV{PKG_CONFIG_LIBDIR} ${WORK})
set(ENV{PKG_CONFIG_PATH} "")
macro(configure)
  execute_process(
    COMMAND
      ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/components -B ${WORK}/build
      -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${WORK}/prefix
      -DMPI_EXECUTABLE_SUFFIX=.none
      -DCMAKE_DISABLE_FIND_PACKAGE_Torch=TRUE -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=TRUE ${ARGN}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
endmacro()

configure()
if(NOT result EQUAL 0 OR output MATCHES "mpi-cxx")
  message(FATAL_ERROR "expected no error and no word about mpi-cxx, got\n${output}")
endif()

configure(-DREQUIRED=TRUE)
string(REGEX REPLACE "[ \n]+" " " words "${output}")
foreach(
  sentence IN
  ITEMS
    "component io: expected nlohmann-json 3 (Debian: nlohmann-json3-dev; elsewhere set nlohmann_json_DIR to the folder of nlohmann_jsonConfig.cmake), found none"
    "component torch: expected libtorch 1.13 or later (Debian: libtorch-dev; elsewhere set Torch_DIR to the folder of TorchConfig.cmake), found none"
    "component mpi: expected an MPI library for C++ (Debian: libopenmpi-dev; elsewhere set MPI_CXX_COMPILER to its mpicxx), found none"
    "component no_such_component: expected one of the components io, torch, mpi and compiled, found none")
  string(FIND "${words}" "${sentence}" at)
  if(result EQUAL 0 OR at EQUAL -1)
    message(FATAL_ERROR "expected to fail with\n${sentence}\ngot ${result} and\n${output}")
  endif()
endforeach()
