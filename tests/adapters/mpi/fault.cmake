# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Runs PROGRAM on three ranks with each fault: all ranks end, soon, with an error and its one message.
# cmake "-DLAUNCH=mpiexec;..." -DPROGRAM= -P fault.cmake
cmake_minimum_required(VERSION 3.21)

function(run fault)
  execute_process(
    COMMAND ${LAUNCH} ${PROGRAM} ${fault}
    TIMEOUT 30
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(result MATCHES "timeout")
    message(FATAL_ERROR "${fault}: the ranks still ran after 30 seconds:\n${output}")
  endif()
  set(result ${result} PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(none)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "without a fault: expected success, got ${result}:\n${output}")
endif()
run(throw)
string(REGEX MATCHALL "rank [0-9]+: [^\n]*" messages "${output}")
if(result EQUAL 0 OR NOT messages STREQUAL "rank 1: out of data")
  message(FATAL_ERROR "throw: expected an error and one message, got ${result}:\n${output}")
endif()
run(kill)
if(result EQUAL 0 OR NOT output MATCHES "signal 9")
  message(FATAL_ERROR "kill: expected an error that names the signal, got ${result}:\n${output}")
endif()
