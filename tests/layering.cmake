# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Walks the includes of ROOT/lorapro and fails on one that goes upward.
# cmake -DROOT=include -P tests/layering.cmake
cmake_minimum_required(VERSION 3.21)

set(layer_core 0)
set(layer_linalg 1)
set(layer_adjust 2)
set(layer_layer 3)
set(layer_optim 4)
set(layer_io 5)
set(layer_events 5)
set(layer_adapters 5)

# Each needs two components, and says so: an engine's state, or a model's adapters, in files.
set(adapter_files lorapro/adapters/mpi/sharded_checkpoint.hpp
                  lorapro/adapters/torch/peft_modules.hpp lorapro/adapters/torch/peft_load.hpp)

get_filename_component(ROOT ${ROOT} ABSOLUTE)
set(offenders "")
file(GLOB_RECURSE headers RELATIVE ${ROOT} ${ROOT}/lorapro/*.hpp)
if(NOT headers)
  message(FATAL_ERROR "no headers under ${ROOT}/lorapro")
endif()

# The folder of lorapro/<folder>/<header>, its layer; the umbrella stands on top of layers 0 to 4.
macro(locate header prefix)
  if(${header} STREQUAL "lorapro/version.hpp")
    set(${prefix}_folder core)
    set(${prefix}_layer 0)
  elseif(${header} STREQUAL "lorapro/lorapro.hpp")
    set(${prefix}_folder umbrella)
    set(${prefix}_layer 4.5)
  else()
    string(REGEX REPLACE "^lorapro/([^/]+)/.*$" "\\1" ${prefix}_folder ${header})
    set(${prefix}_layer ${layer_${${prefix}_folder}})
  endif()
endmacro()

foreach(header IN LISTS headers)
  locate(${header} from)
  if("${from_layer}" STREQUAL "")
    list(APPEND offenders "${header}: the folder ${from_folder} has no layer")
    continue()
  endif()
  file(STRINGS ${ROOT}/${header} includes REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*([<\"][^>\"]*[>\"]).*$" "\\1" include "${line}")
    if(include MATCHES "^\"|\\.\\./")
      list(APPEND offenders "${header}: ${include} must be written <lorapro/...>")
    elseif(include MATCHES "^<lorapro/")
      string(REGEX REPLACE "[<>]" "" included ${include})
      locate(${included} to)
      if("${to_layer}" STREQUAL "")
        list(APPEND offenders "${header}: ${include} is in a folder without a layer")
      elseif(to_layer GREATER from_layer)
        list(APPEND offenders "${header}: ${include} goes upward")
      elseif(to_layer EQUAL from_layer AND NOT to_folder STREQUAL from_folder
             AND NOT (header IN_LIST adapter_files AND to_folder STREQUAL "io"))
        list(APPEND offenders "${header}: ${include} goes sideways")
      elseif(header MATCHES "_rule\\.hpp$" AND included MATCHES "_rule\\.hpp$"
             AND NOT included MATCHES "optim/(adamw|sgd)_rule\\.hpp$")  # of dense parameters
        list(APPEND offenders "${header}: ${include} is another rule")
      endif()
    endif()
  endforeach()
endforeach()

if(offenders)
  list(JOIN offenders "\n  " offenders)
  message(FATAL_ERROR "layering:\n  ${offenders}")
endif()
