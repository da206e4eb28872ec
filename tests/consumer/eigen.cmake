# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Each way in which a project gets Eigen: configured, and asked which Eigen its programs see. Where
# EIGEN5 is no source tree of Eigen 5, the installed headers stand in for it, under the version and the
# version file that Eigen 5 has; those and 3.3 are only found here, and the first is compiled with.
# cmake -DWORK= -DLIBRARY= -DLIBRARY_BUILD= -DCOMPILER= -DGENERATOR= -DEIGEN= [-DEIGEN5=] -P eigen.cmake
cmake_minimum_required(VERSION 3.24)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

# A version file that answers as Eigen's does: up to 3.4.0 for its major version, later for its minor.
function(write_version_file path version)
  set(same MAJOR)
  if(version VERSION_GREATER 3.4.0)
    set(same "MAJOR.MINOR")
  endif()
  string(REGEX MATCH "^([0-9]+)\\.([0-9]+)" both ${version})
  file(
    WRITE ${path}
    "set(PACKAGE_VERSION ${version})
set(PACKAGE_VERSION_COMPATIBLE FALSE)
if(NOT PACKAGE_FIND_VERSION VERSION_GREATER ${version} AND PACKAGE_FIND_VERSION_MAJOR EQUAL ${CMAKE_MATCH_1}
   AND (\"${same}\" STREQUAL \"MAJOR\" OR PACKAGE_FIND_VERSION_COUNT LESS 2
        OR PACKAGE_FIND_VERSION_MINOR EQUAL ${CMAKE_MATCH_2}))
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
")
endfunction()

# An installed Eigen: a prefix with its CMake package and the headers of `source`.
function(make_prefix prefix version source)
  file(MAKE_DIRECTORY "${prefix}/include/eigen3")
  file(COPY ${source}/Eigen DESTINATION "${prefix}/include/eigen3")
  set(package "${prefix}/share/eigen3/cmake")
  write_version_file("${package}/Eigen3ConfigVersion.cmake" ${version})
  file(
    WRITE "${package}/Eigen3Config.cmake"
    "if(NOT TARGET Eigen3::Eigen)
  add_library(Eigen3::Eigen INTERFACE IMPORTED)
  set_target_properties(Eigen3::Eigen PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
    \"\${CMAKE_CURRENT_LIST_DIR}/../../../include/eigen3\")
endif()
")
endfunction()

# A source tree of Eigen for FetchContent: as a part of another project version 3.4 also installs its
# package, version 5 does not.
function(make_source folder source installs)
  file(MAKE_DIRECTORY ${folder})
  file(CREATE_LINK ${source}/Eigen ${folder}/Eigen SYMBOLIC)
  file(
    WRITE ${folder}/CMakeLists.txt
    "cmake_minimum_required(VERSION 3.21)
project(Eigen3 LANGUAGES CXX)
add_library(eigen INTERFACE)
add_library(Eigen3::Eigen ALIAS eigen)
target_include_directories(eigen INTERFACE
  $<BUILD_INTERFACE:\${CMAKE_CURRENT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/eigen3>)
set_target_properties(eigen PROPERTIES EXPORT_NAME Eigen)
install(TARGETS eigen EXPORT Eigen3Targets)
if(${installs})
  install(EXPORT Eigen3Targets NAMESPACE Eigen3:: DESTINATION share/eigen3/cmake)
endif()
")
endfunction()

# A folder with a space in it, as users' are.
set(prefixes "${WORK}/moved here")
file(MAKE_DIRECTORY "${WORK}/empty/Eigen")
make_prefix("${prefixes}/eigen-3.3" 3.3.9 "${WORK}/empty")
make_source(${WORK}/source-3.4 ${EIGEN} TRUE)
if(EIGEN5)
  set(source_5 ${EIGEN5})
  execute_process(
    COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${EIGEN5} -B ${WORK}/eigen-5
            -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_INSTALL_PREFIX=${WORK}/staged-5"
            -DBUILD_TESTING=OFF -DEIGEN_BUILD_TESTING=OFF -DEIGEN_BUILD_DOC=OFF -DEIGEN_BUILD_BLAS=OFF
            -DEIGEN_BUILD_LAPACK=OFF -DEIGEN_BUILD_DEMOS=OFF -DCMAKE_EXPORT_PACKAGE_REGISTRY=OFF
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${WORK}/eigen-5 OUTPUT_QUIET
                          COMMAND_ERROR_IS_FATAL ANY)
  file(RENAME ${WORK}/staged-5 "${prefixes}/eigen-5")
else()
  message(STATUS "no source tree of Eigen 5 is named: the installed headers stand in for it")
  set(source_5 ${WORK}/source-5)
  make_source(${source_5} ${EIGEN} FALSE)
  make_prefix("${prefixes}/eigen-5" 5.0.1 ${EIGEN})
  set(macros "${prefixes}/eigen-5/include/eigen3/Eigen/src/Core/util/Macros.h")
  file(READ "${macros}" text)
  string(REGEX REPLACE "(define EIGEN_MAJOR_VERSION) [0-9]+" "\\1 5" text "${text}")
  string(REGEX REPLACE "(define EIGEN_MINOR_VERSION) [0-9]+" "\\1 0" text "${text}")
  # In 5.0.1 the first number of a version is the one that is called major.
  file(WRITE "${macros}" "${text}
#undef EIGEN_VERSION_AT_LEAST
#define EIGEN_VERSION_AT_LEAST(x, y, z) \\
  (EIGEN_MAJOR_VERSION > x || (EIGEN_MAJOR_VERSION == x && EIGEN_MINOR_VERSION >= y))
")
endif()

execute_process(
  COMMAND ${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${WORK}/staged
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${WORK}/staged "${prefixes}/lorapro")

# Nothing but what the project names itself.
set(alone -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF -DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF
          -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
find_program(make_program NAMES ninja make REQUIRED)

# With the folders of prefix_path searched first.
set(prefix_path "")
macro(configure project)
  file(REMOVE_RECURSE ${WORK}/build)
  execute_process(
    COMMAND
      ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/${project} -B ${WORK}/build
      -DCMAKE_MAKE_PROGRAM=${make_program} -DCMAKE_CXX_COMPILER=${COMPILER}
      -DCMAKE_CXX_COMPILER_WORKS=TRUE -DCMAKE_CXX_ABI_COMPILED=TRUE "-DCMAKE_PREFIX_PATH=${prefix_path}" ${ARGN}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  set(prefix_path "")
endmacro()

# The Eigen that a program sees first is the one in this folder.
function(expect_eigen name folder)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${name}: expected to be configured, got\n${output}")
  endif()
  file(STRINGS ${WORK}/build/folders folders)
  foreach(seen IN LISTS folders)
    if(EXISTS "${seen}/Eigen")
      file(REAL_PATH "${seen}" seen)
      file(REAL_PATH "${folder}" folder)
      if(NOT seen STREQUAL folder)
        message(FATAL_ERROR "${name}: expected Eigen from ${folder}, got ${seen}")
      endif()
      message(STATUS "${name}: right")
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "${name}: expected Eigen from ${folder}, got none in ${folders}")
endfunction()

function(expect_words name)
  string(REGEX REPLACE "[ \n]+" " " words "${output}")
  foreach(expected IN LISTS ARGN)
    string(FIND "${words}" "${expected}" at)
    if(result EQUAL 0 OR at EQUAL -1)
      message(FATAL_ERROR "${name}: expected to fail with\n${expected}\ngot ${result} and\n${output}")
    endif()
  endforeach()
  message(STATUS "${name}: refused in the right words")
endfunction()

set(here -DLIBRARY=${LIBRARY})
set(eigen_5_folder "${prefixes}/eigen-5/include/eigen3")


# The first that is new enough, in the order in which the user names them, whatever else there is.
set(prefix_path "${prefixes}/eigen-3.3" "${prefixes}/eigen-5")
configure(eigen -DHOW=find ${here})
expect_eigen("a part, Eigen 3.3 before 5" "${eigen_5_folder}")
configure(eigen -DHOW=find ${here} "-DEigen3_DIR=${prefixes}/eigen-5/share/eigen3/cmake")
expect_eigen("a part, Eigen 5 by Eigen3_DIR" "${eigen_5_folder}")
configure(eigen -DHOW=find ${here})
expect_eigen("a part, the installed Eigen" "${EIGEN}")
set(prefix_path "${prefixes}/lorapro" "${prefixes}/eigen-5")
configure(eigen -DHOW=find ${alone})
expect_eigen("found, Eigen 5 alone" "${eigen_5_folder}")
set(prefix_path "${prefixes}/lorapro")
configure(eigen -DHOW=find)
expect_eigen("found, the installed Eigen" "${EIGEN}")
set(prefix_path "${prefixes}/lorapro")
configure(eigen -DHOW=override ${alone} -DEIGEN=${source_5})
expect_eigen("found, Eigen by an overridden find_package" "${source_5}")

# The parent's own, also where it comes later, and where another is installed.
configure(eigen -DHOW=imported ${here} -DEIGEN=${EIGEN} ${alone})
expect_eigen("a part, an imported target" "${EIGEN}")
configure(eigen -DHOW=alias ${here} -DEIGEN=${EIGEN} ${alone} -DLORAPRO_INSTALL=ON)
expect_eigen("a part, an alias" "${EIGEN}")
foreach(source IN ITEMS ${WORK}/source-3.4 ${source_5})
  configure(eigen -DHOW=fetch_before ${here} -DEIGEN=${source} ${alone})
  expect_eigen("a part, fetched after Eigen" "${source}")
  configure(eigen -DHOW=fetch_after ${here} -DEIGEN=${source} ${alone})
  expect_eigen("a part, fetched before Eigen" "${source}")
endforeach()
configure(eigen -DHOW=override ${here} -DEIGEN=${source_5} ${alone})
expect_eigen("a part, Eigen by an overridden find_package" "${source_5}")
configure(eigen -DHOW=fetch_after ${here} -DEIGEN=${source_5})
expect_eigen("a part, fetched before Eigen, where another is installed" "${source_5}")

# What that build has exported from its tree is used by another.
file(RENAME ${WORK}/build ${WORK}/exporting)
set(prefix_path "${prefixes}/eigen-5")
configure(exported -DMINE=${WORK}/exporting/mine-targets.cmake
          -Dlorapro_DIR=${WORK}/exporting/_deps/lorapro-build/package)
expect_eigen("exported from a build tree" "${eigen_5_folder}")

# The words for what cannot be.
set(hint "Debian: libeigen3-dev; elsewhere set Eigen3_DIR to the folder of Eigen3Config.cmake")
configure(eigen -DHOW=find ${here} ${alone})
expect_words("a part, without Eigen" "expected Eigen 3.4 or later, found none (${hint}")
set(prefix_path "${prefixes}/eigen-3.3")
configure(eigen -DHOW=find ${here} ${alone})
expect_words("a part, with Eigen 3.3" "expected Eigen 3.4 or later, found 3.3.9 in ${prefixes}")
set(prefix_path "${prefixes}/lorapro")
configure(eigen -DHOW=find ${alone})
expect_words("found, without Eigen" "expected Eigen 3.4 or later, found none (${hint}")

# One program, read with the headers of Eigen 5.
file(WRITE ${WORK}/version.cpp
     "#include <lorapro/lorapro.hpp>\nstatic_assert(EIGEN_VERSION_AT_LEAST(5, 0, 0), \"Eigen 5\");\n")
execute_process(
  COMMAND ${COMPILER} -std=c++17 -fsyntax-only -I${LIBRARY}/include -isystem "${eigen_5_folder}"
          ${WORK}/version.cpp COMMAND_ERROR_IS_FATAL ANY)
