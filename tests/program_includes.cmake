# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Fails on an include in quotes, under ROOT, that names no file beside it or from ROOT. The tests
# compile these headers with the folder above ROOT on their path, and so would not notice.
# cmake -DROOT=examples -P tests/program_includes.cmake
cmake_minimum_required(VERSION 3.21)

get_filename_component(ROOT ${ROOT} ABSOLUTE)
set(offenders "")
file(GLOB_RECURSE sources RELATIVE ${ROOT} ${ROOT}/*.hpp ${ROOT}/*.cpp ${ROOT}/*.c)
if(NOT sources)
  message(FATAL_ERROR "no sources under ${ROOT}")
endif()
foreach(source IN LISTS sources)
  get_filename_component(folder ${ROOT}/${source} DIRECTORY)
  file(STRINGS ${ROOT}/${source} includes REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*$" "\\1" include "${line}")
    if(NOT EXISTS ${folder}/${include} AND NOT EXISTS ${ROOT}/${include})
      list(APPEND offenders "${source}: \"${include}\" is not there")
    endif()
  endforeach()
endforeach()

if(offenders)
  list(JOIN offenders "\n  " offenders)
  message(FATAL_ERROR "includes:\n  ${offenders}")
endif()
