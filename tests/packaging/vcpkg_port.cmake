# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# The vcpkg port, run with functions in place of vcpkg's that do what those are documented to do:
# what it installs, and what its manifest says.
# cmake -DROOT= -DVERSION= -DWORK= -DGENERATOR= -P vcpkg_port.cmake
cmake_minimum_required(VERSION 3.21)

set(CURRENT_PORT_DIR ${ROOT}/packaging/vcpkg/lorapro)
set(CURRENT_PACKAGES_DIR ${WORK}/packages)
set(PORT lorapro)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${CURRENT_PACKAGES_DIR}/lib ${CURRENT_PACKAGES_DIR}/debug)

# One field of the manifest, by its path, has this value.
file(READ ${CURRENT_PORT_DIR}/vcpkg.json manifest)
function(expect_field expected)
  string(JSON value GET "${manifest}" ${ARGN})
  if(NOT value STREQUAL expected)
    message(FATAL_ERROR "vcpkg.json: ${ARGN}: expected ${expected}, got ${value}")
  endif()
endfunction()
expect_field(${PORT} name)
expect_field(${VERSION} version)
expect_field(MIT license)
# By its name alone: any version, 5 too.
expect_field(eigen3 dependencies 0)
expect_field(vcpkg-cmake dependencies 1 name)
expect_field(vcpkg-cmake-config dependencies 2 name)
expect_field(nlohmann-json features io dependencies 0)

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH OPTIONS)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${arg_SOURCE_PATH} -B ${WORK}/build
            -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} ${arg_OPTIONS}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_install)
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${WORK}/build OUTPUT_QUIET
                          COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" CONFIG_PATH "")
  file(RENAME ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH} ${CURRENT_PACKAGES_DIR}/share/${PORT})
  get_filename_component(parent ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH} DIRECTORY)
  file(REMOVE_RECURSE ${parent})
endfunction()
function(vcpkg_fixup_pkgconfig)
  if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/share/pkgconfig/${PORT}.pc)
    message(FATAL_ERROR "no ${PORT}.pc to fix")
  endif()
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" FILE_LIST)
  file(COPY_FILE ${arg_FILE_LIST} ${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright)
endfunction()
include(${CURRENT_PORT_DIR}/portfile.cmake)

foreach(file IN ITEMS include/lorapro/lorapro.hpp share/lorapro/lorapro-config.cmake
                      share/lorapro/lorapro-targets.cmake share/lorapro/copyright)
  if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/${file})
    message(FATAL_ERROR "the port does not install ${file}")
  endif()
endforeach()
foreach(folder IN ITEMS lib debug share/cmake share/doc)
  if(EXISTS ${CURRENT_PACKAGES_DIR}/${folder})
    message(FATAL_ERROR "the port leaves ${folder}")
  endif()
endforeach()
