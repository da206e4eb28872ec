# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# lorapro::compiled, installed: programs that mix it with units that have the rules from the headers, and
# get from both the same bits for each instruction set that this machine has.
# cmake -DWORK= -DLIBRARY= -DCOMPILER= -DGENERATOR= -DISAS=A,B,... -P compiled.cmake
cmake_minimum_required(VERSION 3.21)

string(REPLACE "," ";" ISAS ${ISAS})
file(REMOVE_RECURSE ${WORK})
set(options -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Release
            "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG")
execute_process(
  COMMAND ${CMAKE_COMMAND} ${options} -S ${LIBRARY} -B ${WORK}/library -DLORAPRO_BUILD_TESTS=OFF
          -DLORAPRO_BUILD_COMPILED=ON
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/library COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND ${CMAKE_COMMAND} --install ${WORK}/library --prefix ${WORK}/prefix
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND ${CMAKE_COMMAND} ${options} -S ${CMAKE_CURRENT_LIST_DIR}/compiled -B ${WORK}/build
          -DCMAKE_PREFIX_PATH=${WORK}/prefix "-DISAS=${ISAS}"
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build COMMAND_ERROR_IS_FATAL ANY)

macro(run isa what)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env LORAPRO_ISA=${ARGN} ${WORK}/build/${isa} ${what}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output)
endmacro()

foreach(isa IN LISTS ISAS)
  run(${isa} compiled ${isa})
  if(result EQUAL 1 AND output MATCHES "^LORAPRO_ISA: expected one that this machine has")
    message("${isa}: not on this machine")
    continue()
  endif()
  set(compiled "${output}")
  run(${isa} header_only)
  if(NOT result EQUAL 0 OR output STREQUAL "" OR NOT output STREQUAL compiled)
    message(FATAL_ERROR "${isa}: expected of the library\n${output}got\n${compiled}")
  endif()
  message("${isa}:\n${output}")
  set(best "${compiled}")
endforeach()

# Without a word the best; of others a word.
run(baseline compiled)
if(NOT output STREQUAL best)
  message(FATAL_ERROR "expected the best instruction set's\n${best}got\n${output}")
endif()
run(baseline compiled avx)
if(NOT result EQUAL 1 OR NOT output MATCHES "^LORAPRO_ISA: expected one that this machine has, .*baseline, got \"avx\"\n$")
  message(FATAL_ERROR "expected to be refused, got ${result} and ${output}")
endif()
