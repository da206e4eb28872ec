# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Installs the library, moves it to a folder with a space in its name, and compiles the program with what pkg-config says.
# cmake -DWORK= -DLIBRARY_BUILD= -DVERSION= -DCOMPILER= -DPKG_CONFIG= -P pkg_config.cmake
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
execute_process(
  COMMAND ${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${WORK}/staged
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${WORK}/staged "${WORK}/moved here")
set(ENV{PKG_CONFIG_PATH} "${WORK}/moved here/share/pkgconfig")

function(ask variable)
  execute_process(
    COMMAND ${PKG_CONFIG} ${ARGN} lorapro
    OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()

ask(version --modversion)
if(NOT version STREQUAL VERSION)
  message(FATAL_ERROR "pkg-config: expected version ${VERSION}, got ${version}")
endif()
ask(libraries --libs)
if(NOT libraries STREQUAL "")
  message(FATAL_ERROR "pkg-config: expected nothing to link, got ${libraries}")
endif()
ask(flags --cflags)
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(
  COMMAND ${COMPILER} -std=c++17 ${flags} ${CMAKE_CURRENT_LIST_DIR}/main.cpp -o
          ${WORK}/consumer
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/consumer COMMAND_ERROR_IS_FATAL ANY)
