# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Compiles and runs the programs of the README and of docs/*.md: their ```cpp blocks that begin with
# the umbrella header.
# cmake -DROOT= -DWORK= -DCOMPILE= -P documents.cmake
cmake_minimum_required(VERSION 3.21)

separate_arguments(COMPILE UNIX_COMMAND "${COMPILE}")
file(GLOB documents ${ROOT}/docs/*.md)
file(MAKE_DIRECTORY ${WORK})
set(opening "```cpp\n#include <lorapro/lorapro.hpp>")
set(programs 0)
foreach(document IN ITEMS ${ROOT}/README.md ${documents})
  get_filename_component(stem ${document} NAME_WE)
  file(READ ${document} text)
  string(FIND "${text}" "${opening}" begin)
  while(NOT begin EQUAL -1)
    math(EXPR begin "${begin} + 7")
    string(SUBSTRING "${text}" ${begin} -1 text)
    string(FIND "${text}" "\n```" length)
    string(SUBSTRING "${text}" 0 ${length} program)
    math(EXPR programs "${programs} + 1")
    set(name ${WORK}/${stem}_${programs})
    file(WRITE ${name}.cpp "${program}\n")
    execute_process(COMMAND ${COMPILE} -Wall -Wextra -Werror -O2 ${name}.cpp -o ${name}
                            COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND ${name} WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
    string(FIND "${text}" "${opening}" begin)
  endwhile()
endforeach()
if(programs LESS 2)
  message(FATAL_ERROR "expected programs in README.md and docs, found ${programs}: ${opening}")
endif()
