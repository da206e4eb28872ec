# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# tests/layering.cmake passes a clean tree and names each planted offender.
# cmake -DWORK=<scratch folder> -P tests/layering_selftest.cmake
cmake_minimum_required(VERSION 3.21)

function(plant header content)
  file(WRITE ${WORK}/lorapro/${header} "#pragma once\n${content}\n")
endfunction()

function(check_layering expected)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DROOT=${WORK} -P ${CMAKE_CURRENT_LIST_DIR}/layering.cmake
    RESULT_VARIABLE result
    ERROR_VARIABLE output)
  if(expected STREQUAL "")
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "a clean tree was rejected:\n${output}")
    endif()
  else()
    string(FIND "${output}" "${expected}" position)
    if(result EQUAL 0 OR position EQUAL -1)
      message(FATAL_ERROR "expected a failure with '${expected}', got ${result}:\n${output}")
    endif()
  endif()
endfunction()

function(check_offender header content expected)
  plant(${header} "${content}")
  check_layering("${expected}")
  file(REMOVE ${WORK}/lorapro/${header})
endfunction()

file(REMOVE_RECURSE ${WORK})
plant(version.hpp "")
plant(core/error.hpp "#include <lorapro/version.hpp>  // the version\n#include <string>")
plant(linalg/gram.hpp "#include <lorapro/core/error.hpp>\n#  include <Eigen/Core>")
plant(linalg/sylvester.hpp "#include <lorapro/linalg/gram.hpp>")
plant(optim/rule.hpp "#include <lorapro/core/error.hpp>")
plant(optim/sgd_rule.hpp "#include <lorapro/optim/rule.hpp>")
plant(optim/muon_rule.hpp "#include <lorapro/optim/rule.hpp>")
plant(optim/scaled_rule.hpp "#include <lorapro/optim/sgd_rule.hpp>")  # of dense parameters
plant(io/checkpoint.hpp "#include <lorapro/lorapro.hpp>")
plant(lorapro.hpp "#include <lorapro/optim/sgd_rule.hpp>")
plant(adapters/mpi/sharded_checkpoint.hpp "#include <lorapro/io/checkpoint.hpp>")
check_layering("")

check_offender(core/bad.hpp "  #  include <lorapro/linalg/gram.hpp>  // G"
               "lorapro/core/bad.hpp: <lorapro/linalg/gram.hpp> goes upward")
check_offender(optim/bad.hpp "#include <lorapro/io/checkpoint.hpp>" "goes upward")
check_offender(optim/bad.hpp "#include <lorapro/lorapro.hpp>" "goes upward")
check_offender(adapters/bad.hpp "#include <lorapro/io/checkpoint.hpp>" "goes sideways")
check_offender(adapters/mpi/bad.hpp "#include <lorapro/io/checkpoint.hpp>" "goes sideways")
check_offender(io/bad.hpp "#include <lorapro/adapters/mpi.hpp>" "goes sideways")
check_offender(events/bad.hpp "#include <lorapro/io/checkpoint.hpp>" "goes sideways")
check_offender(optim/bad.hpp "#include <lorapro/events/csv_log.hpp>" "goes upward")
check_offender(optim/bad_rule.hpp "#include <lorapro/optim/muon_rule.hpp>" "is another rule")
check_offender(linalg/bad.hpp "#include \"gram.hpp\"" "must be written <lorapro/...>")
check_offender(linalg/bad.hpp "#include <lorapro/../x.hpp>" "must be written <lorapro/...>")
check_offender(utils/bad.hpp "" "the folder utils has no layer")
check_offender(core/bad.hpp "#include <lorapro/utils/x.hpp>" "is in a folder without a layer")
check_layering("")
