# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Objects compiled for different instruction sets share no inline function of the library: the
# linker keeps one of each name, which may hold instructions that the other's machine lacks. Only
# the exceptions and the checks that throw them are shared, so that they can be caught by type.
# cmake -DNM= -DFIRST=<object> -DSECOND=<object> -P shared_symbols.cmake
cmake_minimum_required(VERSION 3.21)

foreach(unit IN ITEMS FIRST SECOND)
  execute_process(
    COMMAND ${NM} --demangle --defined-only ${${unit}}
    OUTPUT_VARIABLE output
    COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*lorapro::[^\n]*" symbols "${output}")
  list(TRANSFORM symbols REPLACE "^[0-9a-f]* [WVu] " "")
  set(${unit}_symbols "${symbols}")
endforeach()
if(NOT FIRST_symbols OR NOT SECOND_symbols)
  message(FATAL_ERROR "no symbols of the library in ${FIRST} or ${SECOND}")
endif()

set(shared "")
foreach(symbol IN LISTS FIRST_symbols)
  if(symbol IN_LIST SECOND_symbols AND NOT symbol MATCHES "lorapro::(checks::|[A-Za-z]*Error)")
    list(APPEND shared "${symbol}")
  endif()
endforeach()
if(shared)
  list(JOIN shared "\n  " shared)
  message(FATAL_ERROR "shared:\n  ${shared}")
endif()
