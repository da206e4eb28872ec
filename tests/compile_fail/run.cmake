# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# CASE must fail to compile with the static assertion that its line `// EXPECT: <text>` gives, and
# must compile when LORAPRO_CONTROL is defined: then nothing else was wrong with it.
# cmake -DCASE= -DCOMPILE= -P run.cmake
cmake_minimum_required(VERSION 3.21)

separate_arguments(COMPILE UNIX_COMMAND "${COMPILE}")
file(STRINGS ${CASE} expected REGEX "^// EXPECT: ")
string(REGEX REPLACE "^// EXPECT: " "" expected "${expected}")
if(expected STREQUAL "")
  message(FATAL_ERROR "${CASE} has no line // EXPECT: <text>")
endif()

execute_process(
  COMMAND ${COMPILE} -fsyntax-only -DLORAPRO_CONTROL ${CASE}
  RESULT_VARIABLE result
  ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${CASE} does not compile even with LORAPRO_CONTROL:\n${output}")
endif()

execute_process(
  COMMAND ${COMPILE} -fsyntax-only ${CASE}
  RESULT_VARIABLE result
  ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${CASE} compiles")
endif()
string(REGEX MATCHALL "error: static[ _]assert[^\n]*" assertions "${output}")
string(FIND "${assertions}" "${expected}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "${CASE} fails without saying '${expected}':\n${output}")
endif()
