# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Compiles and runs the README's program: its first ```cpp block that begins with the umbrella header.
# cmake -DREADME= -DWORK= -DCOMPILE= -P readme.cmake
cmake_minimum_required(VERSION 3.21)

separate_arguments(COMPILE UNIX_COMMAND "${COMPILE}")
file(READ ${README} text)
set(opening "```cpp\n#include <lorapro/lorapro.hpp>")
string(FIND "${text}" "${opening}" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "${README} has no block that begins with ${opening}")
endif()
math(EXPR begin "${begin} + 7")
string(SUBSTRING "${text}" ${begin} -1 text)
string(FIND "${text}" "\n```" length)
string(SUBSTRING "${text}" 0 ${length} program)

file(MAKE_DIRECTORY ${WORK})
file(WRITE ${WORK}/readme.cpp "${program}\n")
execute_process(
  COMMAND ${COMPILE} -Wall -Wextra -Werror -O2 ${WORK}/readme.cpp -o ${WORK}/readme
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/readme COMMAND_ERROR_IS_FATAL ANY)
