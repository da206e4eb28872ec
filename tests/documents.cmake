# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Compiles and runs the programs of the README and of docs/*.md: their ```cpp blocks that begin with
# the umbrella header or, where MPI_FLAGS are given, with that of the MPI adapter.
# cmake -DROOT= -DWORK= -DCOMPILE= -DMPI_FLAGS= -P documents.cmake
cmake_minimum_required(VERSION 3.21)

separate_arguments(COMPILE UNIX_COMMAND "${COMPILE}")
separate_arguments(MPI_FLAGS UNIX_COMMAND "${MPI_FLAGS}")
file(GLOB documents ${ROOT}/docs/*.md)
file(MAKE_DIRECTORY ${WORK})
set(programs 0)

# Of the blocks that begin with this header, compiled with these flags behind the program.
function(run_programs header)
  set(opening "```cpp\n#include <${header}>")
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
      execute_process(COMMAND ${COMPILE} -Wall -Wextra -Werror -O2 ${name}.cpp -o ${name} ${ARGN}
                              COMMAND_ERROR_IS_FATAL ANY)
      execute_process(COMMAND ${name} WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
      string(FIND "${text}" "${opening}" begin)
    endwhile()
  endforeach()
  set(programs ${programs} PARENT_SCOPE)
endfunction()

# What stands between two lines `// [name]` of the program is quoted word for word in docs.
file(READ ${ROOT}/examples/custom_rule.cpp program)
file(READ ${ROOT}/docs/architecture.md text)
foreach(name IN ITEMS "element-wise rule" "pair rule")
  string(REGEX MATCH "// \\[${name}\\]\n(.*)\n// \\[${name}\\]" found "${program}")
  string(FIND "${text}" "${CMAKE_MATCH_1}" position)
  if("${found}" STREQUAL "" OR position EQUAL -1)
    message(FATAL_ERROR "docs/architecture.md: expected the ${name} of examples/custom_rule.cpp")
  endif()
  if(name STREQUAL "element-wise rule")
    file(READ ${ROOT}/README.md readme)
    string(FIND "${readme}" "${CMAKE_MATCH_1}" position)
    if(position EQUAL -1)
      message(FATAL_ERROR "README.md: expected the ${name} of examples/custom_rule.cpp")
    endif()
  endif()
endforeach()

run_programs(lorapro/lorapro.hpp)
if(programs LESS 2)
  message(FATAL_ERROR "expected programs in README.md and docs, found ${programs}")
endif()
if(MPI_FLAGS)
  # On one rank, which needs no launcher.
  set(ENV{OMPI_ALLOW_RUN_AS_ROOT} 1)
  set(ENV{OMPI_ALLOW_RUN_AS_ROOT_CONFIRM} 1)
  set(before ${programs})
  run_programs(lorapro/adapters/mpi.hpp ${MPI_FLAGS})
  if(programs EQUAL before)
    message(FATAL_ERROR "expected a program of the MPI adapter in docs, found none")
  endif()
endif()
