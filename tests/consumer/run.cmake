# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Configures, builds and runs tests/consumer/<WAY> from scratch.
# cmake -DWAY= -DWORK= -DLIBRARY= -DLIBRARY_BUILD= -DCOMPILER= -DGENERATOR= -P run.cmake
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

set(arguments "")
if(WAY STREQUAL "find_package")
  # The tree is moved after the installation: the package must not know where it was.
  execute_process(
    COMMAND ${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${WORK}/staged
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(RENAME ${WORK}/staged ${WORK}/prefix)
  set(arguments -DCMAKE_PREFIX_PATH=${WORK}/prefix)
elseif(WAY STREQUAL "add_subdirectory")
  set(arguments -DLIBRARY=${LIBRARY})
elseif(WAY STREQUAL "fetch_content")
  set(arguments -DFETCHCONTENT_SOURCE_DIR_LORAPRO=${LIBRARY} -DFETCHCONTENT_FULLY_DISCONNECTED=ON)
endif()

execute_process(
  COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/${WAY} -B ${WORK}/build
          -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Release ${arguments}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/consumer COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/consumer_io ${WORK}/weights.safetensors COMMAND_ERROR_IS_FATAL ANY)
