# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Compiles and runs the README's programs: its ```cpp blocks that begin with the umbrella header.
# cmake -DREADME= -DWORK= -DCOMPILE= -P readme.cmake
cmake_minimum_required(VERSION 3.21)

separate_arguments(COMPILE UNIX_COMMAND "${COMPILE}")
file(READ ${README} text)
file(MAKE_DIRECTORY ${WORK})
set(opening "```cpp\n#include <lorapro/lorapro.hpp>")
set(programs 0)
string(FIND "${text}" "${opening}" begin)
while(NOT begin EQUAL -1)
  math(EXPR begin "${begin} + 7")
  string(SUBSTRING "${text}" ${begin} -1 text)
  string(FIND "${text}" "\n```" length)
  string(SUBSTRING "${text}" 0 ${length} program)
  math(EXPR programs "${programs} + 1")
  set(name ${WORK}/readme_${programs})
  file(WRITE ${name}.cpp "${program}\n")
  execute_process(COMMAND ${COMPILE} -Wall -Wextra -Werror -O2 ${name}.cpp -o ${name}
                          COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${name} COMMAND_ERROR_IS_FATAL ANY)
  string(FIND "${text}" "${opening}" begin)
endwhile()
if(programs EQUAL 0)
  message(FATAL_ERROR "${README} has no block that begins with ${opening}")
endif()
