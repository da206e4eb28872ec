# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Copies include/ and compiles the program with one plain compiler line.
# cmake -DWORK= -DLIBRARY= -DCOMPILER= -DEIGEN= -P copied_headers.cmake
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
file(COPY ${LIBRARY}/include DESTINATION ${WORK})
execute_process(
  COMMAND ${COMPILER} -std=c++17 -I ${WORK}/include -I ${EIGEN}
          ${CMAKE_CURRENT_LIST_DIR}/main.cpp -o ${WORK}/consumer
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/consumer COMMAND_ERROR_IS_FATAL ANY)
