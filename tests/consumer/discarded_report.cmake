# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# A program that drops what step() returns gets one warning, of one line, at its own line; one that
# does not drop it, or says so, gets none.
# cmake -DWORK= -DCOMPILE= -P discarded_report.cmake
cmake_minimum_required(VERSION 3.21)

separate_arguments(COMPILE UNIX_COMMAND "${COMPILE}")
function(expect_warnings count statement)
  file(WRITE ${WORK}/discarded.cpp
       "#include <lorapro/lorapro.hpp>
lorapro::Index train(lorapro::LoraProOptimizer<float>& optimizer) {
  ${statement}
  return optimizer.step().updated;
}
")
  execute_process(
    COMMAND ${COMPILE} -Wall -Wextra -fsyntax-only ${WORK}/discarded.cpp
    ERROR_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]*warning:[^\n]*" warnings "${output}")
  list(LENGTH warnings length)
  if(NOT length EQUAL count OR (count AND NOT warnings MATCHES "discarded.cpp:3:.*nodiscard"))
    message(FATAL_ERROR "${statement}: expected ${count} warnings at line 3, got\n${output}")
  endif()
endfunction()
expect_warnings(1 "optimizer.step();")
expect_warnings(0 "(void)optimizer.step();")
