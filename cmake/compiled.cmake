# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# lorapro::compiled: the rules in float and double as a static library, for people who would rather not
# compile them in each of their files, or who compile for a baseline and run on better machines. The
# code of each instruction set is linked into one object whose only global symbols are its tables:
# inline functions of the same names, the compiler's standard library included, cannot meet then.
set(LORAPRO_COMPILED_ISAS "x86-64-v3;x86-64-v4" CACHE STRING
    "Instruction sets of lorapro::compiled besides the compiler's own, on x86-64: none or both")

# Users get threads where the compiler has them, our own tests where they are asked for.
set(threads FALSE)
if(LORAPRO_OPENMP OR NOT TARGET lorapro_options)
  find_package(OpenMP QUIET COMPONENTS CXX)
  set(threads ${OpenMP_CXX_FOUND})
endif()

set(several FALSE)
if(LORAPRO_COMPILED_ISAS
   AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64"
   AND CMAKE_EXECUTABLE_FORMAT STREQUAL "ELF"
   AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang"
   AND CMAKE_OBJCOPY)
  # Other linkers than GNU's do not take sections out of their groups.
  find_program(LORAPRO_GNU_LD NAMES ld.bfd)
  mark_as_advanced(LORAPRO_GNU_LD)
  if(LORAPRO_GNU_LD)
    set(several TRUE)
  endif()
endif()

# Adds the objects of one instruction set to compiled_objects.
function(lorapro_compile_isa name)
  set(objects "")
  set(symbols "")
  foreach(table IN ITEMS rules_float rules_double products_float products_double)
    string(REGEX MATCH "^([a-z]+)_([a-z]+)$" unused ${table})
    set(source ${CMAKE_MATCH_1})
    set(scalar ${CMAKE_MATCH_2})
    set(target lorapro_compiled_${name}_${table})
    add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/cmake/compiled/${source}.cpp)
    target_compile_definitions(${target} PRIVATE LORAPRO_COMPILED LORAPRO_COMPILED_SCALAR=${scalar}
                                                 LORAPRO_COMPILED_TABLE=${name}_${table})
    target_link_libraries(${target} PRIVATE lorapro::lorapro $<TARGET_NAME_IF_EXISTS:lorapro_options>)
    if(threads)
      target_link_libraries(${target} PRIVATE OpenMP::OpenMP_CXX)
    endif()
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_compile_options(${target} PRIVATE ${ARGN})
    if(several)
      target_compile_options(${target} PRIVATE -fno-lto)
      if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(${target} PRIVATE -fno-gnu-unique)
      endif()
    endif()
    list(APPEND objects $<TARGET_OBJECTS:${target}>)
    # As a C++ compiler names lorapro::compiled::detail::<name>_<table>, of rules by their index.
    string(LENGTH ${name}_${table} length)
    set(parameters v)
    if(source STREQUAL "rules")
      set(parameters m)
    endif()
    list(APPEND symbols
         --keep-global-symbol=_ZN7lorapro8compiled6detail${length}${name}_${table}E${parameters})
  endforeach()
  if(several)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/lorapro_compiled_${name}${CMAKE_CXX_OUTPUT_EXTENSION})
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${LORAPRO_GNU_LD} -r --force-group-allocation -o ${object} ${objects}
      COMMAND ${CMAKE_OBJCOPY} ${symbols} ${object}
      DEPENDS ${objects}
      COMMAND_EXPAND_LISTS VERBATIM)
    set(objects ${object})
    set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  endif()
  set(compiled_objects ${compiled_objects} ${objects} PARENT_SCOPE)
endfunction()

set(compiled_objects "")
lorapro_compile_isa(baseline)
if(several)
  lorapro_compile_isa(v3 -march=x86-64-v3)
  lorapro_compile_isa(v4 -march=x86-64-v4)
endif()

add_library(lorapro_compiled STATIC
            ${PROJECT_SOURCE_DIR}/cmake/compiled/decompositions.cpp
            ${PROJECT_SOURCE_DIR}/cmake/compiled/dispatch.cpp ${compiled_objects})
add_library(lorapro::compiled ALIAS lorapro_compiled)
set_target_properties(lorapro_compiled PROPERTIES EXPORT_NAME compiled POSITION_INDEPENDENT_CODE ON)
target_compile_definitions(lorapro_compiled PUBLIC LORAPRO_COMPILED)
target_link_libraries(lorapro_compiled PUBLIC lorapro::lorapro
                                       PRIVATE $<BUILD_INTERFACE:$<TARGET_NAME_IF_EXISTS:lorapro_options>>)
if(several)
  target_compile_definitions(lorapro_compiled PRIVATE LORAPRO_COMPILED_X86_64)
endif()
if(threads)
  target_link_libraries(lorapro_compiled PRIVATE OpenMP::OpenMP_CXX)
endif()
